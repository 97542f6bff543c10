//! What is told to the audit log: what happens to a project and is no commit.

use std::collections::BTreeSet;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use quick_cache::sync::Cache;

use super::ServiceError;
use super::layout::AUDIT;
use crate::audit::{AuditError, AuditFailed, AuditLog, Head, Options, Record, What};
use crate::auth::{Denied, Object, Refused, SecretGrant};
use crate::model::{Path, Revision, Timestamp};

/// Equal refusals within so long are one record, with their count: whoever repeats them fills no disk.
const REFUSALS: Duration = Duration::from_secs(60);

/// Repeated reads of one secret by one account, and repeated exports, are one record in so long, with their count.
const READS: Duration = Duration::from_secs(3_600);

/// Where a request came from.
#[derive(Debug, Clone, Default)]
pub struct RequestOrigin {
    /// The address of who sent it.
    pub address: Option<Arc<str>>,
    /// What it calls itself.
    pub request_id: Option<Arc<str>>,
}

/// The audit log of an open project.
pub struct AuditTrail {
    log: AuditLog,
    dir: PathBuf,
    /// How many records found no room.
    lost: AtomicU64,
    /// How many refusals of each account were told in which minute.
    told: Cache<Arc<str>, (i64, u32)>,
    /// In which minute an account's reads of a bundle were told last, by environment and path.
    bundled: Cache<(Arc<str>, Arc<str>, Path), i64>,
}

/// How many refusals of one account are told one by one in a minute.
const MOST_TOLD: u32 = 120;

/// Of how many accounts that is counted.
const MOST_ACCOUNTS: usize = 10_000;

/// Of how many bundles it is known when they were told.
const MOST_BUNDLES: usize = 10_000;

/// How the audit log is.
#[derive(Debug, Clone)]
pub struct AuditHealth {
    /// The last record that is durable.
    pub head: Head,
    /// Why nothing more can be written, where that is so.
    pub failure: Option<String>,
    /// What was wrong with it when it was opened.
    pub damage: Option<String>,
    /// How many records found no room since.
    pub lost: u64,
}

impl AuditTrail {
    /// Opens the log of a project.
    pub(super) fn open(dir: &FilePath, now: Timestamp) -> Result<Self, AuditError> {
        let dir = dir.join(AUDIT);
        let log = AuditLog::open(&dir, now, Options::default())?;
        if let Some(damage) = log.damage() {
            tracing::error!(%damage, "the audit log was damaged; it goes on, and `confgit audit verify` tells where");
        }
        Ok(AuditTrail {
            log,
            dir,
            lost: AtomicU64::new(0),
            told: Cache::new(MOST_ACCOUNTS),
            bundled: Cache::new(MOST_BUNDLES),
        })
    }

    /// What the journal records of it with each batch; none before the first record.
    pub(super) fn anchor(&self) -> Option<String> {
        let head = self.log.head();
        (head.number > 0).then(|| head.to_string())
    }

    /// Where it lies.
    pub(super) fn dir(&self) -> &FilePath {
        &self.dir
    }

    /// Of an account that is refused very often each minute only the first refusals are told one by one: then records
    /// say who and what, so that they are equal, and counted.
    fn bounded(&self, record: Record) -> Record {
        let who = record.account.clone().unwrap_or_else(|| "".into());
        let minute = record.at.as_millis() / 60_000;
        let count = self.told.get(&who).filter(|(told, _)| *told == minute).map_or(0, |(_, count)| count);
        self.told.insert(who, (minute, count + 1));
        if count < MOST_TOLD {
            return record;
        }
        let detail = "more was refused within a minute than is told one by one";
        Record {
            environment: None,
            path: None,
            secret: None,
            rule: None,
            action: None,
            detail: Some(detail.into()),
            ..record
        }
    }

    /// Waits until a record is durable; equal ones within an hour are one.
    fn tell(&self, record: Record) -> Result<(), ServiceError> {
        self.tell_with(|done| self.log.append_counted(record, READS, done))
    }

    /// Waits until what is appended is durable.
    fn tell_with(
        &self,
        append: impl FnOnce(Box<dyn FnOnce(Result<(), AuditFailed>) + Send>),
    ) -> Result<(), ServiceError> {
        let (done, is_done) = mpsc::sync_channel(1);
        append(Box::new(move |result| {
            // Whoever waits does so until the answer comes.
            let _ = done.send(result);
        }));
        let unavailable = |reason: String| ServiceError::AuditUnavailable { reason };
        match is_done.recv() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failed)) => Err(unavailable(failed.to_string())),
            Err(_) => Err(unavailable("the audit log has ended".to_owned())),
        }
    }

    /// Tells that a request was refused, or a credential not taken. Does not wait.
    pub fn denied(&self, denied: &Denied, origin: &RequestOrigin) {
        let Some(record) = record_of(denied, now()) else { return };
        let record = self.bounded(record);
        let record =
            Record { address: origin.address.clone(), request_id: origin.request_id.clone(), ..record };
        if self.log.try_append_counted(record, REFUSALS, |_| {}).is_err() {
            let lost = self.lost.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(lost = lost + 1, "the audit log has no room for a refusal");
        }
    }

    /// Tells that secrets are about to be shown, and waits until that is durable: what cannot be told is not shown.
    pub(super) fn secrets(
        &self,
        grant: &SecretGrant,
        environment: &str,
        names: &BTreeSet<String>,
    ) -> Result<(), ServiceError> {
        for name in grant.granted(names) {
            let record = Record {
                account: Some(grant.account().clone()),
                action: Some("secrets:read".into()),
                environment: Some(environment.into()),
                secret: Some(name.as_str().into()),
                ..Record::new(What::SecretRead, now())
            };
            self.tell(record)?;
        }
        Ok(())
    }

    /// Tells that content leaves as an archive or a bundle, and waits until that is durable. Blocks.
    pub fn export(
        &self,
        account: &Arc<str>,
        (environment, path): (Option<&str>, Option<&Path>),
        what: &str,
    ) -> Result<(), ServiceError> {
        let record = Record {
            account: Some(account.clone()),
            action: Some(what.into()),
            environment: environment.map(Into::into),
            path: path.map(|path| path.as_str().into()),
            ..Record::new(What::Exported, now())
        };
        self.tell(record)
    }

    /// Tells that an account is about to push a commit of the settings, and waits until that is durable: who made a commit is what
    /// it says itself. Blocks.
    pub(super) fn settings_pushed(&self, account: &Arc<str>, commit: Revision) -> Result<(), ServiceError> {
        let record = Record {
            account: Some(account.clone()),
            action: Some("push".into()),
            detail: Some(format!("the settings go to {commit}").into()),
            ..Record::new(What::SettingsPushed, now())
        };
        self.tell_with(|done| self.log.append(record, done))
    }

    /// Tells that what stands below a path leaves as one text for another tool, once a minute for each account: services
    /// read these often, and their reads shall take no room from refusals. Does not wait: what holds secrets waits for
    /// these.
    pub fn bundle(&self, account: &Arc<str>, (environment, path): (&Arc<str>, &Path)) {
        let minute = now().as_millis() / 60_000;
        let key = (account.clone(), environment.clone(), path.clone());
        if self.bundled.get(&key) == Some(minute) {
            return;
        }
        self.bundled.insert(key, minute);
        let record = Record {
            account: Some(account.clone()),
            action: Some("bundle".into()),
            environment: Some(environment.clone()),
            path: Some(path.as_str().into()),
            ..Record::new(What::Exported, now())
        };
        if self.log.try_append_counted(record, READS, |_| {}).is_err() {
            let lost = self.lost.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(lost = lost + 1, "the audit log has no room for an export");
        }
    }

    /// Tells that a server begins to serve the project, or ends. Does not wait.
    pub fn serving(&self, begins: bool) {
        let what = if begins { What::Started } else { What::Stopped };
        let detail = format!("confgit {}", env!("CARGO_PKG_VERSION"));
        let record = Record { detail: Some(detail.into()), ..Record::new(what, now()) };
        self.log.append(record, |_| {});
    }

    /// How the audit log is.
    pub fn health(&self) -> AuditHealth {
        AuditHealth {
            head: self.log.head(),
            failure: self.log.failure().map(|failed| failed.to_string()),
            damage: self.log.damage().map(str::to_owned),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// What is told of a denial; nothing of callers who showed no credential.
fn record_of(denied: &Denied, at: Timestamp) -> Option<Record> {
    let failed = |account: Option<&Arc<str>>| Record {
        account: account.cloned(),
        detail: Some(denied.to_string().into()),
        ..Record::new(What::SignInFailed, at)
    };
    Some(match denied {
        Denied::NoCredential | Denied::TokenKeysUnavailable => return None,
        Denied::UnknownKey | Denied::BadToken { .. } => failed(None),
        Denied::ExpiredKey { account, .. } | Denied::Disabled { account } => failed(Some(account)),
        Denied::Forbidden(refused) => {
            let Refused { account, action, object, environment, rule, .. } = &**refused;
            Record {
                account: Some(account.clone()),
                action: Some(action.name().into()),
                environment: environment.clone(),
                path: match object {
                    Object::Path(path) => Some(path.as_str().into()),
                    _ => None,
                },
                secret: match object {
                    Object::Secret(name) => Some(name.as_str().into()),
                    _ => None,
                },
                rule: rule.as_ref().map(|rule| rule.to_string().into()),
                detail: Some(refused.to_string().into()),
                ..Record::new(What::Refused, at)
            }
        }
    })
}
