use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::git::{check_name, packed_refs};
use crate::model::ObjectId;
use crate::service::layout::{CONFIG_REPOSITORY, META_REPOSITORY};

/// The name of the archive's first member.
pub(in crate::service) const MANIFEST_FILE: &str = "manifest.json";

/// The version of the archive's format that is written and read.
pub(in crate::service) const FORMAT: u32 = 1;

/// The largest manifest that is written and read, in bytes.
pub(in crate::service) const MOST_MANIFEST_BYTES: u64 = 64 << 20;

/// The longest name of a member, in bytes: what a ustar header holds in one piece.
const MOST_NAME_BYTES: usize = 100;

/// Folders beside the repositories that hold what exists nowhere else.
pub(in crate::service) const PRIMARY_FOLDERS: [&str; 2] = ["audit", "events"];

/// The repositories of a project.
pub(in crate::service) const REPOSITORIES: [&str; 2] = [CONFIG_REPOSITORY, META_REPOSITORY];

/// What a backup holds: its first member, `manifest.json`, described by `schemas/backup.schema.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the archive's format.
    pub format: u32,
    /// The version of confgit that made it.
    pub confgit: String,
    /// The project's name.
    pub project: String,
    /// When it was made: RFC 3339, in UTC.
    pub time: String,
    /// The last change set in it.
    pub sequence: u64,
    /// The journal's tip; none of a repository that was never served.
    pub journal: Option<String>,
    /// The references of each repository: full name to id.
    pub repositories: BTreeMap<String, RepositoryRefs>,
    /// Every other member, in the order of the archive.
    pub files: Vec<ManifestFile>,
    /// What lies in the project's directory and is not in the archive.
    #[serde(default)]
    pub not_included: Vec<String>,
}

/// The references of one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryRefs {
    /// Full name to id.
    pub refs: BTreeMap<String, String>,
}

/// One member of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its name, such as `config.git/packed-refs`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its content, 64 lowercase hex digits.
    pub sha256: String,
}

impl Manifest {
    /// What is wrong with it, if anything: names that no backup has, names that come twice, references that
    /// are none, a repository that is missing.
    pub(in crate::service) fn fault(&self) -> Option<String> {
        if let Some(missing) = REPOSITORIES.iter().find(|name| !self.repositories.contains_key(**name)) {
            return Some(format!("it has no references of {missing}"));
        }
        if let Some(other) = self.repositories.keys().find(|name| !REPOSITORIES.contains(&name.as_str())) {
            return Some(format!("it has a repository {other:?}, which no project has"));
        }
        for (name, id) in self.repositories.values().flat_map(|repository| &repository.refs) {
            if check_name(name).is_err() || id.parse::<ObjectId>().is_err() {
                return Some(format!("{name:?} at {id:?} is no reference"));
            }
        }
        let mut seen = BTreeSet::new();
        for file in &self.files {
            if !is_member(&file.name) {
                return Some(format!("it lists {:?}, which no backup has", file.name));
            }
            if !seen.insert(file.name.as_str()) {
                return Some(format!("it lists {:?} twice", file.name));
            }
        }
        let needed =
            REPOSITORIES.iter().flat_map(|name| ["HEAD", PACKED_REFS].map(|file| format!("{name}/{file}")));
        needed
            .filter(|name| !seen.contains(name.as_str()))
            .map(|name| format!("it does not list {name}"))
            .next()
    }

    /// What the file `packed-refs` of a repository has to say.
    pub(in crate::service) fn packed_refs(&self, repository: &str) -> String {
        let refs = self.repositories.get(repository).into_iter().flat_map(|found| &found.refs);
        packed_refs(&refs.filter_map(|(name, id)| Some((name.clone(), id.parse().ok()?))).collect())
    }
}

/// The file with a repository's references.
pub(in crate::service) const PACKED_REFS: &str = "packed-refs";

/// The file with a repository's settings; restoring replaces it by confgit's own.
pub(in crate::service) const GIT_CONFIG: &str = "config";

/// Whether a backup may have a member of this name.
pub(in crate::service) fn is_member(name: &str) -> bool {
    if name.len() > MOST_NAME_BYTES {
        return false;
    }
    let Some((folder, rest)) = name.split_once('/') else { return false };
    if PRIMARY_FOLDERS.contains(&folder) {
        return rest.split('/').all(is_plain);
    }
    REPOSITORIES.contains(&folder) && is_repository_file(rest)
}

/// A file name that means nothing to any system.
fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed)
}

fn is_repository_file(name: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if matches!(name, "HEAD" | GIT_CONFIG | "description" | PACKED_REFS | "shallow") {
        return true;
    }
    let Some(object) = name.strip_prefix("objects/") else { return false };
    if let Some(pack) = object.strip_prefix("pack/pack-") {
        return pack
            .split_once('.')
            .is_some_and(|(id, kind)| id.len() == 40 && is_hex(id) && matches!(kind, "pack" | "idx"));
    }
    object
        .split_once('/')
        .is_some_and(|(folder, file)| folder.len() == 2 && file.len() == 38 && is_hex(folder) && is_hex(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        for (name, good) in [
            ("config.git/HEAD", true),
            ("meta.git/packed-refs", true),
            (&format!("config.git/objects/pack/pack-{id}.idx"), true),
            (&format!("config.git/objects/{}/{}", &id[..2], &id[2..]), true),
            ("audit/2026-01.jsonl", true),
            ("events/a/b.log", true),
            ("audit/", false),
            ("audit/../x", false),
            ("audit/.hidden", false),
            ("manifest.json", false),
            ("config.git", false),
            ("config.git/", false),
            ("config.git/hooks/post-receive", false),
            ("config.git/refs/heads/main", false),
            ("config.git/objects/info/alternates", false),
            (&format!("config.git/objects/pack/pack-{id}.keep"), false),
            (&format!("config.git/objects/pack/pack-{}.pack", id.to_uppercase()), false),
            ("derived/history", false),
            ("secrets/key", false),
            ("lock", false),
            ("/config.git/HEAD", false),
            ("../config.git/HEAD", false),
        ] {
            assert_eq!(is_member(name), good, "{name}");
        }
    }
}
