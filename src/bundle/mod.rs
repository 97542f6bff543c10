//! A part of the configuration as one text for tools that know nothing of confgit: variables of a shell, Java
//! properties, objects of Kubernetes, plain lines.
//!
//! Nothing is written that its consumer would read as something else: what cannot be expressed is refused, all of it
//! at once.

mod environment;
mod kubernetes;
mod lines;
mod name;
mod properties;
mod same;

pub use same::says_the_same;

use crate::model::{Path, Value};

/// What a bundle is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleFormat {
    /// `NAME='value'`, as POSIX shells and dotenv libraries read it.
    Env,
    /// Java properties (`java.util.Properties.load`).
    Properties,
    /// A `ConfigMap` of Kubernetes (core v1), as YAML. Values with secrets are left out, and named in a comment.
    ConfigMap,
    /// A `Secret` of Kubernetes (core v1, type `Opaque`), as YAML.
    Secret,
    /// A line for each entry: its path, ` = `, and the value; a string that would not fit one line as JSON.
    Lines,
}

/// One value of a bundle.
pub struct BundleEntry {
    /// Its path below the path of the bundle; the root where that is an entry.
    pub path: Path,
    /// What it comes to.
    pub value: Value,
    /// Whether secrets are part of it.
    pub has_secrets: bool,
}

/// What a bundle says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleOrigin {
    /// Where it comes from.
    pub path: Path,
    /// The environment.
    pub environment: String,
    /// The head of the environment's branch; empty where there is none.
    pub revision: String,
    /// The last change set in it.
    pub sequence: u64,
    /// What an object of Kubernetes is called; made from the path when none.
    pub name: Option<String>,
}

/// Something that a format cannot say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFault {
    /// The entry, below the path of the bundle.
    pub path: Path,
    /// Why.
    pub reason: String,
}

/// The most bytes that the values of one object of Kubernetes may have together, names included.
pub const MOST_KUBERNETES_BYTES: usize = 1 << 20;

impl BundleFormat {
    /// The media type of the text.
    pub fn media_type(self) -> &'static str {
        match self {
            BundleFormat::ConfigMap | BundleFormat::Secret => "application/yaml",
            BundleFormat::Properties => "text/x-java-properties; charset=utf-8",
            BundleFormat::Env | BundleFormat::Lines => "text/plain; charset=utf-8",
        }
    }

    /// Whether values with secrets are left out rather than refused.
    pub fn leaves_secrets_out(self) -> bool {
        self == BundleFormat::ConfigMap
    }
}

/// Writes a bundle; or everything that speaks against it.
pub fn write(
    format: BundleFormat,
    origin: &BundleOrigin,
    entries: &[BundleEntry],
) -> Result<String, Vec<BundleFault>> {
    match format {
        BundleFormat::Env => environment::write(origin, entries),
        BundleFormat::Properties => properties::write(origin, entries),
        BundleFormat::ConfigMap => kubernetes::config_map(origin, entries),
        BundleFormat::Secret => kubernetes::secret(origin, entries),
        BundleFormat::Lines => Ok(lines::write(entries)),
    }
}

fn fault(path: &Path, reason: impl Into<String>) -> BundleFault {
    BundleFault { path: path.clone(), reason: reason.into() }
}

/// What the first comment says.
fn headline(origin: &BundleOrigin) -> String {
    let BundleOrigin { path, environment, revision, sequence, .. } = origin;
    // A path has no controls, so that it cannot end the comment.
    format!("{path} of {environment}, change set {sequence}, revision {revision}")
}

/// A value as text: a string as it is, anything else as JSON. Bytes are no text.
fn text_of(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Bytes(_) => Err("bytes are no text".to_owned()),
        other => Ok(other.to_json()),
    }
}

#[cfg(test)]
mod testing {
    use super::*;

    pub fn origin(path: &str) -> BundleOrigin {
        BundleOrigin {
            path: path.parse().unwrap(),
            environment: "prod".to_owned(),
            revision: "abc".to_owned(),
            sequence: 7,
            name: None,
        }
    }

    pub fn entries(list: &[(&str, &str)]) -> Vec<BundleEntry> {
        let entry = |(path, json): &(&str, &str)| BundleEntry {
            path: path.parse().unwrap(),
            value: Value::from_json(json).unwrap(),
            has_secrets: path.contains("secret"),
        };
        list.iter().map(entry).collect()
    }

    pub fn reasons(faults: Vec<BundleFault>) -> Vec<String> {
        faults.into_iter().map(|fault| format!("{}: {}", fault.path, fault.reason)).collect()
    }
}
