//! Configuration from elsewhere: folders, archives and what other tools keep or export, as files and values.
//!
//! Nothing here reads a disk or a network: bytes come in, an [`Import`] comes out, or everything that speaks
//! against it at once.

mod archive;
mod configmap;
mod consul;
mod dotenv;
mod error;
mod etcd;
mod gather;
mod json;
mod tree;

use crate::model::{Path, Value};

pub use archive::{is_archive, read_archive};
pub use configmap::read_configmaps;
pub use consul::read_consul;
pub use dotenv::{EnvKeys, read_env};
pub use error::{Fault, ImportError};
pub use etcd::read_etcd;
pub use tree::{FileTree, TreeLimits};

/// The most bytes of a text or an archive that is read at all.
pub const MOST_SOURCE_BYTES: usize = 128 << 20;

/// What is taken from elsewhere, sorted.
#[derive(Debug, Default, PartialEq)]
pub struct Import {
    /// Files that are kept byte for byte.
    pub files: Vec<ImportedFile>,
    /// Values, none of them at or above the path of another.
    pub values: Vec<(Path, Value)>,
    /// What was seen and not taken.
    pub left_out: Vec<LeftOut>,
}

/// A file as it shall be in the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedFile {
    /// Its name, from the root of the branch.
    pub name: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// Something that was seen and not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Why, for people.
    pub reason: String,
}

/// What a text becomes: a string, or what it says as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// A string, whatever it holds.
    AsStrings,
    /// The value it says where it is JSON, except for `null`; else a string.
    AsJson,
}

impl Texts {
    fn value(self, text: &str) -> Value {
        let parsed = match self {
            Texts::AsStrings => None,
            Texts::AsJson => Value::from_json(text).ok().filter(|value| *value != Value::Null),
        };
        parsed.unwrap_or_else(|| Value::from(text))
    }
}
