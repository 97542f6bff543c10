use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::KeyHash;
use crate::model::Timestamp;

/// Somebody who acts, by name.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name.
    pub name: Arc<str>,
    /// Who that is.
    pub description: Option<String>,
    /// A person or a program.
    pub kind: AccountKind,
    /// The teams it belongs to.
    pub teams: Vec<Arc<str>>,
    /// Whether it is refused, whatever it shows.
    pub is_disabled: bool,
    /// Its keys.
    pub keys: Vec<Key>,
}

/// What an account stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccountKind {
    /// Somebody.
    #[default]
    Person,
    /// Something.
    Service,
}

impl AccountKind {
    /// As the access file says it.
    pub fn name(self) -> &'static str {
        match self {
            AccountKind::Person => "person",
            AccountKind::Service => "service",
        }
    }

    /// The kind that the access file calls so.
    pub fn parse(name: &str) -> Option<Self> {
        [AccountKind::Person, AccountKind::Service].into_iter().find(|kind| kind.name() == name)
    }
}

/// A key of an account: never the key itself.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its hash.
    pub hash: KeyHash,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_use: Arc<LastUse>,
}

impl Account {
    /// When another key ends that lasts as long as the newest one does; none where that does not end.
    pub fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        let valid = self.keys.iter().filter(|key| !key.is_expired(now));
        let newest = valid.max_by_key(|key| key.created_at)?;
        let lasts = newest.expires_at?.as_millis() - newest.created_at?.as_millis();
        Some(Timestamp::from_millis(now.as_millis() + lasts.max(0)))
    }
}

impl Key {
    /// Whether it is not taken any more.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// When something was used last.
#[derive(Debug, Default)]
pub struct LastUse(AtomicI64);

/// How exact that is: readers share the memory it is noted in, and should seldom write there.
const GRAIN_MS: i64 = 60_000;

impl LastUse {
    /// Notes a use.
    pub fn note(&self, now: Timestamp) {
        let minute = now.as_millis() / GRAIN_MS * GRAIN_MS;
        if self.0.load(Ordering::Relaxed) < minute {
            self.0.fetch_max(minute, Ordering::Relaxed);
        }
    }

    /// The last use; none when there was none that is known of.
    pub fn get(&self) -> Option<Timestamp> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Timestamp::from_millis(millis)),
        }
    }
}
