use std::path::PathBuf;
use std::sync::Arc;

use super::Algorithm;
use super::rule::{Rule, Target};

/// The issuers whose tokens are accepted: the section `issuers` of the access file.
#[derive(Debug, Clone, Default)]
pub struct Issuers {
    pub(super) issuers: Vec<Issuer>,
}

/// One issuer, and what its tokens have to be like.
#[derive(Debug, Clone)]
pub struct Issuer {
    pub(super) name: Arc<str>,
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) origin: Arc<KeyOrigin>,
    pub(super) rules: Vec<Rule>,
}

/// Where the keys of an issuer come from: all that a [`KeySource`](super::KeySource) keeps keys by, so that
/// an edited issuer never meets keys that were got in another way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyOrigin {
    /// The issuer's address, as `iss` has it.
    pub issuer: Arc<str>,
    /// Where its keys are.
    pub location: KeyLocation,
    /// A file of PEM certificates that are trusted for the fetch instead of the public ones. A relative one
    /// lies beside the project's repositories.
    pub ca_file: Option<PathBuf>,
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyLocation {
    /// Where `/.well-known/openid-configuration` below the issuer's address says.
    Discover,
    /// At an address, as a JWK set.
    Url(String),
    /// In a file, as a JWK set. A relative one lies beside the project's repositories.
    File(PathBuf),
}

/// An account that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAccount<'a> {
    /// The keys that lead from the section to the place.
    pub at: Vec<String>,
    /// The account's name.
    pub account: &'a Arc<str>,
}

impl Issuers {
    /// Whether no issuer is configured.
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// The issuers, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter()
    }

    /// The accounts that rules name. Whether they exist is for the one who reads the whole access file to
    /// say.
    pub fn named_accounts(&self) -> impl Iterator<Item = NamedAccount<'_>> {
        self.issuers.iter().flat_map(|issuer| {
            issuer.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.target {
                Target::Account(account) => {
                    let keys = [&*issuer.name, "rules", &index.to_string(), "account"];
                    Some(NamedAccount { at: keys.map(str::to_owned).to_vec(), account })
                }
                Target::Teams(_) => None,
            })
        })
    }
}

impl Issuer {
    /// Its name in the access file.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where its keys come from.
    pub fn origin(&self) -> &Arc<KeyOrigin> {
        &self.origin
    }

    /// An audience that both take, when a token's issuer cannot tell them apart.
    pub(super) fn shared_audience(&self, other: &Issuer) -> Option<&String> {
        if self.origin.issuer != other.origin.issuer {
            return None;
        }
        self.audiences.iter().find(|audience| other.audiences.contains(audience))
    }
}
