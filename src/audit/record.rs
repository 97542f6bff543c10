use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// The most bytes of a path, a rule and a detail; what is longer is cut and ends in `…`.
pub const MOST_LONG_BYTES: usize = 1024;
/// The most bytes of every other text.
pub const MOST_SHORT_BYTES: usize = 256;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A request was denied to a known account.
    Refused,
    /// A credential was not accepted.
    SignInFailed,
    /// A secret was shown in clear.
    SecretRead,
    /// Content left as an archive or a bundle.
    Exported,
    /// Commits of the settings' repository were pushed, whoever made them.
    SettingsPushed,
    /// A server began to serve the project.
    Started,
    /// A server ceased to serve it.
    Stopped,
    /// The log was found damaged when it was opened.
    Broken,
    /// What a later version writes.
    #[serde(untagged)]
    Other(String),
}

impl What {
    /// The texts of all that this version writes.
    pub const NAMES: [&str; 8] = [
        "refused",
        "sign-in-failed",
        "secret-read",
        "exported",
        "settings-pushed",
        "started",
        "stopped",
        "broken",
    ];

    /// Its text in a record.
    pub fn as_str(&self) -> &str {
        match self {
            What::Refused => "refused",
            What::SignInFailed => "sign-in-failed",
            What::SecretRead => "secret-read",
            What::Exported => "exported",
            What::SettingsPushed => "settings-pushed",
            What::Started => "started",
            What::Stopped => "stopped",
            What::Broken => "broken",
            What::Other(text) => text,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is to be written; the log adds number and hashes.
///
/// Texts that are too long are cut when it is appended: `path`, `rule` and `detail` to
/// [`MOST_LONG_BYTES`], the others to [`MOST_SHORT_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
    /// Who did it, where that is known.
    pub account: Option<Arc<str>>,
    /// What was tried, such as `write`.
    pub action: Option<Arc<str>>,
    /// The environment it was tried in.
    pub environment: Option<Arc<str>>,
    /// The path it was tried on.
    pub path: Option<Arc<str>>,
    /// The name of the secret, never its content.
    pub secret: Option<Arc<str>>,
    /// The rule that decided.
    pub rule: Option<Arc<str>>,
    /// A sentence for people.
    pub detail: Option<Arc<str>>,
    /// Where the request came from.
    pub address: Option<Arc<str>>,
    /// The request's id, as in the server's own log.
    pub request_id: Option<Arc<str>>,
}

impl Record {
    /// One that says only what happened when; give it more with `Record { account, ..Record::new(…) }`.
    pub fn new(what: What, at: Timestamp) -> Self {
        Record {
            at,
            what,
            account: None,
            action: None,
            environment: None,
            path: None,
            secret: None,
            rule: None,
            detail: None,
            address: None,
            request_id: None,
        }
    }

    /// Cuts what is too long, so that a queue of records and a line have a bound.
    pub(super) fn bounded(mut self) -> Self {
        if let What::Other(text) = &mut self.what
            && let Some(cut) = cut(text, MOST_SHORT_BYTES)
        {
            *text = cut;
        }
        let short = [
            &mut self.account,
            &mut self.action,
            &mut self.environment,
            &mut self.secret,
            &mut self.address,
            &mut self.request_id,
        ];
        let long = [&mut self.path, &mut self.rule, &mut self.detail];
        let short = short.into_iter().map(|text| (text, MOST_SHORT_BYTES));
        for (text, most) in short.chain(long.into_iter().map(|text| (text, MOST_LONG_BYTES))) {
            if let Some(cut) = text.as_deref().and_then(|text| cut(text, most)) {
                *text = Some(cut.into());
            }
        }
        self
    }
}

/// The text cut to that many bytes, if it is longer.
fn cut(text: &str, most: usize) -> Option<String> {
    let ellipsis = "…";
    (text.len() > most)
        .then(|| format!("{}{ellipsis}", &text[..text.floor_char_boundary(most - ellipsis.len())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_one_text() {
        for what in [
            What::Refused,
            What::SignInFailed,
            What::SecretRead,
            What::Exported,
            What::Started,
            What::Stopped,
            What::Broken,
            What::Other("thawed".to_owned()),
        ] {
            let json = serde_json::to_string(&what).unwrap();
            assert_eq!(json, format!("\"{what}\""));
            assert_eq!(serde_json::from_str::<What>(&json).unwrap(), what);
        }
        assert!(serde_json::from_str::<What>("3").is_err());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("abcdef", 6), None);
        assert_eq!(cut("abcdefg", 6).as_deref(), Some("abc…"));
        assert_eq!(cut("aböcdefg", 6).as_deref(), Some("ab…"));
        let long: Arc<str> = "ü".repeat(2000).into();
        let mut record = Record::new(What::Other("x".repeat(300)), Timestamp::from_millis(0));
        record.path = Some(long.clone());
        record.account = Some(long);
        record.rule = Some("short".into());
        let record = record.bounded();
        assert_eq!(record.what.as_str().len(), 256);
        assert_eq!(record.path.map(|path| path.len()), Some(1023));
        assert_eq!(record.account.map(|account| account.len()), Some(255));
        assert_eq!(record.rule.as_deref(), Some("short"));
    }
}
