use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::request::{Edit, EditOp, Precondition, Write, Written, WrittenEdit};
use super::runs::{plain_put, runs};
use super::stage::{Draft, Stage, invalid};
use super::texts::Texts;
use crate::git::{
    EntryKind, NewCommit, Pack, PackError, ReadError, Reader, Signature, WorkTree, WorkTreeError,
};
use crate::history::{History, NewVersion};
use crate::index::{Branch, State};
use crate::model::{
    ChangeSet, Diagnostic, Environment, Environments, Limits, Move, ObjectId, Path, Revision, Rule, Sequence,
    Timestamp, Value, Version,
};
use crate::resolve::{Found, Layer, View};
use crate::service::load::{MOST_FILES, configuration_blob};
use crate::service::replay::origin_of;
use crate::service::{ServiceError, entity_tag};
use crate::snapshot::{Blobs as _, Node, Plan, Snapshot, Stamp, Update};
use crate::telemetry::{Phase, ProjectMetrics};

/// A branch as the committer has it: ahead of what readers see by the batch in the making.
pub(super) struct Working {
    pub head: Option<Revision>,
    /// The head's tree.
    pub tree_id: Option<ObjectId>,
    pub snapshot: Arc<Snapshot>,
    pub tree: WorkTree,
}

/// Why a batch cannot go on: nothing of it may be published.
#[derive(Debug, thiserror::Error)]
pub(super) enum BatchError {
    /// An object could not be made.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A tree could not be read or changed.
    #[error(transparent)]
    Tree(#[from] WorkTreeError),
}

/// Why a write is not part of the batch, or why there is no batch any more.
pub(super) enum Failure {
    Refused(ServiceError),
    Broken(BatchError),
}

impl<E: Into<ServiceError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Refused(error.into())
    }
}

/// What the committer knows besides the branches.
pub(super) struct Context<'a> {
    pub environments: &'a Arc<Environments>,
    pub limits: &'a Limits,
    pub history: &'a History,
    pub metrics: &'a ProjectMetrics,
}

/// The writes of one batch, taken one after the other; each sees those before it.
pub(super) struct Batch<'a> {
    context: Context<'a>,
    branches: &'a mut HashMap<Arc<str>, Working>,
    texts: &'a mut Texts,
    pack: Pack,
    accepted: Vec<(ChangeSet, Vec<NewVersion>)>,
    /// Versions that the batch has given out and the history index does not know yet.
    versions: HashMap<(Arc<str>, Path), Version>,
    sequence: Sequence,
    time: Timestamp,
}

/// The versions that a write makes, by branch and by the file that holds or held the entry.
type FileVersions = HashMap<(Arc<str>, Arc<str>), Vec<(Path, Version)>>;

/// The edits of one write to one branch, decided.
struct Decided {
    branch: Arc<str>,
    content: Content,
    plan: Plan,
}

/// What a branch holds after a write.
enum Content {
    /// These files are other than before.
    Files(BTreeMap<Arc<str>, Draft>),
    /// It holds this tree, whole.
    Tree(ObjectId),
}

impl<'a> Batch<'a> {
    pub fn new(
        context: Context<'a>,
        branches: &'a mut HashMap<Arc<str>, Working>,
        texts: &'a mut Texts,
        sequence: Sequence,
        time: Timestamp,
    ) -> Self {
        let (pack, accepted, versions) = (Pack::new(), Vec::new(), HashMap::new());
        Batch { context, branches, texts, pack, accepted, versions, sequence, time }
    }

    /// The last change set's number, the objects made, and the change sets accepted.
    pub fn into_parts(self) -> (Sequence, Pack, Vec<(ChangeSet, Vec<NewVersion>)>) {
        (self.sequence, self.pack, self.accepted)
    }

    /// Takes one write: refuses it and changes nothing, or makes its commits.
    pub fn add(&mut self, write: &Write) -> Result<Written, Failure> {
        let begun = Instant::now();
        let decided = self.decide(write);
        self.context.metrics.took(Phase::Decide, begun.elapsed());
        let (decided, edits) = decided?;
        if decided.is_empty() {
            return Ok(self.unchanged(write, edits));
        }
        let begun = Instant::now();
        let written = self.commit(write, decided, edits);
        self.context.metrics.took(Phase::Build, begun.elapsed());
        written.map_err(Failure::Broken)
    }

    fn decide(&mut self, write: &Write) -> Result<(Vec<Decided>, Vec<WrittenEdit>), ServiceError> {
        if let [edit @ Edit { op: EditOp::Restore { tree }, .. }] = &write.edits[..] {
            return self.decide_restore(edit, *tree);
        }
        let mut stages: BTreeMap<Arc<str>, Stage<'_>> = BTreeMap::new();
        let mut edits = Vec::new();
        for run in runs(&write.edits)? {
            let edit = &run[0];
            let environment = self.environment(&edit.environment)?;
            let branch = environment.branch.clone();
            let mut stage = match stages.remove(&branch) {
                Some(stage) => stage,
                None => Stage::new(&self.branch(&branch)?.snapshot, &*self.texts, self.context.limits),
            };
            // What a file shall hold depends on nothing that was there, so thousands are taken in together.
            if let EditOp::File { file, content } = &edit.op {
                edits.push(stage.put_file(&environment.name, file, content.as_ref())?);
                stages.insert(branch, stage);
                continue;
            }
            stage.check_faults()?;
            stage.refresh();
            if run.len() > 1 {
                for edit in run {
                    self.check(environment, &stages, &stage.draft, edit)?;
                    if matches!(edit.op, EditOp::Delete) && stage.draft.find(&edit.path).is_none() {
                        return Err(self.absent(environment, &stages, &stage.draft, &edit.path));
                    }
                }
                edits.extend(run.iter().map(|edit| written(environment, &stage, edit)));
                // A run is all puts, or all deletes.
                let puts: Vec<(&Path, &Value)> = run.iter().filter_map(plain_put).collect();
                if puts.is_empty() {
                    stage.delete_all(run.iter().map(|edit| &edit.path))?;
                } else {
                    stage.put_all(&puts)?;
                }
                stages.insert(branch, stage);
                continue;
            }
            let before = stage.draft.find(&edit.path);
            self.check(environment, &stages, &stage.draft, edit)?;
            let noted = written(environment, &stage, edit);
            match &edit.op {
                EditOp::Put { value: Value::Null, .. } => {
                    let reason = "null is no value; to hide a parent's value use DELETE with ?hide=true";
                    return Err(invalid(&edit.path, reason.to_owned()));
                }
                EditOp::Put { value, metadata, as_text } => {
                    stage.put(&edit.path, value, metadata, *as_text)?
                }
                EditOp::Hide => stage.put(&edit.path, &Value::Null, &Default::default(), false)?,
                EditOp::Delete if before.is_none() => {
                    return Err(self.absent(environment, &stages, &stage.draft, &edit.path));
                }
                EditOp::Delete => stage.delete(&edit.path)?,
                EditOp::Patch(patch) if before.is_none() && !patch.can_create() => {
                    return Err(self.absent(environment, &stages, &stage.draft, &edit.path));
                }
                EditOp::Patch(patch) => stage.patch(&edit.path, patch)?,
                EditOp::Restore { .. } => {
                    let reason = "a branch is brought back by a write of its own".to_owned();
                    return Err(invalid(&edit.path, reason));
                }
                // Taken above.
                EditOp::File { .. } => {}
            }
            edits.push(noted);
            stages.insert(branch, stage);
        }
        stages.values_mut().try_for_each(Stage::check_faults)?;
        let mut decided = Vec::new();
        let staged: Vec<_> = stages.into_iter().map(|(branch, stage)| (branch, stage.into_files())).collect();
        for (branch, files) in staged {
            decided.extend(self.decide_branch(branch, files)?);
        }
        Ok((decided, edits))
    }

    fn decide_branch(
        &mut self,
        branch: Arc<str>,
        mut files: BTreeMap<Arc<str>, Draft>,
    ) -> Result<Option<Decided>, ServiceError> {
        let layer = self.branch(&branch)?.snapshot.clone();
        files.retain(|file, draft| {
            let before = layer.file(file).and_then(|blob| self.texts.content(blob));
            before.as_ref() != draft.bytes.as_ref()
        });
        if files.is_empty() {
            return Ok(None);
        }
        check_folders(&files)?;
        for (file, draft) in files.iter().filter(|(file, _)| layer.file(file).is_none()) {
            if draft.bytes.is_some() {
                self.check_room(&branch, file)?;
            }
        }
        let updates = files.iter_mut().map(|(file, draft)| Update {
            file: file.clone(),
            blob: draft.bytes.as_ref().map(|_| ObjectId::ZERO),
            value: draft.value.take(),
        });
        let plan = layer.plan(updates.collect(), &*self.texts, self.context.limits);
        let new: Vec<_> = plan.new_problems(&layer).map(|problem| problem.diagnostic.clone()).collect();
        if !new.is_empty() {
            return Err(ServiceError::Problems(new));
        }
        Ok(Some(Decided { branch, content: Content::Files(files), plan }))
    }

    /// Brings a branch to a tree of its past: what is no configuration comes along.
    fn decide_restore(
        &mut self,
        edit: &Edit,
        tree: ObjectId,
    ) -> Result<(Vec<Decided>, Vec<WrittenEdit>), ServiceError> {
        let environment = self.environment(&edit.environment)?;
        let working = self.branch(&environment.branch)?;
        let stage = Stage::new(&working.snapshot, &*self.texts, self.context.limits);
        self.check(environment, &BTreeMap::new(), &stage.draft, edit)?;
        let noted = written(environment, &stage, edit);
        if working.tree_id == Some(tree) {
            return Ok((Vec::new(), vec![noted]));
        }
        let updates = restore_updates(self.texts.reader(), working, tree)?;
        let layer = working.snapshot.clone();
        let plan = layer.plan(updates, &*self.texts, self.context.limits);
        let new: Vec<_> = plan.new_problems(&layer).map(|problem| problem.diagnostic.clone()).collect();
        if !new.is_empty() {
            return Err(ServiceError::Problems(new));
        }
        let branch = environment.branch.clone();
        Ok((vec![Decided { branch, content: Content::Tree(tree), plan }], vec![noted]))
    }

    /// A new file must not take the place of a folder, nor need a folder where something else is: a file
    /// whose name has an extension, a symbolic link, a submodule.
    fn check_room(&mut self, branch: &Arc<str>, file: &str) -> Result<(), ServiceError> {
        let Some(working) = self.branches.get_mut(branch) else { return Ok(()) };
        let ends = file.match_indices('/').map(|(at, _)| at).chain([file.len()]);
        for end in ends {
            let name = &file[..end];
            let found = working
                .tree
                .get(self.texts.reader(), name)
                .map_err(|error| in_the_way(file, error.to_string()))?;
            match found {
                None => return Ok(()),
                Some((EntryKind::Dir, _)) if end < file.len() => {}
                Some((EntryKind::Dir, _)) => {
                    return Err(in_the_way(file, format!("`{file}` is a folder, so it cannot be a file")));
                }
                Some(_) if end == file.len() => {
                    return Err(in_the_way(file, format!("`{file}` is a symbolic link or a submodule")));
                }
                Some(_) => {
                    return Err(in_the_way(
                        file,
                        format!("`{name}` is no folder, so `{file}` cannot be in it"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Makes the commits of a write that nothing speaks against any more.
    fn commit(
        &mut self,
        write: &Write,
        decided: Vec<Decided>,
        mut edits: Vec<WrittenEdit>,
    ) -> Result<Written, BatchError> {
        let sequence = self.sequence.next();
        let account = write.grant.account().clone();
        let message = message(write);
        let mut change_set =
            ChangeSet { sequence, time: self.time, account: account.clone(), moves: Vec::new() };
        let mut versions = Vec::new();
        let mut of_files = FileVersions::new();
        for Decided { branch, content, mut plan } in decided {
            let Some(working) = self.branches.get_mut(&branch) else { continue };
            let tree = match content {
                Content::Files(files) => write_files(files, working, &mut plan, &mut self.pack, self.texts)?,
                Content::Tree(tree) => {
                    working.tree = WorkTree::new(Some(tree));
                    tree
                }
            };
            let email = format!("{account}@confgit");
            let commit = self.pack.commit(&NewCommit {
                tree,
                parents: working.head.as_slice(),
                author: Signature { name: &account, email: &email },
                committer: Signature { name: "confgit", email: "confgit@confgit" },
                time: self.time,
                message: &message,
            })?;
            change_set.moves.push(Move { branch: branch.clone(), old: working.head, new: Some(commit) });
            let first = versions.len();
            for change in plan.changes().iter().filter(|change| change.makes_version()) {
                let key = (branch.clone(), change.path.clone());
                let history = self.context.history;
                let last = self
                    .versions
                    .get(&key)
                    .copied()
                    .unwrap_or_else(|| history.last_version(&branch, &change.path));
                let version = Version(last.0 + 1);
                self.versions.insert(key, version);
                if let Some(entry) = change.new.as_ref().or(change.old.as_ref()) {
                    let of_file = of_files.entry((branch.clone(), entry.file().clone())).or_default();
                    of_file.push((change.path.clone(), version));
                }
                versions.push(NewVersion {
                    branch: branch.clone(),
                    path: change.path.clone(),
                    version,
                    revision: commit,
                    deleted: change.new.is_none(),
                });
            }
            let origin = origin_of(&change_set, commit);
            let made = &versions[first..];
            let snapshot = working.snapshot.apply(plan, &mut |path| {
                // Plans list their changes in the order of their paths.
                let at = made.binary_search_by(|version| version.path.cmp(path)).ok()?;
                Some(Stamp { version: made[at].version, origin: origin.clone() })
            });
            working.snapshot = Arc::new(snapshot);
            working.head = Some(commit);
            working.tree_id = Some(tree);
        }
        for (edit, asked) in edits.iter_mut().zip(&write.edits) {
            match &asked.op {
                EditOp::File { file, .. } => {
                    let Some(environment) = self.context.environments.get(&edit.environment) else {
                        continue;
                    };
                    let key = (environment.branch.clone(), file.name().clone());
                    edit.entries = of_files.remove(&key).unwrap_or_default();
                }
                _ => self.note_versions(edit, &versions),
            }
        }
        self.sequence = sequence;
        self.accepted.push((change_set, versions));
        Ok(Written { sequence, revisions: self.revisions(write), changed: true, edits })
    }

    fn note_versions(&self, edit: &mut WrittenEdit, versions: &[NewVersion]) {
        let Some(environment) = self.context.environments.get(&edit.environment) else { return };
        // Versions come branch by branch, each in the order of paths.
        let of_branch = versions.partition_point(|new| new.branch < environment.branch);
        let of_branch = &versions[of_branch..];
        let of_branch = &of_branch[..of_branch.partition_point(|new| new.branch == environment.branch)];
        edit.entries = if edit.is_entry {
            let found = of_branch.binary_search_by(|new| new.path.cmp(&edit.path)).ok();
            found.map(|at| (edit.path.clone(), of_branch[at].version)).into_iter().collect()
        } else {
            // What is below a path comes right after it.
            let first = of_branch.partition_point(|new| new.path < edit.path);
            let below = of_branch[first..].iter().take_while(|new| edit.path.is_prefix_of(&new.path));
            below.map(|new| (new.path.clone(), new.version)).collect()
        };
        if edit.entries.is_empty() {
            edit.entries.extend(self.present_version(environment, &edit.path));
        }
    }

    fn present_version(&self, environment: &Environment, path: &Path) -> Option<(Path, Version)> {
        let entry = self.branches.get(&environment.branch)?.snapshot.entry(path)?;
        Some((path.clone(), entry.version()?))
    }

    fn unchanged(&self, write: &Write, mut edits: Vec<WrittenEdit>) -> Written {
        let mut sequence = self.sequence;
        for (edit, asked) in edits.iter_mut().zip(&write.edits) {
            if !matches!(asked.op, EditOp::File { .. }) {
                self.note_versions(edit, &[]);
            }
        }
        if let [only] = &write.edits[..]
            && let Some(environment) = self.context.environments.get(&only.environment)
            && let Some(working) = self.branches.get(&environment.branch)
            && let Some(entry) = working.snapshot.entry(&only.path)
            && let Some(stamp) = entry.stamp()
        {
            sequence = stamp.origin.sequence;
        }
        Written { sequence, revisions: self.revisions(write), changed: false, edits }
    }

    fn revisions(&self, write: &Write) -> BTreeMap<Arc<str>, Revision> {
        let head = |environment: &Arc<str>| {
            let found = self.context.environments.get(environment)?;
            self.branches.get(&found.branch)?.head
        };
        write
            .edits
            .iter()
            .filter_map(|edit| Some((edit.environment.clone(), head(&edit.environment)?)))
            .collect()
    }

    fn environment(&self, name: &str) -> Result<&'a Environment, ServiceError> {
        let environments: &'a Environments = self.context.environments;
        environments.get(name).ok_or_else(|| ServiceError::unknown_environment(environments, name))
    }

    fn branch(&self, name: &str) -> Result<&Working, ServiceError> {
        self.branches.get(name).ok_or(ServiceError::NotReady { part: "the branch" })
    }

    /// The view of an environment as the write so far leaves it.
    fn view(
        &self,
        environment: &Environment,
        stages: &BTreeMap<Arc<str>, Stage<'_>>,
        own: &Snapshot,
    ) -> View {
        let layer = |link: &Environment| {
            let snapshot = if link.name == environment.name {
                Arc::new(own.clone())
            } else if let Some(stage) = stages.get(&link.branch) {
                Arc::new(stage.draft.clone())
            } else {
                self.branches.get(&link.branch).map(|working| working.snapshot.clone()).unwrap_or_default()
            };
            Layer { environment: link.name.clone(), snapshot }
        };
        View::new(self.context.environments.chain(&environment.name).map(layer).collect())
    }

    fn check(
        &self,
        environment: &Environment,
        stages: &BTreeMap<Arc<str>, Stage<'_>>,
        own: &Snapshot,
        Edit { path, layer_only, precondition, .. }: &Edit,
    ) -> Result<(), ServiceError> {
        if *precondition == Precondition::None {
            return Ok(());
        }
        let view = if *layer_only {
            View::new(vec![Layer { environment: environment.name.clone(), snapshot: Arc::new(own.clone()) }])
        } else {
            self.view(environment, stages, own)
        };
        let found = view.find(path);
        let holds = match precondition {
            Precondition::None => true,
            Precondition::Absent => found.is_none(),
            Precondition::Present => found.is_some(),
            Precondition::OneOf(tags) => found.as_ref().is_some_and(|found| {
                let current = entity_tag(found);
                let version = match found {
                    Found::Entry(entry) if entry.own => {
                        entry.entry.version().map(|version| version.to_string())
                    }
                    _ => None,
                };
                tags.iter().any(|tag| *tag == current || Some(tag) == version.as_ref())
            }),
        };
        if holds {
            return Ok(());
        }
        Err(ServiceError::PreconditionFailed { path: path.clone(), current: found.as_ref().map(entity_tag) })
    }

    fn absent(
        &self,
        environment: &Environment,
        stages: &BTreeMap<Arc<str>, Stage<'_>>,
        own: &Snapshot,
        path: &Path,
    ) -> ServiceError {
        let inherited_from = match self.view(environment, stages, own).find(path) {
            Some(Found::Entry(found)) => Some(found.origin),
            _ => None,
        };
        ServiceError::NotFound { path: path.clone(), environment: environment.name.clone(), inherited_from }
    }
}

/// Puts the changed files into the branch's tree, and answers the tree.
fn write_files(
    files: BTreeMap<Arc<str>, Draft>,
    working: &mut Working,
    plan: &mut Plan,
    pack: &mut Pack,
    texts: &mut Texts,
) -> Result<ObjectId, BatchError> {
    for (file, draft) in files {
        let blob = match draft.bytes {
            None => None,
            Some(bytes) => {
                let blob = pack.blob(&bytes)?;
                plan.locate(&file, blob);
                texts.add(blob, bytes, working.snapshot.file(&file));
                Some(blob)
            }
        };
        working.tree.set(texts.reader(), &file, blob)?;
    }
    Ok(working.tree.write(pack)?)
}

/// The configuration files in which a branch and a tree differ, as the tree has them.
fn restore_updates(reader: &Reader, working: &Working, tree: ObjectId) -> Result<Vec<Update>, ReadError> {
    let layer = &working.snapshot;
    let changed = reader.changed_files(working.tree_id, Some(tree), MOST_FILES);
    // Of a batch in the making Git has no tree yet: what the layer holds is compared with all of the other.
    let (changes, mut gone) = match changed {
        Err(ReadError::Missing { .. }) => {
            let held = layer.files().map(|(file, blob)| (file.clone(), blob));
            (reader.changed_files(None, Some(tree), MOST_FILES)?.files, held.collect::<BTreeMap<_, _>>())
        }
        changes => (changes?.files, BTreeMap::new()),
    };
    let mut updates = Vec::new();
    for change in changes {
        let blob = configuration_blob(&change);
        let file: Arc<str> = change.path.into();
        let held = gone.remove(&file).or_else(|| layer.file(&file));
        if held != blob {
            updates.push(Update { file, blob, value: None });
        }
    }
    updates.extend(gone.into_keys().map(|file| Update { file, blob: None, value: None }));
    Ok(updates)
}

/// What is known of an edit before it is made.
fn written(environment: &Environment, stage: &Stage<'_>, edit: &Edit) -> WrittenEdit {
    let before = stage.draft.find(&edit.path);
    let is_entry = match &edit.op {
        EditOp::Put { value: Value::Object(members), .. } => members.is_empty(),
        EditOp::Put { .. } | EditOp::Hide => true,
        EditOp::Restore { .. } | EditOp::File { .. } => false,
        EditOp::Delete | EditOp::Patch(_) => matches!(before, Some(Node::Entry(_))),
    };
    WrittenEdit {
        environment: environment.name.clone(),
        path: edit.path.clone(),
        created: before.is_none(),
        is_entry,
        entries: Vec::new(),
    }
}

/// No file of a write may need a folder where another of them is a file.
fn check_folders(files: &BTreeMap<Arc<str>, Draft>) -> Result<(), ServiceError> {
    let is_file = |name: &str| files.get(name).is_some_and(|draft| draft.bytes.is_some());
    for (file, _) in files.iter().filter(|(_, draft)| draft.bytes.is_some()) {
        if let Some((end, _)) = file.match_indices('/').find(|(end, _)| is_file(&file[..*end])) {
            let name = &file[..end];
            return Err(in_the_way(file, format!("`{name}` is no folder, so `{file}` cannot be in it")));
        }
    }
    Ok(())
}

fn in_the_way(file: &str, message: String) -> ServiceError {
    let (file, position, path) = (Some(file.to_owned()), None, None);
    ServiceError::Conflict(Diagnostic { rule: Rule::Shape, file, position, path, message })
}

/// The state that readers see once the batch is published.
pub(super) fn state_of(
    branches: &HashMap<Arc<str>, Working>,
    environments: &Arc<Environments>,
    sequence: Sequence,
) -> State {
    let seen = |working: &Working| Branch {
        head: working.head,
        tree: working.tree_id,
        snapshot: working.snapshot.clone(),
    };
    let branches = branches.iter().map(|(name, working)| (name.clone(), seen(working))).collect();
    State::new(sequence, environments.clone(), branches)
}

/// The commit message: the writer's, or one made from the edits; then the trailers.
fn message(write: &Write) -> String {
    let given = write.message.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let mut message = match (given, &write.edits[..]) {
        (Some(text), _) => text.to_owned(),
        (None, [only]) => describe(&only.op, &only.path),
        (None, edits) => {
            let lines: Vec<String> =
                edits.iter().take(50).map(|edit| describe(&edit.op, &edit.path)).collect();
            let more = edits.len().saturating_sub(lines.len());
            let rest = if more > 0 { format!("\nand {more} more") } else { String::new() };
            format!("change {} paths\n\n{}{rest}", edits.len(), lines.join("\n"))
        }
    };
    message.push_str("\n\nAccount: ");
    message.push_str(&one_line(write.grant.account()));
    if let Some(id) = &write.request_id {
        message.push_str("\nRequest-Id: ");
        message.push_str(&one_line(id));
    }
    message.push('\n');
    message
}

fn describe(op: &EditOp, path: &Path) -> String {
    match op {
        EditOp::Put { .. } => format!("set {path}"),
        EditOp::Delete => format!("delete {path}"),
        EditOp::Hide => format!("hide {path}"),
        EditOp::Patch(_) => format!("patch {path}"),
        EditOp::Restore { .. } => "roll the environment back".to_owned(),
        EditOp::File { file, content: Some(_) } => format!("write the file {}", file.name()),
        EditOp::File { file, content: None } => format!("remove the file {}", file.name()),
    }
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
