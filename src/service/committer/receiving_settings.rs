//! A push to the settings: they move, and are in force, or neither.

use std::sync::Arc;

use super::{Adopted, Worker};
use crate::auth::{ACCESS_FILE, Access};
use crate::git::{PublishError, RefMove, publish};
use crate::model::Revision;
use crate::service::ServiceError;
use crate::service::meta::{META_BRANCH, meta_file_at, parse_settings};
use crate::service::receive::{MovedRef, PushRefusal, ReceivedSettings, Verdict};
use crate::settings::SETTINGS_FILE;

impl Worker {
    /// Takes a push to the settings through to its verdict.
    pub(super) fn receive_settings(&mut self, received: &ReceivedSettings) -> Result<Verdict, ServiceError> {
        if let Some(reason) = &self.broken {
            return Err(ServiceError::WritesUnavailable { reason: reason.clone() });
        }
        let core = self.core.clone();
        let update = &received.update;
        let now = core.meta.find_ref(META_BRANCH)?.id();
        let moved = |new| {
            Verdict::Moved(MovedRef {
                old: now,
                new,
                is_forced: false,
                is_merged: false,
                sequence: None,
                overruled: Vec::new(),
                kept: None,
                proposal: None,
            })
        };
        let Some(new) = update.new.filter(|_| update.new != now) else { return Ok(moved(now)) };
        if now != update.old || !received.follows {
            let reason = "the settings are elsewhere than they were seen, or would lose commits; fetch, merge and push again";
            return Ok(Verdict::Refused(PushRefusal::Behind { reason: reason.to_owned() }));
        }
        let adopted = match self.settings_at(received, new) {
            Ok(adopted) => adopted,
            Err(error @ ServiceError::Settings(_)) => {
                return Ok(Verdict::Refused(PushRefusal::Service(error)));
            }
            Err(error) => return Err(error),
        };
        core.demand_unmoved(&received.looked_at)?;
        core.audit.settings_pushed(received.grant.account(), new)?;
        let unavailable = |error: PublishError| ServiceError::WritesUnavailable { reason: error.to_string() };
        let taken = received.quarantine.take_over(&core.meta).map_err(unavailable)?;
        let step = RefMove { name: META_BRANCH.to_owned(), old: now, new: Some(new) };
        match publish(&core.meta, None, None, &[step]) {
            Ok(()) => taken.settle(),
            Err(error) if error.may_have_moved() => {
                // What it leads to stays, whatever the disk holds.
                taken.settle();
                let reason = format!("{error}; restart the server once the disk is sound");
                self.break_down(&reason);
                return Err(ServiceError::WritesUnavailable { reason });
            }
            Err(error) => return Err(unavailable(error)),
        }
        tracing::info!(by = %received.grant.account(), "settings were pushed");
        self.adopt(adopted)?;
        Ok(moved(Some(new)))
    }

    /// What a commit of the settings says, all of it without a mistake.
    fn settings_at(&self, received: &ReceivedSettings, commit: Revision) -> Result<Adopted, ServiceError> {
        let reader = received.quarantine.reader(&self.core.meta)?;
        let settings =
            parse_settings(&meta_file_at(&reader, commit, SETTINGS_FILE)?).map_err(ServiceError::Settings)?;
        let access =
            Access::parse(&meta_file_at(&reader, commit, ACCESS_FILE)?).map_err(ServiceError::Settings)?;
        let mistakes = access.unknown_environments(&settings.environments);
        if !mistakes.is_empty() {
            return Err(ServiceError::Settings(mistakes));
        }
        let by = Some(received.grant.account().clone());
        Ok(Adopted { head: commit, by, settings: Arc::new(settings), access })
    }
}
