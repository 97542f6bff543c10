//! Changes as they happen: from what the committer published to what each watcher is told.
//!
//! The committer leaves each step in the [`Timeline`] and goes on. A thread follows it, works out what the step is for
//! each way in which somebody looks at an environment, and puts that into the slots of those it concerns. Who falls
//! behind, or comes back, finds what it missed in the log of its feed, then in the timeline, then in Git.

mod catch_up;
mod events;
mod fan_out;
mod hub;
mod initial;
mod reach;
mod rewind;
mod scene;
mod subscription;
mod timeline;

use std::sync::Arc;

pub(super) use fan_out::run;
pub(super) use hub::Live;
pub(super) use scene::{Moved, Step};
pub use subscription::{Ended, HEARTBEAT, Heard, Renew, Subscription, Watch};
pub(super) use timeline::Timeline;

/// How somebody looks at an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Facet {
    /// What its own layer holds, as it is written.
    Layer,
    /// What it shows, as it is written.
    View,
    /// What services read: references followed, templates merged.
    Resolved,
}

/// A way of seeing one environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FeedKey {
    /// The environment.
    pub environment: Arc<str>,
    /// How it is looked at.
    pub facet: Facet,
}
