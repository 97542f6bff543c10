use std::fs;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use super::layout::{CONFIG_REPOSITORY, META_FOLDER, META_REPOSITORY};
use super::refs::branch_moves;
use crate::auth::{ACCESS_FILE, Access, ApiKey, NewKey};
use crate::document::EditError;
use crate::git::{NewCommit, Pack, RefMove, Repository, Signature, WorkTree, journal, publish};
use crate::model::{ChangeSet, Diagnostic, Move, Revision, Sequence, Timestamp};
use crate::settings::{DEFAULT_SETTINGS, ProjectSettings, SETTINGS_FILE};

/// The account that the first key belongs to.
const FIRST_ACCOUNT: &str = "admin";

/// How deep a tree may be nested.
const MOST_LEVELS: usize = 64;

/// A project, freshly made.
#[derive(Debug)]
pub struct Initialized {
    /// The first administrator's key; it is stored nowhere.
    pub key: ApiKey,
    /// How many files were taken from the tree.
    pub files: usize,
}

/// Why a project cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Something is there already.
    #[error("{} is not empty; give a directory that is empty or does not exist", .0.display())]
    NotEmpty(PathBuf),
    /// A folder of the tree that is no environment.
    #[error("{} has the folder `{folder}`, which is no environment of its settings; there are: {}", tree.display(), known.join(", "))]
    UnknownFolder {
        /// The tree.
        tree: PathBuf,
        /// The folder.
        folder: String,
        /// The environments.
        known: Vec<String>,
    },
    /// A tree with nothing of a project in it.
    #[error("{} has no folder `{META_FOLDER}` with settings and none named like an environment ({}): for the files of one environment, make the project without --from, then `confgit import` them", tree.display(), known.join(", "))]
    NoProject {
        /// The tree.
        tree: PathBuf,
        /// The environments.
        known: Vec<String>,
    },
    /// The settings or access file of the tree has mistakes.
    #[error("the settings cannot be used:\n{}", .0.iter().map(|m| format!("  {m}")).collect::<Vec<_>>().join("\n"))]
    Settings(Vec<Diagnostic>),
    /// The key cannot be added to the access file.
    #[error("the key cannot be added to {ACCESS_FILE}: {0}")]
    Access(#[from] EditError),
    /// A file of the tree cannot be taken.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A repository cannot be made.
    #[error("{0}")]
    Repository(String),
}

/// Makes a project in a directory, from a tree of folders when one is given, with one administrator.
pub fn init(
    dir: &FilePath,
    tree: Option<&FilePath>,
    random: [u8; 32],
    time: Timestamp,
) -> Result<Initialized, InitError> {
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(InitError::NotEmpty(dir.to_owned()));
    }
    let meta_file = |name: &str, otherwise: &str| match tree.map(|tree| tree.join(META_FOLDER).join(name)) {
        Some(file) if file.is_file() => {
            fs::read(&file).map_err(|error| InitError::File { file, reason: error.to_string() })
        }
        _ => Ok(otherwise.as_bytes().to_vec()),
    };
    let settings_file = meta_file(SETTINGS_FILE, DEFAULT_SETTINGS)?;
    let settings = ProjectSettings::parse(&settings_file).map_err(InitError::Settings)?;
    let key = ApiKey::new(random);
    let access_file = {
        let key = NewKey { hash: key.hash(), created_at: time, expires_at: None };
        Access::with_admin_key(&meta_file(ACCESS_FILE, "")?, FIRST_ACCOUNT, &key)?
    };
    let access = Access::parse(&access_file).map_err(InitError::Settings)?;
    let mistakes = access.unknown_environments(&settings.environments);
    if !mistakes.is_empty() {
        return Err(InitError::Settings(mistakes));
    }
    if let Some(tree) = tree {
        check_folders(tree, &settings)?;
    }
    fs::create_dir_all(dir)
        .map_err(|error| InitError::File { file: dir.to_owned(), reason: error.to_string() })?;
    make_meta(dir, &[(SETTINGS_FILE, &settings_file), (ACCESS_FILE, &access_file)], time)?;
    let files = make_config(dir, tree, &settings, time)?;
    Ok(Initialized { key, files })
}

fn check_folders(tree: &FilePath, settings: &ProjectSettings) -> Result<(), InitError> {
    let known =
        || settings.environments.iter().map(|environment| environment.name.to_string()).collect::<Vec<_>>();
    let mut has_any = false;
    for (name, _) in entries_of(tree)?.into_iter().filter(|(_, path)| path.is_dir()) {
        let is_known = name == META_FOLDER || settings.environments.get(&name).is_some();
        has_any |= is_known;
        if !is_known && !name.starts_with('.') {
            return Err(InitError::UnknownFolder { tree: tree.to_owned(), folder: name, known: known() });
        }
    }
    if has_any { Ok(()) } else { Err(InitError::NoProject { tree: tree.to_owned(), known: known() }) }
}

fn make_meta(dir: &FilePath, files: &[(&str, &[u8])], time: Timestamp) -> Result<(), InitError> {
    let repository = Repository::init(dir.join(META_REPOSITORY)).map_err(broken)?;
    let reader = repository.reader();
    let (mut pack, mut tree) = (Pack::new(), WorkTree::new(None));
    for (name, content) in files {
        let blob = pack.blob(content).map_err(broken)?;
        tree.set(&reader, name, Some(blob)).map_err(broken)?;
    }
    let commit = first_commit(&mut pack, &mut tree, "set up the project", time)?;
    let step = RefMove { name: "refs/heads/main".to_owned(), old: None, new: Some(commit) };
    publish(&repository, Some(pack.finish().map_err(broken)?), None, &[step]).map_err(broken)
}

/// Makes a branch for every environment: from its folder, or with an empty tree.
fn make_config(
    dir: &FilePath,
    tree: Option<&FilePath>,
    settings: &ProjectSettings,
    time: Timestamp,
) -> Result<usize, InitError> {
    let repository = Repository::init(dir.join(CONFIG_REPOSITORY)).map_err(broken)?;
    let reader = repository.reader();
    let mut pack = Pack::new();
    let mut moves = Vec::new();
    let mut count = 0;
    for environment in settings.environments.iter() {
        let mut work_tree = WorkTree::new(None);
        let folder = tree.map(|tree| tree.join(&*environment.name)).filter(|folder| folder.is_dir());
        if let Some(folder) = folder {
            for (name, file) in files_below(&folder)? {
                let content = fs::read(&file)
                    .map_err(|error| InitError::File { file: file.clone(), reason: error.to_string() })?;
                let blob = pack.blob(&content).map_err(broken)?;
                work_tree.set(&reader, &name, Some(blob)).map_err(broken)?;
                count += 1;
            }
        }
        let message = format!("set up the environment {}", environment.name);
        let commit = first_commit(&mut pack, &mut work_tree, &message, time)?;
        moves.push(Move { branch: environment.branch.clone(), old: None, new: Some(commit) });
    }
    let change_set = ChangeSet { sequence: Sequence(1), time, account: Arc::from(FIRST_ACCOUNT), moves };
    let tip = journal::append(&mut pack, None, std::slice::from_ref(&change_set), &[]).map_err(broken)?;
    let step = RefMove { name: journal::REF.to_owned(), old: None, new: Some(tip) };
    let steps = branch_moves(std::iter::once(&change_set));
    publish(&repository, Some(pack.finish().map_err(broken)?), Some(&step), &steps).map_err(broken)?;
    Ok(count)
}

fn first_commit(
    pack: &mut Pack,
    tree: &mut WorkTree,
    message: &str,
    time: Timestamp,
) -> Result<Revision, InitError> {
    let author = Signature { name: FIRST_ACCOUNT, email: "admin@confgit" };
    let committer = Signature { name: "confgit", email: "confgit@confgit" };
    let message = format!("{message}\n\nAccount: {FIRST_ACCOUNT}\n");
    let tree = tree.write(pack).map_err(broken)?;
    pack.commit(&NewCommit { tree, parents: &[], author, committer, time, message: &message }).map_err(broken)
}

/// The files below a folder with their names from it, sorted. Symbolic links and `.git` are left out.
pub(super) fn files_below(folder: &FilePath) -> Result<Vec<(String, PathBuf)>, InitError> {
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), folder.to_owned(), 0)];
    while let Some((prefix, folder, level)) = folders.pop() {
        for (name, path) in entries_of(&folder)? {
            if name == ".git" || path.is_symlink() {
                continue;
            }
            let full = format!("{prefix}{name}");
            if path.is_dir() && level < MOST_LEVELS {
                folders.push((format!("{full}/"), path, level + 1));
            } else if path.is_file() {
                files.push((full, path));
            }
        }
    }
    files.sort();
    Ok(files)
}

pub(super) fn entries_of(folder: &FilePath) -> Result<Vec<(String, PathBuf)>, InitError> {
    let failed = |error: io::Error| InitError::File { file: folder.to_owned(), reason: error.to_string() };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().into_string().map_err(|_| InitError::File {
            file: entry.path(),
            reason: "its name is not UTF-8, so no path can name it".to_owned(),
        })?;
        entries.push((name, entry.path()));
    }
    Ok(entries)
}

fn broken(error: impl std::fmt::Display) -> InitError {
    InitError::Repository(error.to_string())
}
