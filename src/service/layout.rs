//! Where the parts of a project are, within its directory.

pub(super) const CONFIG_REPOSITORY: &str = "config.git";
pub(super) const META_REPOSITORY: &str = "meta.git";
/// The audit log.
pub(super) const AUDIT: &str = "audit";
pub(super) const DERIVED: &str = "derived";
pub(super) const HISTORY_FILE: &str = "history";
pub(super) const LOCK_FILE: &str = "lock";
/// The folder of a project's tree that holds the settings; every other top folder is an environment.
pub(super) const META_FOLDER: &str = "meta";
