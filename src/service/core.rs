use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::ServiceError;
use super::audit_trail::AuditTrail;
use super::bodies::BodyCache;
use super::health::Health;
use super::identities::Identities;
use super::live::Live;
use super::live_settings::LiveSettings;
use super::outside_gate::OutsideGate;
use super::pace::Pace;
use super::packs::Packs;
use super::past_cache::PastCache;
use super::proposals::ProposalBoard;
use super::signal::Signal;
use super::upstream::UpstreamBoard;
use super::view_checks::ViewChecks;
use crate::git::Repository;
use crate::history::History;
use crate::index::Index;
use crate::model::{Environments, Limits};
use crate::telemetry::ProjectMetrics;

/// What all parts of an open project share.
pub struct Core {
    /// The project's directory.
    pub dir: PathBuf,
    pub(super) repository: Repository,
    /// Settings and access.
    pub(super) meta: Repository,
    pub(super) history: History,
    pub(super) index: Index,
    pub(super) settings: LiveSettings,
    pub(super) identities: Identities,
    pub(super) audit: AuditTrail,
    pub(super) pace: Pace,
    pub(super) checks: ViewChecks,
    pub(super) health: Health,
    pub(super) metrics: ProjectMetrics,
    pub(super) bodies: BodyCache,
    pub(super) past: PastCache,
    /// Held while a commit is read as a whole: two at once would take twice the memory.
    pub(super) whole_loads: Mutex<()>,
    pub(super) packs: Packs,
    pub(super) outside: OutsideGate,
    pub(super) live: Live,
    pub(super) proposals: ProposalBoard,
    pub(super) fold: Signal,
    pub(super) retention: Signal,
    pub(super) upstream: UpstreamBoard,
    pub(super) history_ready: AtomicBool,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Core {
    /// Whether versions are known and writes possible.
    pub fn history_ready(&self) -> bool {
        self.history_ready.load(Ordering::Acquire)
    }

    pub(super) fn writable(&self) -> Result<(), ServiceError> {
        self.health.check()?;
        if self.history_ready() { Ok(()) } else { Err(ServiceError::NotReady { part: "the history index" }) }
    }

    /// Tells the folding thread that there are more packs.
    pub(super) fn packs_added(&self, packs: usize) {
        self.fold.add(packs);
    }

    /// Who may call.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The audit log.
    pub fn audit_trail(&self) -> &AuditTrail {
        &self.audit
    }

    /// Lets an account's request through, or says after how long the next one will be.
    pub fn admit(&self, account: &Arc<str>) -> Result<(), Duration> {
        self.pace.admit(account)
    }

    /// How large what people write may be.
    pub fn limits(&self) -> Limits {
        self.settings.load().limits
    }

    /// The environments there are now.
    pub fn environments(&self) -> Arc<Environments> {
        self.index.load().environments.clone()
    }
}
