use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use quick_cache::sync::Cache;

use crate::auth::{
    Access, Denied, Identity, KeyCache, KeyHash, Mapped, Principal, TokenFault, WriteGrant, looks_like_token,
};
use crate::model::Timestamp;

/// How many tokens are known at once; one that is forgotten is checked again.
const MOST_TOKENS: usize = 10_000;

/// How long a token that was found good is not looked at again.
const MOST_KEPT_MS: i64 = 5 * 60_000;

/// How long it is taken after its end, as clocks differ.
const LEEWAY_MS: i64 = 60_000;

/// Who may call: the accounts and rules in force, the tokens of issuers that were found good, and the keys that they are
/// checked with.
pub struct Identities {
    access: ArcSwap<Access>,
    keys: KeyCache,
    known: Cache<KeyHash, Arc<Known>>,
    /// Counts the access files that were in force: what was found with an older one counts no more.
    generation: AtomicU64,
}

/// Whom a good token stands for.
struct Known {
    principal: Principal,
    expires_at: Timestamp,
    generation: u64,
}

impl Identities {
    /// Those that an access file names; `dir` is where files of keys lie.
    pub(super) fn new(access: Access, dir: PathBuf) -> Self {
        Identities {
            access: ArcSwap::from_pointee(access),
            keys: KeyCache::new(dir),
            known: Cache::new(MOST_TOKENS),
            generation: AtomicU64::new(0),
        }
    }

    /// The accounts and the rules in force.
    pub fn access(&self) -> Guard<Arc<Access>> {
        self.access.load()
    }

    /// How often others were put in force: what was found out before that may be another thing now.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Puts others in force, and forgets whom tokens stand for.
    pub(super) fn replace(&self, access: Access) {
        let access = access.with_uses_of(&self.access.load());
        self.access.store(Arc::new(access));
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.known.clear();
    }

    fn get(&self, hash: &KeyHash, now: Timestamp) -> Option<Arc<Known>> {
        let known = self.known.get(hash)?;
        let is_current = known.generation == self.generation.load(Ordering::Acquire);
        (is_current && now < known.expires_at).then_some(known)
    }

    /// Asks whoever holds a credential, where that is known without asking anybody else. Nothing of the accounts is
    /// kept: counting who keeps it is what all readers would share.
    pub fn known<T>(
        &self,
        credential: &str,
        now: Timestamp,
        ask: impl FnOnce(&Principal) -> Result<T, Denied>,
    ) -> Result<T, Denied> {
        let hash = KeyHash::of(credential);
        if looks_like_token(credential) {
            return match self.get(&hash, now) {
                Some(known) => ask(&known.principal),
                None => Err(Denied::UnknownKey),
            };
        }
        ask(self.access.load().holder(&hash, now)?)
    }

    /// What an account may write now, where that can be another thing than when the grant was given; an error where it
    /// may not call any more.
    pub(super) fn renewed(&self, grant: &WriteGrant) -> Result<Option<WriteGrant>, Denied> {
        self.access.load().renewed(grant)
    }

    /// Whether a credential is a token that has to be checked first.
    pub fn is_unchecked_token(&self, credential: &str, now: Timestamp) -> bool {
        looks_like_token(credential) && self.get(&KeyHash::of(credential), now).is_none()
    }

    /// Checks the token of an issuer, so that [`Identities::known`] knows it. Blocks, for as long as the issuer takes to give
    /// its keys.
    pub fn check_token(&self, token: &str, now: Timestamp) -> Result<(), Denied> {
        // Before the look at the accounts: what they were then is not kept for later.
        let generation = self.generation.load(Ordering::Acquire);
        let access = self.access.load_full();
        if access.issuers().is_empty() {
            return Err(Denied::UnknownKey);
        }
        let identity = access.issuers().verify(token, &self.keys, now).map_err(|error| {
            let reason = error.to_string();
            match error.fault() {
                TokenFault::Temporary => {
                    tracing::warn!(%reason, "a token could not be checked");
                    Denied::TokenKeysUnavailable
                }
                TokenFault::Bad | TokenFault::Expired => Denied::BadToken { reason },
            }
        })?;
        // Not for as long as it says: an issuer may take a key back, and clocks differ.
        let most = Timestamp::from_millis(now.as_millis() + MOST_KEPT_MS);
        let end = Timestamp::from_millis(identity.expires_at.as_millis() + LEEWAY_MS);
        let expires_at = end.min(most);
        let principal = principal_of(&access, identity)?;
        let known = Known { principal, expires_at, generation };
        self.known.insert(KeyHash::of(token), Arc::new(known));
        Ok(())
    }
}

fn principal_of(access: &Access, identity: Identity) -> Result<Principal, Denied> {
    match identity.account {
        Mapped::Account(name) => match (access.account(&name), access.principal(&name)) {
            (Some(account), Some(principal)) if !account.is_disabled => Ok(Principal::clone(principal)),
            (Some(_), _) => Err(Denied::Disabled { account: name }),
            (None, _) => Err(Denied::UnknownKey),
        },
        Mapped::Teams { name, teams } => Ok(access.principal_of_teams(name, teams.to_vec())),
    }
}
