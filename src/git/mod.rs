//! The bare repositories: reading, packs, references by expected value, the journal, the start-up sweep.
//!
//! The only room that names the Git crate. Everything here is synchronous and deterministic: times and ids
//! come in as arguments. Formats: gitrepository-layout(5), gitformat-pack(5).
//!
//! A batch of writes goes: [`WorkTree::set`] for each edit, [`WorkTree::write`] and [`Pack::commit`] for
//! each commit, [`journal::append`] once, [`Pack::finish`], [`publish`].

mod boundary;
mod changes;
mod check;
mod commit;
mod cut;
mod durable;
pub mod failpoint;
mod fold;
pub mod journal;
mod object;
mod pack;
mod pin;
mod process;
mod publish;
mod quarantine;
mod reach;
mod reader;
mod refs;
mod rehash;
mod remote;
mod repository;
mod sweep;
mod tree;
mod work_tree;

pub use self::boundary::Ends;
pub use self::changes::{Changes, FileChange};
pub use self::check::{ObjectCheck, ObjectFault, check_objects, pack_bytes};
pub use self::commit::Commit;
pub use self::cut::{CutError, CutPlan, cut_at};
pub use self::fold::{
    FoldError, FoldPolicy, FoldReport, PruneError, Pruned, Superseded, fold, fold_finish, prunable, prune,
    prune_finish, would_lose,
};
pub use self::object::{CollisionError, ObjectKind};
pub use self::pack::{NewCommit, Pack, PackError, PackFile, Signature};
pub use self::pin::{PinError, packed_refs, pin};
pub use self::publish::{PublishError, RefMove, publish, restore_ref};
pub use self::quarantine::{Quarantine, ReceiveError, ReceiveLimits, TakenOver};
pub use self::reach::Reachable;
pub use self::reader::{ReadError, Reader};
pub use self::refs::{RefNameError, RefState, check_name};
pub use self::remote::{Remote, RemoteError};
pub use self::repository::{OpenError, Repository};
pub use self::sweep::Swept;
pub use self::tree::{EntryKind, Tree, TreeEntry};
pub use self::work_tree::{WorkTree, WorkTreeError, check_file_name};

use crate::model::ObjectId;

/// The tree without entries, which Git knows without storing it.
pub const EMPTY_TREE: ObjectId = ObjectId::from_bytes([
    0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9, 0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6, 0x92, 0x88, 0xfb,
    0xee, 0x49, 0x04,
]);
