//! What confgit does: one use case a file, and the committer, which puts all writes in order.
//!
//! Reads are synchronous and look at one immutable state. Writes go to the committer's thread and are
//! answered once they are durable. Looking into the past reads Git and blocks; callers in async code put it
//! on a thread that may wait.

mod accounts;
mod alerts;
mod audit_stream;
mod audit_trail;
mod backup;
mod bodies;
mod bundle;
mod check_tree;
mod check_views;
mod checkpoint;
mod clients;
mod commits;
mod committer;
mod core;
mod cursor;
mod diff;
mod environment_rollback;
mod error;
mod explain;
mod fold;
mod fsck;
mod health;
mod identities;
mod init;
mod last_uses;
mod layout;
mod live;
mod live_settings;
mod load;
mod meta;
mod moment;
mod new_branches;
mod open;
mod outside;
mod outside_gate;
mod pace;
mod packs;
mod page;
mod past;
mod past_cache;
mod prepare;
mod preview;
mod progress;
mod project;
mod promote;
mod promotion_base;
mod proposals;
mod read;
mod receive;
mod recover;
mod refs;
mod refs_follower;
mod replay;
mod resolved;
mod restore;
mod retention;
mod rollback;
mod search;
mod settings_follower;
mod signal;
mod status;
mod trailers;
mod upstream;
mod view_checks;

pub use self::core::Core;
pub use accounts::{AccessExplained, WantedAccount};
pub use audit_stream::{
    AuditCursor, AuditFilter, AuditItem, AuditPage, AuditReport, PathFilter, verify_audit,
};
pub use audit_trail::{AuditHealth, RequestOrigin};
pub use backup::{ArchiveError, Backup, BackupError, Manifest, ManifestFile, RepositoryRefs, check_archive};
pub use bundle::Bundle;
pub use check_tree::{TreeFinding, TreeReport, check_tree};
pub use clients::SeenClient;
pub use commits::{CommitInfo, CommitPage, CommitView};
pub use committer::{
    ChangedEntry, Committer, ConfigurationFile, Edit, EditOp, FileNameError, Member, Metadata,
    NewEnvironment, NewProposal, Precondition, PromotedEntry, Promotion, QUEUE_CAPACITY, Resolving, Write,
    Written, WrittenEdit,
};
pub use cursor::Cursor;
pub use diff::{Difference, EntryChange, Moment, Side};
pub use environment_rollback::environment_rollback;
pub use error::{ServiceError, Unmet};
pub use explain::{ExplainedLayer, Explanation, Finished};
pub use fsck::{Check, Finding, FsckError, FsckReport, Severity, fsck};
pub use health::WriteState;
pub use init::{InitError, Initialized, init};
pub use live::{Ended, Facet, FeedKey, HEARTBEAT, Heard, Renew, Subscription, Watch};
pub use open::OpenError;
pub use page::PathPage;
pub use past::{HistoryPage, ObjectHistoryPage, PastEntry, Point, VersionValue};
pub use preview::{Preview, PreviewedEnvironment};
pub use progress::Progress;
pub use project::Project;
pub use promote::{AskedPromotion, Choice, Promoted, PromotionConflict, PromotionPlan, Resolution, Take};
pub use promotion_base::PromotionBase;
pub use proposals::{MOST_PROPOSALS, ProposalConflict, ProposalFilter, ProposalOutcome, ProposalView, Wish};
pub use read::{EntryDetails, PlainRead, Reading, entity_tag, entry_tag};
pub use receive::{
    MOST_REF_UPDATES, Merging, MovedRef, PUSH_LIMITS, Proposing, Push, PushRefusal, RefUpdate, Verdict, Which,
};
pub use resolved::{Content, ResolvedValue, Revealed, Wanted};
pub use restore::{RestoreError, Restored, restore};
pub use rollback::rollback_write;
pub use search::{EntryPage, Search, page};
pub use status::{BranchStatus, Health, Status};
pub use upstream::{Hint, PullStatus, PullsStatus, UpstreamBranch, UpstreamState, UpstreamStatus};
