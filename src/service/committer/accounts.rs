use super::Worker;
use super::environment::meta_commit;
use super::request::Written;
use crate::auth::{ACCESS_FILE, Access, AccountChange, AdminGrant};
use crate::service::ServiceError;
use crate::service::meta::read_meta_file;

impl Worker {
    /// Changes an account: a commit of `meta.git`, in force once it is durable.
    pub(super) fn change_account(
        &mut self,
        grant: &AdminGrant,
        change: &AccountChange,
    ) -> Result<Written, ServiceError> {
        if let Some(reason) = &self.broken {
            return Err(ServiceError::WritesUnavailable { reason: reason.clone() });
        }
        let core = self.core.clone();
        let time = self.now();
        let reader = core.meta.reader();
        let (head, file) = read_meta_file(&core.meta, &reader, ACCESS_FILE)?;
        // Somebody may have pushed another file since the one in force was read.
        let access = Access::parse(&file).map_err(ServiceError::Settings)?;
        let edited =
            access.edited(&file, change, time).map_err(|error| ServiceError::Account(error.into()))?;
        let access = Access::parse(&edited).map_err(ServiceError::Settings)?;
        let mistakes = access.unknown_environments(&self.environments);
        if !mistakes.is_empty() {
            return Err(ServiceError::Settings(mistakes));
        }
        if edited != file {
            let by = (&**grant.account(), &*change.subject());
            let (pack, step) = meta_commit(&reader, head, (ACCESS_FILE, &edited), by, time)?;
            self.publish_meta(pack, step)?;
        }
        self.take_access(access);
        tracing::info!(account = change.account(), by = %grant.account(), "an account was changed");
        Ok(self.nothing_written())
    }

    /// Puts other accounts and rules in force.
    pub(super) fn take_access(&mut self, access: Access) {
        self.core.identities.replace(access);
        self.core.live.nudge();
    }
}
