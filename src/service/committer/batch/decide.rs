use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Batch, Content, Decided, Working};
use crate::auth::{Action, WriteGrant};
use crate::git::{EntryKind, ReadError, Reader};
use crate::model::{Diagnostic, Environment, ObjectId, Path, Rule, Sequence, Value};
use crate::patch::PatchError;
use crate::resolve::{Found, Layer, Seen, View};
use crate::service::committer::request::{Edit, EditOp, Precondition, WrittenEdit};
use crate::service::committer::runs::{plain_put, runs};
use crate::service::committer::stage::{Draft, Stage, invalid};
use crate::service::load::{MOST_FILES, configuration_blob};
use crate::service::{ServiceError, Unmet, entity_tag};
use crate::snapshot::{Blobs as _, Snapshot, Update};

impl Batch<'_> {
    /// What a write comes to, edit by edit and branch by branch; nothing is changed yet.
    pub(super) fn decide(
        &mut self,
        grant: &WriteGrant,
        asked: &[Edit],
    ) -> Result<(Vec<Decided>, Vec<WrittenEdit>), ServiceError> {
        match asked {
            [edit @ Edit { op: EditOp::Restore { tree, seen_at, .. }, .. }] => {
                return self.decide_restore(grant, edit, *tree, *seen_at);
            }
            [edit @ Edit { op: EditOp::Promote(promotion), .. }] => {
                return self.decide_promotion(edit, promotion);
            }
            _ => {}
        }
        let mut stages: BTreeMap<Arc<str>, Stage<'_>> = BTreeMap::new();
        let mut edits = Vec::new();
        for run in runs(asked)? {
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
                    self.check(grant, environment, (&stages, &stage.draft), edit)?;
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
            self.check(grant, environment, (&stages, &stage.draft), edit)?;
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
                EditOp::Patch(patch) => {
                    stage.patch(&edit.path, patch).map_err(|error| of_heir(error, environment))?
                }
                EditOp::Restore { .. } | EditOp::Promote(_) => {
                    let reason = "a branch is brought back, or promoted to, by a write of its own".to_owned();
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
            decided.extend(self.decide_branch(branch, files, false)?);
        }
        Ok((decided, edits))
    }

    /// What the files of a branch come to; nothing where they stay as they are, unless there is to be a commit of that
    /// too.
    pub(super) fn decide_branch(
        &mut self,
        branch: Arc<str>,
        mut files: BTreeMap<Arc<str>, Draft>,
        is_noted: bool,
    ) -> Result<Option<Decided>, ServiceError> {
        let layer = self.branch(&branch)?.snapshot.clone();
        files.retain(|file, draft| self.is_other(&layer, file, draft));
        if files.is_empty() && !is_noted {
            return Ok(None);
        }
        check_folders(&files)?;
        let goes = |file: &str| files.get(file).is_some_and(|draft| draft.bytes.is_none());
        let goes: Option<&dyn Fn(&str) -> bool> =
            if files.keys().any(|file| goes(file)) { Some(&goes) } else { None };
        for (file, draft) in files.iter().filter(|(file, _)| layer.file(file).is_none()) {
            if draft.bytes.is_some() {
                self.check_room(&branch, file, goes)?;
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

    /// Whether a file is to be another than a layer has, or there where it has none. One too large to be read has no content.
    pub(super) fn is_other(&self, layer: &Snapshot, file: &str, draft: &Draft) -> bool {
        let stands = layer.file(file);
        let before = stands.and_then(|blob| self.texts.content(blob));
        stands.is_some() != draft.bytes.is_some() || before.as_ref() != draft.bytes.as_ref()
    }

    /// Brings a branch to a tree of its past: what is no configuration comes along.
    fn decide_restore(
        &mut self,
        grant: &WriteGrant,
        edit: &Edit,
        tree: ObjectId,
        seen_at: Sequence,
    ) -> Result<(Vec<Decided>, Vec<WrittenEdit>), ServiceError> {
        // The tree is not packed anew. What is kept stays for now: history begins later some time before anything
        // goes.
        if let Some(oldest) = self.context.history.base().filter(|oldest| seen_at < *oldest) {
            return Err(ServiceError::NotKept { what: format!("change set {seen_at}"), oldest });
        }
        let environment = self.environment(&edit.environment)?;
        let working = self.branch(&environment.branch)?;
        let stage = Stage::new(&working.snapshot, &*self.texts, self.context.limits);
        self.check(grant, environment, (&BTreeMap::new(), &stage.draft), edit)?;
        let noted = written(environment, &stage, edit);
        if working.tree_id == Some(tree) {
            return Ok((Vec::new(), vec![noted]));
        }
        let updates = restore_updates(self.texts.reader(), working, Some(tree))?;
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
    /// whose name has an extension, a symbolic link, a submodule; but for what `goes`.
    pub(super) fn check_room(
        &mut self,
        branch: &Arc<str>,
        file: &str,
        goes: Option<&dyn Fn(&str) -> bool>,
    ) -> Result<(), ServiceError> {
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
                Some((EntryKind::Dir, id)) => {
                    if goes.is_some_and(|goes| folder_goes(self.texts.reader(), (file, id), goes)) {
                        return Ok(());
                    }
                    return Err(in_the_way(file, format!("`{file}` is a folder, so it cannot be a file")));
                }
                Some(_) if goes.is_some_and(|goes| goes(name)) => return Ok(()),
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

    /// The view of an environment as the write so far leaves it.
    pub(super) fn view(
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
        let environments = self.context.environments;
        View::new(environments.chain(&environment.name).map(layer).collect(), environments.rules().clone())
    }

    /// That the precondition holds of what the writer sees. Of what they do not see at all they are told whether it
    /// holds, and not what is there.
    fn check(
        &self,
        grant: &WriteGrant,
        environment: &Environment,
        (stages, own): (&BTreeMap<Arc<str>, Stage<'_>>, &Snapshot),
        Edit { path, layer_only, precondition, .. }: &Edit,
    ) -> Result<(), ServiceError> {
        if *precondition == Precondition::None {
            return Ok(());
        }
        let view = if *layer_only {
            View::of_layer(Layer { environment: environment.name.clone(), snapshot: Arc::new(own.clone()) })
        } else {
            self.view(environment, stages, own)
        };
        let extent = grant.rights().extent(Action::Read, &environment.name, path, true);
        let is_seen = extent != Seen::Nothing;
        let view = if is_seen { view.seen_by(grant.sight(&environment.name)) } else { view };
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
        let version = match &found {
            Some(Found::Entry(entry)) if entry.own => entry.entry.version(),
            _ => None,
        };
        let (path, expected) = (path.clone(), precondition.clone());
        let current = found.as_ref().filter(|_| is_seen).map(entity_tag);
        let version = version.filter(|_| is_seen);
        Err(ServiceError::PreconditionFailed(Box::new(Unmet { path, expected, current, version })))
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

/// The configuration files in which a branch and a tree differ, as the tree has them.
pub(super) fn restore_updates(
    reader: &Reader,
    working: &Working,
    tree: Option<ObjectId>,
) -> Result<Vec<Update>, ReadError> {
    let layer = &working.snapshot;
    let changed = reader.changed_files(working.tree_id, tree, MOST_FILES);
    // Of a batch in the making Git has no tree yet: what the layer holds is compared with all of the other.
    let (changes, mut gone) = match changed {
        Err(ReadError::Missing { .. }) => {
            let held = layer.files().map(|(file, blob)| (file.clone(), blob));
            (reader.changed_files(None, tree, MOST_FILES)?.files, held.collect::<BTreeMap<_, _>>())
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
pub(super) fn written(environment: &Environment, stage: &Stage<'_>, edit: &Edit) -> WrittenEdit {
    WrittenEdit {
        environment: environment.name.clone(),
        path: edit.path.clone(),
        created: stage.draft.find(&edit.path).is_none(),
        entry: None,
        changed: Vec::new(),
    }
}

/// Says of a patch that misses something that what is inherited does not count.
fn of_heir(error: ServiceError, environment: &Environment) -> ServiceError {
    match error {
        ServiceError::Patch { path, reason, .. }
            if environment.inherits.is_some() && matches!(*reason, PatchError::DoesNotFit { .. }) =>
        {
            ServiceError::Patch { path, reason, heir: Some(environment.name.clone()) }
        }
        other => other,
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

/// How many files of a folder are looked at that has to go.
const MOST_IN_FOLDER: usize = 10_000;

/// Whether all that a folder holds goes.
fn folder_goes(reader: &Reader, (folder, tree): (&str, ObjectId), goes: &dyn Fn(&str) -> bool) -> bool {
    let within = reader.changed_files(Some(tree), None, MOST_IN_FOLDER);
    within.is_ok_and(|within| {
        within.skipped.is_empty()
            && within.files.iter().all(|change| goes(&format!("{folder}/{}", change.path)))
    })
}
