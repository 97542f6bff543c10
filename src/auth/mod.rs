//! From a credential to who is calling, and from who is calling to what may be done: accounts, keys, issuers of tokens and
//! rules come from `access.yaml` of `meta.git`.
//!
//! What no rule allows is denied. Of the rules that speak of an action at a path, the one whose pattern says most
//! literally decides; of equal ones the one that names the environment, and then the one that denies. Whoever may do
//! something holds a grant, which readers and the committer demand.

mod access;
mod account;
mod action;
mod denied;
mod grant;
mod key;
mod name;
mod principal;
mod rights;
mod rule;
#[cfg(test)]
mod tests;
mod token;

pub use access::{ACCESS_FILE, Access, AccountChange, EditAccessError, NewAccount, NewKey};
pub use account::{Account, AccountKind, Key, LastUse};
pub use action::Action;
pub use denied::{Denied, Object, Refused, RuleName};
pub use grant::{AdminGrant, ReadGrant, SecretGrant, WriteGrant};
pub use key::{ApiKey, KeyHash, MalformedKey};
pub use principal::{Anonymous, Principal};
pub use rights::{Decision, Rights};
pub use rule::{AccessRule, Approvals, Covers};
pub use token::{Identity, Issuers, KeyCache, Mapped, TokenError, TokenFault, looks_like_token};
