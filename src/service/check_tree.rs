use std::collections::HashMap;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::init::{InitError, entries_of, files_below};
use super::layout::META_FOLDER;
use super::meta::parse_settings;
use crate::auth::{ACCESS_FILE, Access};
use crate::document;
use crate::model::{Diagnostic, Environments, ObjectId, Position, Rule};
use crate::resolve::{Layer, View};
use crate::settings::{DEFAULT_SETTINGS, ProjectSettings, SETTINGS_FILE};
use crate::snapshot::{Blobs, Snapshot, Update, base_path, is_configuration};
use crate::validation::{self, Finding};

/// What was found in a tree of folders.
#[derive(Debug, Default)]
pub struct TreeReport {
    /// The environments that were looked at.
    pub environments: Vec<Arc<str>>,
    /// How many files of configuration there are.
    pub files: usize,
    /// How many entries they hold.
    pub entries: usize,
    /// All that is wrong.
    pub findings: Vec<TreeFinding>,
}

/// Something wrong, with its place in the tree.
#[derive(Debug, Clone)]
pub struct TreeFinding {
    /// The environment in which it shows; none where it is about a file whatever reads it.
    pub environment: Option<Arc<str>>,
    /// What is wrong; the file is named from the tree's folder.
    pub diagnostic: Diagnostic,
    /// The line at that place.
    pub line: Option<String>,
}

/// Checks a tree of folders as a server would check it: either a whole project (`meta/` with settings, and a folder
/// for each environment, as `confgit init --from` takes it) or the files of one environment.
pub fn check_tree(dir: &FilePath) -> Result<TreeReport, InitError> {
    let mut report = TreeReport::default();
    let is_project = dir.join(META_FOLDER).is_dir()
        || entries_of(dir)?.iter().any(|(name, path)| name == "base" && path.is_dir());
    let Some(settings) = read_settings(dir, &mut report)? else { return Ok(report) };
    let mut trees = HashMap::new();
    for environment in settings.environments.iter() {
        let name = &environment.name;
        let folder = if is_project { dir.join(&**name) } else { dir.to_owned() };
        if !folder.is_dir() {
            continue;
        }
        let prefix = if is_project { format!("{name}/") } else { String::new() };
        let tree = Tree::read(&folder, prefix, &settings)?;
        report.files += tree.snapshot.files().count();
        report.entries += tree.snapshot.root().entries();
        for problem in tree.snapshot.problems() {
            report.findings.push(tree.located(Some(name.clone()), problem.diagnostic.clone(), &settings));
        }
        trees.insert(name.clone(), tree);
    }
    check_views(&settings, &trees, &mut report);
    Ok(report)
}

fn read_settings(dir: &FilePath, report: &mut TreeReport) -> Result<Option<ProjectSettings>, InitError> {
    let meta = dir.join(META_FOLDER);
    let read = |name: &str| match fs::read(meta.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(InitError::File { file: meta.join(name), reason: error.to_string() }),
    };
    let mut mistakes = |bytes: &[u8], found: Vec<Diagnostic>| {
        for diagnostic in found {
            let file = diagnostic.file.as_ref().map(|file| format!("{META_FOLDER}/{file}"));
            let line = diagnostic.position.and_then(|position| line_at(bytes, position));
            let diagnostic = Diagnostic { file, ..diagnostic };
            report.findings.push(TreeFinding { environment: None, diagnostic, line });
        }
    };
    let access = read(ACCESS_FILE)?.map(|bytes| (Access::parse(&bytes), bytes));
    if let Some((Err(found), bytes)) = &access {
        mistakes(bytes, found.clone());
    }
    let bytes = read(SETTINGS_FILE)?.unwrap_or_else(|| DEFAULT_SETTINGS.as_bytes().to_vec());
    match parse_settings(&bytes) {
        Ok(settings) => {
            if let Some((Ok(parsed), bytes)) = &access {
                mistakes(bytes, parsed.unknown_environments(&settings.environments));
            }
            Ok(Some(settings))
        }
        Err(found) => {
            mistakes(&bytes, found);
            Ok(None)
        }
    }
}

fn check_views(settings: &ProjectSettings, trees: &HashMap<Arc<str>, Tree>, report: &mut TreeReport) {
    let environments: &Environments = &settings.environments;
    let view = |name: &Arc<str>| {
        let layers = environments.chain(name).map(|link| Layer {
            environment: link.name.clone(),
            snapshot: trees.get(&link.name).map(|tree| tree.snapshot.clone()).unwrap_or_default(),
        });
        Some(View::new(layers.collect(), environments.rules().clone()))
    };
    let findings = validation::check_all(environments, &view, &settings.limits, &|| true);
    let mut findings = findings.unwrap_or_default();
    let content = |layer: &str, file: &str| {
        let tree = trees.get(layer)?;
        tree.content.get(number_of(tree.snapshot.file(file)?)).cloned()
    };
    validation::place(&mut findings, &content, &settings.limits);
    for Finding { environment, layer, diagnostic, .. } in findings {
        let tree = layer.as_ref().and_then(|layer| trees.get(layer));
        report.findings.push(match tree {
            Some(tree) => tree.located(Some(environment), diagnostic, settings),
            None => TreeFinding { environment: Some(environment), diagnostic, line: None },
        });
    }
    let mut names: Vec<Arc<str>> = environments.iter().map(|environment| environment.name.clone()).collect();
    names.sort_by_key(|name| environments.chain(name).count());
    report.environments = names;
}

/// The files of one environment.
struct Tree {
    prefix: String,
    snapshot: Arc<Snapshot>,
    content: Vec<Bytes>,
}

/// Files by a number in the place of an id.
struct Contents<'a>(&'a [Bytes]);

impl Blobs for Contents<'_> {
    fn content(&self, blob: ObjectId) -> Option<Bytes> {
        self.0.get(number_of(blob)).cloned()
    }
}

fn id_of(number: usize) -> ObjectId {
    let mut bytes = [0xff; 20];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    ObjectId::from_bytes(bytes)
}

fn number_of(id: ObjectId) -> usize {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&id.as_bytes()[..8]);
    usize::try_from(u64::from_be_bytes(bytes)).unwrap_or(usize::MAX)
}

impl Tree {
    fn read(folder: &FilePath, prefix: String, settings: &ProjectSettings) -> Result<Self, InitError> {
        let (mut content, mut updates) = (Vec::new(), Vec::new());
        for (name, file) in files_below(folder)? {
            if !is_configuration(&name) {
                continue;
            }
            let bytes = read_file(&file)?;
            updates.push(Update { file: name.into(), blob: Some(id_of(content.len())), value: None });
            content.push(Bytes::from(bytes));
        }
        let empty = Snapshot::default();
        let plan = empty.plan(updates, &Contents(&content), &settings.limits);
        let snapshot = Arc::new(empty.apply(plan, &mut |_| None));
        Ok(Tree { prefix, snapshot, content })
    }

    /// A diagnostic with its place in the tree.
    fn located(
        &self,
        environment: Option<Arc<str>>,
        mut diagnostic: Diagnostic,
        settings: &ProjectSettings,
    ) -> TreeFinding {
        let bytes = diagnostic.file.as_deref().and_then(|file| self.snapshot.file(file));
        let bytes = bytes.and_then(|blob| self.content.get(number_of(blob)));
        if diagnostic.position.is_none()
            && let (Some(file), Some(path), Some(bytes)) = (&diagnostic.file, &diagnostic.path, bytes)
            && diagnostic.rule != Rule::Limit
        {
            // Where what is missed has no place, what it is missed in has one.
            let found = base_path(file)
                .map(|base| document::positions(file, &base, &[path], bytes, &settings.limits));
            diagnostic.position = found.ok().and_then(|mut found| found.pop().flatten());
        }
        let line = diagnostic.position.zip(bytes).and_then(|(position, bytes)| line_at(bytes, position));
        diagnostic.file = diagnostic.file.map(|file| format!("{}{file}", self.prefix));
        TreeFinding { environment, diagnostic, line }
    }
}

fn read_file(file: &PathBuf) -> Result<Vec<u8>, InitError> {
    fs::read(file).map_err(|error| InitError::File { file: file.clone(), reason: error.to_string() })
}

/// The line of a position, without its end.
fn line_at(bytes: &[u8], position: Position) -> Option<String> {
    let index = usize::try_from(position.line).ok()?.checked_sub(1)?;
    let line = bytes.split(|byte| *byte == b'\n').nth(index)?;
    Some(String::from_utf8_lossy(line).trim_end_matches('\r').to_owned())
}
