use serde::{Deserialize, Serialize};

use super::{Head, RecordHash, What};
use crate::model::Timestamp;

/// A record as it is read back.
///
/// Written as JSON it has the members and the order of its line in the log; members of later versions are
/// not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the log; the first is 1.
    pub number: u64,
    /// When it happened; of a counted one, when it happened last.
    #[serde(with = "time_text")]
    pub at: Timestamp,
    /// What happened.
    pub what: What,
    /// Who did it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The environment it was tried in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The path it was tried on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The name of the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// For how many equal ones it stands.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
    /// The hash of the record before.
    pub previous: RecordHash,
    /// Its own hash.
    pub hash: RecordHash,
}

impl Entry {
    /// Its number and hash.
    pub fn head(&self) -> Head {
        Head { number: self.number, hash: self.hash }
    }
}

fn one() -> u64 {
    1
}

pub(super) fn is_one(count: &u64) -> bool {
    *count == 1
}

/// A time as RFC 3339 in UTC, with milliseconds.
pub(super) mod time_text {
    use std::fmt::Write as _;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::model::Timestamp;

    /// A time that RFC 3339 cannot write becomes the epoch: the record matters more than a clock gone wild.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        if write!(text, "{at}").is_err() {
            "1970-01-01T00:00:00.000Z".clone_into(&mut text);
        }
        serializer.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
