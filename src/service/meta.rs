//! The repository of settings and access.

use std::io;
use std::path::Path as FilePath;

use super::ServiceError;
use super::open::OpenError;
use crate::auth::{ACCESS_FILE, Access};
use crate::git::{Reader, Repository};
use crate::model::{Diagnostic, Limits, Revision};
use crate::settings::{ProjectSettings, SETTINGS_FILE};

/// The branch of the settings' repository that counts.
pub(super) const META_BRANCH: &str = "refs/heads/main";

/// The head of the settings' repository, and what one of its files holds; a missing file is empty.
pub(super) fn read_meta_file(
    meta: &Repository,
    reader: &Reader,
    name: &str,
) -> Result<(Revision, Vec<u8>), ServiceError> {
    let head = meta.find_ref(META_BRANCH)?.id();
    let head =
        head.ok_or_else(|| io::Error::other(format!("{} has no {META_BRANCH}", meta.dir().display())))?;
    Ok((head, meta_file_at(reader, head, name)?))
}

/// What one of the files of settings holds in a commit; a missing file is empty.
pub(super) fn meta_file_at(reader: &Reader, commit: Revision, name: &str) -> Result<Vec<u8>, ServiceError> {
    let tree = reader.tree(reader.commit(commit)?.tree)?;
    match tree.get(name.as_bytes()) {
        Some(entry) => Ok(reader.blob(entry.id, Limits::default().document_bytes as u64)?),
        None => Ok(Vec::new()),
    }
}

/// What a settings file says, with the variables of this process that it lets references name.
pub(super) fn parse_settings(bytes: &[u8]) -> Result<ProjectSettings, Vec<Diagnostic>> {
    Ok(ProjectSettings::parse(bytes)?.with_process(|name| std::env::var(name).ok()))
}

pub(super) fn read_meta(dir: &FilePath, meta: &Repository) -> Result<(ProjectSettings, Access), OpenError> {
    let unreadable = |source: ServiceError| OpenError::Unreadable { dir: dir.to_owned(), source };
    let reader = meta.reader();
    let file = |name: &str| read_meta_file(meta, &reader, name).map(|(_, content)| content);
    let mistakes = |mistakes| OpenError::Settings { dir: dir.to_owned(), mistakes };
    let settings = parse_settings(&file(SETTINGS_FILE).map_err(unreadable)?).map_err(mistakes)?;
    let access = Access::parse(&file(ACCESS_FILE).map_err(unreadable)?).map_err(mistakes)?;
    let unknown = access.unknown_environments(&settings.environments);
    if !unknown.is_empty() {
        return Err(mistakes(unknown));
    }
    if !settings.without_effect.is_empty() {
        tracing::warn!(sections = ?settings.without_effect, "settings that this version does not act on");
    }
    Ok((settings, access))
}
