use std::sync::Arc;

use super::compact::{Claims, Compact};
use super::error::shown;
use super::jwks::{KeySet, Unselected};
use super::rule::Target;
use super::{Algorithm, Identity, Issuer, Issuers, KeySource, Mapped, TokenError};
use crate::auth::name::MOST_NAME_BYTES;
use crate::model::Timestamp;

/// How far the clocks of an issuer and of this machine may differ.
const LEEWAY_MS: i64 = 60_000;

/// The most rules whose first mismatch is named in a message.
const MOST_NAMED_RULES: usize = 8;

impl Issuers {
    /// Checks a token and says who it stands for. May fetch keys, and then takes as long as the source of
    /// keys allows.
    ///
    /// What costs little is checked first, so that tokens that are not for us, or old, cost neither a fetch
    /// nor a signature; a token is only believed when everything holds. Of two issuers with the same address,
    /// the first in the file whose audience the token has counts.
    pub fn verify(&self, token: &str, keys: &dyn KeySource, now: Timestamp) -> Result<Identity, TokenError> {
        let token = Compact::parse(token)?;
        let issuer = self.addressed(&token.claims)?;
        let algorithm = issuer.pinned(&token.algorithm)?;
        let expires_at = check_times(&token.claims, now)?;
        let kid = token.kid.as_deref();
        let keys = keys
            .keys(&issuer.origin, kid, now)
            .map_err(|cause| TokenError::KeysUnavailable { issuer: issuer.name.clone(), cause })?;
        issuer.check_signature(&token, &keys, algorithm)?;
        Ok(Identity { issuer: issuer.name.clone(), account: issuer.mapped(&token.claims)?, expires_at })
    }

    /// The issuer that a token says it is of, and that takes its audience.
    fn addressed(&self, claims: &Claims) -> Result<&Issuer, TokenError> {
        let iss = claims.text("iss")?;
        let same_issuer = || self.issuers.iter().filter(|issuer| *issuer.origin.issuer == *iss);
        let Some(first) = same_issuer().next() else {
            return Err(TokenError::UnknownIssuer { issuer: shown(iss) });
        };
        let audiences = claims.audiences()?;
        let takes =
            |issuer: &&Issuer| issuer.audiences.iter().any(|audience| audiences.contains(&audience.as_str()));
        same_issuer().find(takes).ok_or_else(|| TokenError::WrongAudience {
            issuer: first.name.clone(),
            found: claims.shown_audiences(),
            expected: same_issuer()
                .flat_map(|issuer| issuer.audiences.clone())
                .collect::<Vec<_>>()
                .join(", "),
        })
    }
}

impl Issuer {
    fn pinned(&self, name: &str) -> Result<Algorithm, TokenError> {
        let mut pinned = self.algorithms.iter();
        pinned.find(|algorithm| algorithm.name() == name).copied().ok_or_else(|| TokenError::WrongAlgorithm {
            issuer: self.name.clone(),
            found: shown(name),
            expected: self.algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", "),
        })
    }

    fn check_signature(
        &self,
        token: &Compact<'_>,
        keys: &KeySet,
        algorithm: Algorithm,
    ) -> Result<(), TokenError> {
        let issuer = self.name.clone();
        let key = match keys.select(token.kid.as_deref(), algorithm) {
            Ok(key) => key,
            Err(Unselected::Unfit) => return Err(TokenError::UnfitKey { issuer, algorithm }),
            Err(Unselected::Several { count }) => {
                return Err(TokenError::NotOneKey { issuer, algorithm, count });
            }
            Err(Unselected::Unknown) => {
                return Err(match &token.kid {
                    Some(kid) => TokenError::NoSuchKey { issuer, kid: shown(kid) },
                    None => TokenError::NotOneKey { issuer, algorithm, count: 0 },
                });
            }
        };
        if key.verifies(token.message, token.signature, algorithm) {
            Ok(())
        } else {
            Err(TokenError::WrongSignature { issuer })
        }
    }

    /// What the first rule that matches makes of the claims of a genuine token.
    fn mapped(&self, claims: &Claims) -> Result<Mapped, TokenError> {
        let mut failed = Vec::new();
        for rule in &self.rules {
            match (rule.mismatch(claims.value()), &rule.target) {
                (Some(claim), _) => failed.push(claim.to_owned()),
                (None, Target::Account(account)) => return Ok(Mapped::Account(account.clone())),
                (None, Target::Teams(teams)) => {
                    let name = self.account_name(claims.text("sub")?)?;
                    return Ok(Mapped::Teams { name, teams: teams.clone() });
                }
            }
        }
        failed.truncate(MOST_NAMED_RULES);
        Err(TokenError::NoRule { issuer: self.name.clone(), failed })
    }

    /// The name is shown, logged and written as the author of commits.
    fn account_name(&self, sub: &str) -> Result<Arc<str>, TokenError> {
        let unusable = |reason| Err(TokenError::UnusableSubject { reason });
        let name = format!("{}:{sub}", self.name);
        if sub.is_empty() {
            return unusable("it is empty");
        }
        if name.len() > MOST_NAME_BYTES {
            return unusable("with the issuer's name it has more than 127 bytes");
        }
        if sub.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return unusable("it has blanks or control characters");
        }
        Ok(name.into())
    }
}

/// Checks `exp`, `nbf` and `iat` (RFC 7519 sections 4.1.4 to 4.1.6) and returns the first.
fn check_times(claims: &Claims, now: Timestamp) -> Result<Timestamp, TokenError> {
    let expires_at = claims.time("exp")?.ok_or(TokenError::Claim { claim: "exp" })?;
    if now.as_millis() >= expires_at.as_millis() + LEEWAY_MS {
        return Err(TokenError::Expired { at: expires_at });
    }
    for claim in ["nbf", "iat"] {
        if let Some(at) = claims.time(claim)?
            && at.as_millis() > now.as_millis() + LEEWAY_MS
        {
            return Err(TokenError::NotYetValid { claim, at });
        }
    }
    Ok(expires_at)
}
