//! The audit log of a project: what happened and is no Git commit, such as refusals, failed sign-ins, reads
//! of secrets and exports.
//!
//! # Format
//!
//! A directory holds segments, `<20-digit number of its first record>.jsonl`, and the file `head`. A segment
//! is one record a line, compact JSON, members in this order, absent ones left out:
//!
//! ```json
//! {"number":1,"at":"2026-01-31T12:00:00.000Z","what":"refused","account":"ann","action":"write",
//!  "environment":"prod","path":"/a/b","secret":"db-password","rule":"…","detail":"…",
//!  "address":"127.0.0.1","request_id":"…","count":3,"previous":"sha256:<hex>","hash":"sha256:<hex>"}
//! ```
//!
//! `hash` is the SHA-256 of the line's bytes before `,"hash":`, and `hash` is the last member always.
//! `previous` is the hash of the record before, 64 zeros in the first. `count` says for how many equal
//! records this one stands, and is left out when that is 1. A line has at most 64 KiB. Later versions may
//! add members and values of `what`; the hash covers them.
//!
//! `head` is one line, `<number> sha256:<hex>`: a record that is flushed, and so are all before it. It is
//! there before the first record is, and it is only ever replaced as a whole.
//!
//! # What it proves
//!
//! [`verify`] finds a record that was edited, removed, moved or put in. Whoever can write the directory can
//! compute all hashes anew; so a [`Head`] kept where that person cannot write is an anchor, and a log that
//! was rewritten or cut before an anchor fails.
//!
//! One process writes a log at a time; the lock of the project sees to that.
//!
//! # Bounds
//!
//! 4,096 records queued, 10,000 different ones counted, 4 MiB a write, 32 MiB a segment.

mod entry;
mod error;
mod hash;
mod head;
mod line;
mod lines;
mod log;
mod opening;
mod read_back;
mod record;
mod repeats;
mod segment;
mod tail;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use entry::Entry;
pub use error::{AuditError, AuditFailed, QueueFull, ReadBackError};
pub use hash::{RecordHash, RecordHashError};
pub use head::{Head, HeadError};
pub use log::{AuditLog, Options};
pub use read_back::{ReadBack, read_back};
pub use record::{MOST_LONG_BYTES, MOST_SHORT_BYTES, Record, What};
pub use verify::{Expected, Fault, FaultKind, MOST_FAULTS, Progress, ToldBy, Verified, verify};
