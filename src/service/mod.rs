//! What confgit does: one use case a file, and the committer, which puts all writes in order.
//!
//! Reads are synchronous and look at one immutable state. Writes go to the committer's thread and are
//! answered once they are durable. Looking into the past reads Git and blocks; callers in async code put it
//! on a thread that may wait.

mod checkpoint;
mod committer;
mod error;
mod fold;
mod health;
mod init;
mod load;
mod outside;
mod past;
mod prepare;
mod project;
mod read;
mod recover;
mod replay;
mod retention;
mod rollback;
mod signal;
mod status;

pub use committer::{
    Committer, Edit, EditOp, Member, Metadata, Precondition, QUEUE_CAPACITY, Write, Written, WrittenEdit,
};
pub use error::ServiceError;
pub use health::WriteState;
pub use init::{InitError, Initialized, init};
pub use past::{HistoryPage, PastEntry, Point, VersionValue};
pub use project::{Core, OpenError, Project};
pub use read::{EntryDetails, Reading, entity_tag, entry_tag};
pub use rollback::rollback_write;
pub use status::{BranchStatus, Health, Status};
