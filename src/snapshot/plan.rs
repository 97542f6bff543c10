use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::diff::{Claim, FileDiff, value_at};
use super::{Blobs, Entry, Node, Object, Problem, Snapshot, Stamp, base_path};
use crate::document::{self, Format};
use crate::model::{Diagnostic, Limits, ObjectId, Path, Position, Rule, Value};

/// A file as it is after a commit.
#[derive(Debug, Clone)]
pub struct Update {
    /// The file's name, relative to the root of the branch.
    pub file: Arc<str>,
    /// Its blob; none when the commit removes it.
    pub blob: Option<ObjectId>,
    /// What the blob says, where the caller has read it already.
    pub value: Option<Value>,
}

/// One entry that a commit changes.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where.
    pub path: Path,
    /// What stood there.
    pub old: Option<Arc<Entry>>,
    /// What stands there now.
    pub new: Option<Arc<Entry>>,
    /// Whether the metadata that describes it changed.
    pub metadata: bool,
}

/// What a set of updates makes of a snapshot, before its entries have versions.
#[derive(Debug)]
pub struct Plan {
    root: Arc<Object>,
    files: BTreeMap<Arc<str>, Option<ObjectId>>,
    problems: Vec<Problem>,
    changes: Vec<Change>,
}

impl Plan {
    /// The entries that change in value or metadata, in the order of their paths.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// All entries afterwards, without stamps where they are other than before.
    pub fn root(&self) -> &Arc<Object> {
        &self.root
    }

    /// All that is wrong afterwards.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Says under which id the content of a changed file was stored, where the update did not know it yet.
    pub fn locate(&mut self, file: &str, blob: ObjectId) {
        if let Some(found) = self.files.get_mut(file) {
            *found = Some(blob);
        }
    }

    /// What is wrong afterwards and was not before.
    pub fn new_problems<'a>(&'a self, before: &'a Snapshot) -> impl Iterator<Item = &'a Problem> {
        self.problems.iter().filter(|problem| !before.problems().iter().any(|old| old.same_as(problem)))
    }
}

impl Snapshot {
    /// Works out what changed files make of this snapshot. Nothing here is final: [`Snapshot::apply`] is.
    pub fn plan(&self, updates: Vec<Update>, blobs: &dyn Blobs, limits: &Limits) -> Plan {
        let mut planner =
            Planner { old: self, limits, claims: Vec::new(), problems: Vec::new(), values: HashMap::new() };
        let files: BTreeMap<_, _> = updates.iter().map(|update| (update.file.clone(), update.blob)).collect();
        let involved = self.involved(&files);
        let mut given: HashMap<Arc<str>, Value> =
            updates.into_iter().filter_map(|update| Some((update.file, update.value?))).collect();
        for (file, blob) in &involved {
            planner.read(file, *blob, given.remove(file), blobs);
        }
        let kept =
            self.problems.iter().filter(|problem| !problem.files.iter().any(|f| involved.contains_key(f)));
        planner.problems.extend(kept.cloned());
        planner.settle(files)
    }

    /// The snapshot that a plan describes: what makes a new version is stamped, what only moved keeps its stamp.
    pub fn apply(&self, plan: Plan, stamp: &mut dyn FnMut(&Path) -> Option<Stamp>) -> Snapshot {
        let mut root = plan.root;
        for change in &plan.changes {
            if let Some(entry) = &change.new {
                let kept = change.old.as_ref().and_then(|old| old.stamp().cloned());
                let stamp = if change.makes_version() { stamp(&change.path) } else { kept };
                let stamped = Arc::new(Entry::clone(entry).with_stamp(stamp));
                let segments: Vec<_> = change.path.segments().collect();
                let segments: Vec<&str> = segments.iter().map(|s| &**s).collect();
                Object::set(&mut root, &segments, stamped);
            }
        }
        let mut files = self.files.clone();
        for (file, blob) in plan.files {
            match blob {
                Some(blob) => files.insert_mut(file, blob),
                None => {
                    files.remove_mut(&file);
                }
            }
        }
        let problems = if plan.problems.is_empty() && self.problems.is_empty() {
            self.problems.clone()
        } else {
            plan.problems.into()
        };
        Snapshot { root, files, problems }
    }

    /// The changed files, and all that share a problem with one of them.
    fn involved(&self, files: &BTreeMap<Arc<str>, Option<ObjectId>>) -> BTreeMap<Arc<str>, Option<ObjectId>> {
        let mut involved = files.clone();
        let mut waiting: Vec<Arc<str>> = involved.keys().cloned().collect();
        while let Some(file) = waiting.pop() {
            for problem in self.problems.iter().filter(|problem| problem.concerns(&file)) {
                for other in &problem.files {
                    if !involved.contains_key(other) {
                        involved.insert(other.clone(), self.files.get(other).copied());
                        waiting.push(other.clone());
                    }
                }
            }
        }
        involved
    }
}

struct Planner<'a> {
    old: &'a Snapshot,
    limits: &'a Limits,
    claims: Vec<Claim>,
    problems: Vec<Problem>,
    /// What the files with problems say, to learn who still claims a contested path.
    values: HashMap<Arc<str>, (Path, Value)>,
}

impl Planner<'_> {
    fn read(&mut self, file: &Arc<str>, blob: Option<ObjectId>, given: Option<Value>, blobs: &dyn Blobs) {
        let base = match base_path(file) {
            Ok(base) => base,
            Err(error) => {
                let message = format!("the file's name cannot be a path, so nothing can read it: {error}");
                return self.problem(file, Rule::Key, None, message);
            }
        };
        let value = match (blob, given) {
            (None, _) => None,
            (Some(_), Some(value)) => Some(value),
            (Some(blob), None) => {
                let Some(bytes) = blobs.content(blob) else {
                    return self.problem(
                        file,
                        Rule::Limit,
                        None,
                        format!(
                            "the file cannot be read, or is larger than {} bytes",
                            self.limits.document_bytes
                        ),
                    );
                };
                match document::read(Format::of(file), &bytes, self.limits) {
                    Ok(document) => Some(document.into_value()),
                    Err(fault) => {
                        return self.problem(file, Rule::Parse, Some(fault.position), fault.message);
                    }
                }
            }
        };
        // A document whose root is an empty object, such as a file of comments, holds no entry.
        let structured = matches!(Format::of(file), Format::Yaml | Format::Json | Format::Toml);
        let entries =
            value.as_ref().filter(|value| !(structured && matches!(value, Value::Object(o) if o.is_empty())));
        let mut diff = FileDiff { file, claims: Vec::new(), diagnostics: Vec::new() };
        diff.walk(&base, self.old.find(&base).as_ref(), entries);
        self.claims.append(&mut diff.claims);
        for diagnostic in diff.diagnostics {
            self.problems.push(Problem { diagnostic, files: vec![file.clone()] });
        }
        if let Some(value) = value
            && self.old.problems.iter().any(|problem| problem.is_contest() && problem.concerns(file))
        {
            self.values.insert(file.clone(), (base, value));
        }
    }

    fn problem(&mut self, file: &Arc<str>, rule: Rule, position: Option<Position>, message: String) {
        let diagnostic = Diagnostic { rule, file: Some(file.to_string()), position, path: None, message };
        self.problems.push(Problem { diagnostic, files: vec![file.clone()] });
    }

    /// Decides every claim: first what goes, then what comes, contested paths keeping what they have.
    fn settle(mut self, files: BTreeMap<Arc<str>, Option<ObjectId>>) -> Plan {
        let contested = self.contested_paths();
        let mut root = self.old.root().clone();
        let mut changed: BTreeSet<Path> = BTreeSet::new();
        let claims = std::mem::take(&mut self.claims);
        let (drops, mut sets): (Vec<Claim>, Vec<Claim>) =
            claims.into_iter().partition(|claim| claim.entry.is_none());
        for claim in drops.into_iter().filter(|claim| !contested.contains_key(&claim.path)) {
            if edit(&mut root, &claim.path, None) {
                changed.insert(claim.path);
            }
        }
        sets.retain(|claim| !contested.contains_key(&claim.path));
        for (path, claimants) in contested {
            self.settle_contest(&path, claimants, &mut root, &mut sets, &mut changed);
        }
        sets.sort_by(|a, b| (&a.path, &a.file).cmp(&(&b.path, &b.file)));
        for run in sets.chunk_by(|a, b| a.path == b.path) {
            self.settle_sets(run, &mut root, &mut changed);
        }
        self.problems.sort_by(|a, b| (&a.files, &a.diagnostic.path).cmp(&(&b.files, &b.diagnostic.path)));
        self.problems.dedup();
        let changes = self.changes(&root, changed);
        Plan { root, files, problems: self.problems, changes }
    }

    /// The paths that were contested before and whose files are looked at now, with who claims them today.
    fn contested_paths(&self) -> BTreeMap<Path, Vec<(Arc<str>, Value)>> {
        let mut contested = BTreeMap::new();
        for problem in self.old.problems.iter().filter(|problem| problem.is_contest()) {
            let Some(path) = &problem.diagnostic.path else { continue };
            let claimants: Vec<_> = problem
                .files
                .iter()
                .filter_map(|file| {
                    let (base, value) = self.values.get(file)?;
                    let leaf = value_at(base, value, path)?;
                    let is_leaf = !matches!(leaf, Value::Object(members) if !members.is_empty());
                    is_leaf.then(|| (file.clone(), leaf.clone()))
                })
                .collect();
            if problem.files.iter().any(|file| self.values.contains_key(file)) {
                contested.insert(path.clone(), claimants);
            }
        }
        contested
    }

    fn settle_contest(
        &mut self,
        path: &Path,
        claimants: Vec<(Arc<str>, Value)>,
        root: &mut Arc<Object>,
        sets: &mut Vec<Claim>,
        changed: &mut BTreeSet<Path>,
    ) {
        match &claimants[..] {
            [] => {
                if edit(root, path, None) {
                    changed.insert(path.clone());
                }
            }
            [(file, value)] => {
                let entry = Arc::new(Entry::new(value, file.clone()));
                sets.push(Claim { path: path.clone(), file: file.clone(), entry: Some(entry) });
            }
            _ => {
                let incumbent = self.old.entry(path).map(|entry| entry.file().clone());
                let files = claimants.into_iter().map(|(file, _)| file).chain(incumbent).collect();
                self.problems.push(Problem::contest(Rule::DoubleSpelling, path.clone(), files));
            }
        }
    }

    fn settle_sets(&mut self, run: &[Claim], root: &mut Arc<Object>, changed: &mut BTreeSet<Path>) {
        let Some(claim) = run.first() else { return };
        let path = &claim.path;
        let holder = find(root, path);
        let foreign = match &holder {
            Some(Node::Entry(entry)) => {
                run.iter().any(|claim| claim.file != *entry.file()).then(|| entry.file().clone())
            }
            _ => None,
        };
        // A claim that one file gives up and another takes in the same commit is a move; what is dropped
        // left the tree before, so a foreign holder here still holds.
        let moved = foreign.is_some() && self.was_contested(path) && run.len() == 1;
        if run.len() > 1 || (foreign.is_some() && !moved) {
            let files = run.iter().map(|claim| claim.file.clone()).chain(foreign).collect();
            self.problems.push(Problem::contest(Rule::DoubleSpelling, path.clone(), files));
        } else if edit(root, path, claim.entry.clone()) {
            changed.insert(path.clone());
        } else {
            let mut files = vec![claim.file.clone()];
            files.extend(files_in_the_way(root, path));
            self.problems.push(Problem::contest(Rule::Shape, path.clone(), files));
        }
    }

    fn was_contested(&self, path: &Path) -> bool {
        self.old
            .problems
            .iter()
            .any(|problem| problem.is_contest() && problem.diagnostic.path.as_ref() == Some(path))
    }

    /// The changed entries, and those whose metadata is among them.
    fn changes(&self, root: &Arc<Object>, changed: BTreeSet<Path>) -> Vec<Change> {
        let mut changes: BTreeMap<Path, Change> = BTreeMap::new();
        let mut described = BTreeSet::new();
        for path in changed {
            let change =
                Change { old: self.old.entry(&path), new: entry_at(root, &path), path, metadata: false };
            if change.alters_value() {
                described.extend(described_entry(root, &change.path));
            }
            changes.insert(change.path.clone(), change);
        }
        for path in described {
            let change = changes.entry(path).or_insert_with_key(|path| {
                let (old, new) = (self.old.entry(path), entry_at(root, path));
                Change { path: path.clone(), old, new, metadata: false }
            });
            change.metadata = true;
        }
        changes.into_values().collect()
    }
}

impl Change {
    /// Whether the value is another than before, rather than only its file.
    pub fn alters_value(&self) -> bool {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => !old.same_value(new),
            (old, new) => old.is_some() || new.is_some(),
        }
    }

    /// Whether the entry gets a new version: moving to another file, or within one, is no change.
    pub fn makes_version(&self) -> bool {
        self.alters_value() || self.metadata
    }
}

fn entry_at(root: &Arc<Object>, path: &Path) -> Option<Arc<Entry>> {
    match find(root, path)? {
        Node::Entry(entry) => Some(entry),
        Node::Object(_) => None,
    }
}

fn edit(root: &mut Arc<Object>, path: &Path, entry: Option<Arc<Entry>>) -> bool {
    let segments: Vec<_> = path.segments().collect();
    let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    match entry {
        Some(entry) => Object::set(root, &segments, entry),
        None => Object::remove(root, &segments),
    }
}

fn find(root: &Arc<Object>, path: &Path) -> Option<Node> {
    let mut at = Node::Object(root.clone());
    for segment in path.segments() {
        at = at.child(&segment)?.clone();
    }
    Some(at)
}

fn files_in_the_way(root: &Arc<Object>, path: &Path) -> BTreeSet<Arc<str>> {
    let mut files = BTreeSet::new();
    let mut at = Node::Object(root.clone());
    for segment in path.segments() {
        let Some(child) = at.child(&segment).cloned() else { break };
        if let Node::Entry(entry) = &child {
            files.insert(entry.file().clone());
        }
        at = child;
    }
    if let Node::Object(object) = &at
        && files.is_empty()
    {
        object.visit(path, &mut |_, entry| {
            files.insert(entry.file().clone());
        });
    }
    files
}

/// The entry that a metadata path describes.
fn described_entry(root: &Arc<Object>, changed: &Path) -> Option<Path> {
    let mut segments = changed.segments();
    if segments.next().as_deref() != Some(".confgit") || segments.next().as_deref() != Some("keys") {
        return None;
    }
    let mut path = Path::root();
    for segment in segments {
        path = path.child(&segment).ok()?;
        match find(root, &path)? {
            Node::Entry(_) if path.as_str().len() + super::METADATA_ROOT.len() < changed.as_str().len() => {
                return Some(path);
            }
            Node::Entry(_) => return None,
            Node::Object(_) => {}
        }
    }
    None
}
