use super::lineage::Lineage;
use super::{PushRefusal, RefUpdate, Verdict};
use crate::auth::AdminGrant;
use crate::git::Quarantine;
use crate::service::ServiceError;
use crate::service::meta::{META_BRANCH, meta_file_at, parse_settings};
use crate::service::new_branches::LookedAt;
use crate::service::project::Project;
use crate::settings::SETTINGS_FILE;

/// A push to the settings, on its way to the committer.
#[derive(Debug)]
pub(in crate::service) struct ReceivedSettings {
    pub grant: AdminGrant,
    pub update: RefUpdate,
    pub quarantine: Quarantine,
    /// Whether what the client saw leads to what it sends.
    pub follows: bool,
    /// Where the branches were that its environments are the first to show.
    pub looked_at: LookedAt,
}

impl Project {
    /// Decides a push to the settings whose pack is here: they have to be such that they can be in force, and are at once.
    /// Blocks.
    pub fn receive_settings(
        &self,
        grant: AdminGrant,
        updates: &[RefUpdate],
        quarantine: Quarantine,
    ) -> Result<Vec<Verdict>, ServiceError> {
        self.core().writable()?;
        let refused = |reason: &str| Verdict::Refused(PushRefusal::NoSuchRef { reason: reason.to_owned() });
        let [update] = updates else {
            let all = updates.iter();
            return Ok(all
                .map(|_| refused("settings are pushed by themselves: one ref, refs/heads/main"))
                .collect());
        };
        let Some(new) = update.new.filter(|_| update.name == META_BRANCH) else {
            return Ok(vec![refused(
                "settings are on refs/heads/main, which stays; nothing else is pushed here",
            )]);
        };
        let (received, own) =
            (quarantine.reader(&self.core().meta)?, quarantine.own_reader(&self.core().meta)?);
        let known = update.old.into_iter().collect();
        let follows = match Lineage::of(new, &received, &own, &known) {
            Ok(lineage) => match update.old {
                Some(old) => lineage.leads_from(old, &received),
                None => Ok(false),
            },
            Err(refusal) => Err(refusal),
        };
        let follows = match follows {
            Ok(follows) => follows,
            Err(refusal) => return Ok(vec![Verdict::Refused(refusal)]),
        };
        // What is no settings the committer refuses.
        let settings = meta_file_at(&received, new, SETTINGS_FILE).ok();
        let looked_at = match settings.and_then(|file| parse_settings(&file).ok()) {
            Some(settings) => self.core().look_at_new_branches(&settings),
            None => Ok(LookedAt::new()),
        };
        let looked_at = match looked_at {
            Ok(looked_at) => looked_at,
            Err(error) => return Ok(vec![Verdict::Refused(PushRefusal::Service(error))]),
        };
        drop((received, own));
        let update = update.clone();
        let received = ReceivedSettings { grant, update, quarantine, follows, looked_at };
        self.hand_over_settings(received)
    }
}
