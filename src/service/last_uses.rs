//! When keys were used last, kept from one run to the next. It is of no consequence where it is lost: then it is not
//! known.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};

use super::layout::DERIVED;
use crate::auth::Access;
use crate::model::Timestamp;

/// The file, below what is derived: the hashes of keys with times in milliseconds since 1970.
const FILE: &str = "last-uses.json";

/// The most bytes of it that are read.
const MOST_BYTES: u64 = 16 << 20;

pub(super) struct LastUses {
    file: PathBuf,
    /// What was written last.
    written: BTreeMap<String, i64>,
}

impl LastUses {
    /// Reads what the last run knew, and tells the accounts.
    pub fn load(dir: &FilePath, access: &Access) -> Self {
        let file = dir.join(DERIVED).join(FILE);
        let is_small = fs::metadata(&file).is_ok_and(|found| found.len() <= MOST_BYTES);
        let read = is_small.then(|| fs::read(&file).ok()).flatten();
        let written: BTreeMap<String, i64> =
            read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        for key in access.keys() {
            if let Some(millis) = written.get(&key.hash.to_string()) {
                key.last_use.note(Timestamp::from_millis(*millis));
            }
        }
        LastUses { file, written }
    }

    /// Writes what is known now, where that is more.
    pub fn save(&mut self, access: &Access) -> io::Result<()> {
        let uses = access.keys().filter_map(|key| {
            let at = key.last_use.get()?;
            Some((key.hash.to_string(), at.as_millis()))
        });
        let uses: BTreeMap<String, i64> = uses.collect();
        if uses == self.written {
            return Ok(());
        }
        let next = self.file.with_extension("tmp");
        fs::write(&next, serde_json::to_vec(&uses)?)?;
        fs::rename(&next, &self.file)?;
        self.written = uses;
        Ok(())
    }
}
