use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::committer::{Adopted, QueueWatch};
use super::core::Core;
use super::last_uses::LastUses;
use super::meta::{META_BRANCH, read_meta};
use super::open::OpenError;
use crate::model::Revision;

/// How often it is looked whether somebody pushed other settings.
const LOOK: Duration = Duration::from_secs(1);

/// Follows the settings' repository: what is pushed there takes effect without a restart. Settings with a mistake are
/// refused as a whole, and the old ones stay.
pub(super) struct Follower {
    pub core: Arc<Core>,
    pub committer: QueueWatch,
    /// The head that was read last.
    pub seen: Option<Revision>,
    pub last_uses: LastUses,
}

/// After so many looks it is written down when keys were used.
const LOOKS_PER_SAVE: u32 = 60;

impl Follower {
    /// Looks at the repository until the project closes.
    pub fn run(mut self, stop: &Receiver<()>) {
        let mut looks = 0;
        while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(LOOK) {
            looks += 1;
            if looks % LOOKS_PER_SAVE == 0 {
                self.save_uses();
            }
            // A ref that cannot be read is looked at again.
            let Ok(found) = self.core.meta.find_ref(META_BRANCH) else { continue };
            let head = found.id();
            if let Some(head) = head
                && Some(head) != self.seen
                && self.follow(head)
            {
                self.seen = Some(head);
            }
        }
        self.save_uses();
    }

    fn save_uses(&mut self) {
        if let Err(error) = self.last_uses.save(&self.core.identities().access()) {
            tracing::warn!(%error, "it cannot be kept when keys were used last");
        }
    }

    /// Takes over what the repository says now; false where that is to be tried again.
    fn follow(&self, head: Revision) -> bool {
        match read_meta(&self.core.dir, &self.core.meta) {
            Ok((settings, access)) => {
                if !self.committer.adopt(Adopted { head, by: None, settings: Arc::new(settings), access }) {
                    return false;
                }
                self.core.settings.refuse(Vec::new());
                tracing::info!("other settings are in force");
                true
            }
            Err(OpenError::Settings { mistakes, .. }) => {
                for mistake in &mistakes {
                    tracing::warn!(%mistake, "settings with a mistake are refused; the old ones stay");
                }
                self.core.settings.refuse(mistakes);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the settings cannot be read; the old ones stay");
                false
            }
        }
    }
}
