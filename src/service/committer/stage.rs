use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;

use super::configuration_file::ConfigurationFile;
use super::file_name::{new_document_for, stem_for};
use super::reconcile::{Step, bytes_of_node, steps_to_nothing, steps_towards, value_of_node};
use super::request::{Member, Metadata, PromotedEntry, WrittenEdit};
use crate::document::{self, Change, EditError, FaultKind, Format, Op};
use crate::model::{Diagnostic, Limits, ObjectId, Path, Rule, Value};
use crate::patch::Patch;
use crate::service::ServiceError;
use crate::snapshot::{Blobs, EntryKind, Node, Snapshot, Update, base_path, metadata_path};

/// Strings longer than this get a text file of their own at a new path.
const TEXT_FILE_BYTES: usize = 16 << 10;

/// How many bytes of files the edits of one write may go through: all other writers wait for it.
const MOST_EDITED_BYTES: usize = 512 << 20;

/// The edits of one write to one layer, before anything is decided: files change here, nothing else does.
pub(super) struct Stage<'a> {
    /// The layer as the edits so far leave it; its entries have no stamps where it differs from the real one.
    pub draft: Snapshot,
    files: BTreeMap<Arc<str>, Draft>,
    /// Files changed since `draft` was brought up to date.
    stale: Vec<Arc<str>>,
    /// What cannot be read of the files that came as a whole.
    faults: Vec<Diagnostic>,
    /// How much was read and written for edits so far.
    edited_bytes: usize,
    blobs: &'a dyn Blobs,
    limits: &'a Limits,
}

/// The steps to be made in each file, and the path at which the file stands.
type Planned = IndexMap<Arc<str>, (Path, Vec<Step>)>;

/// A file as the edits leave it.
pub(super) struct Draft {
    /// Its content; none when it goes.
    pub bytes: Option<Bytes>,
    /// What the content says.
    pub value: Option<Value>,
}

impl<'a> Stage<'a> {
    pub fn new(layer: &Snapshot, blobs: &'a dyn Blobs, limits: &'a Limits) -> Self {
        Stage {
            draft: layer.clone(),
            files: BTreeMap::new(),
            stale: Vec::new(),
            faults: Vec::new(),
            edited_bytes: 0,
            blobs,
            limits,
        }
    }

    /// The files that the edits changed.
    pub fn into_files(self) -> BTreeMap<Arc<str>, Draft> {
        self.files
    }

    /// Brings `draft` up to date with the edits so far.
    pub fn refresh(&mut self) {
        let stale = std::mem::take(&mut self.stale);
        if stale.is_empty() {
            return;
        }
        let updates = stale.into_iter().map(|file| {
            let draft = self.files.get(&file);
            let value = draft.and_then(|draft| draft.value.clone());
            // The blob is not made yet; a draft is never looked at for it.
            let blob = draft.and_then(|draft| draft.bytes.as_ref()).map(|_| ObjectId::ZERO);
            Update { file, blob, value }
        });
        let plan = self.draft.plan(updates.collect(), self.blobs, self.limits);
        self.draft = self.draft.apply(plan, &mut |_| None);
    }

    /// Puts files where the edits so far leave them, as the repository has them: they are no edits themselves.
    pub fn lay(&mut self, files: Vec<Update>) {
        self.refresh();
        let plan = self.draft.plan(files, self.blobs, self.limits);
        self.draft = self.draft.apply(plan, &mut |_| None);
    }

    /// Gives a path a value and metadata.
    pub fn put(
        &mut self,
        path: &Path,
        value: &Value,
        metadata: &Metadata,
        as_text: bool,
    ) -> Result<(), ServiceError> {
        self.check_value(path, value)?;
        self.put_value(path, value, as_text)?;
        let members = [
            ("description", &metadata.description),
            ("owner", &metadata.owner),
            ("schema", &metadata.schema),
        ];
        for (name, member) in members {
            if matches!(member, Member::Keep) {
                continue;
            }
            self.refresh();
            let at = metadata_path(path)
                .and_then(|at| at.child(name))
                .map_err(|error| invalid(path, error.to_string()))?;
            match member {
                Member::Set(value) => self.put_value(&at, value, false)?,
                _ => self.remove(&at)?,
            }
        }
        Ok(())
    }

    /// Gives a file its content, or takes it away. What cannot be read of it is kept for
    /// [`Self::check_faults`], so that all files of a write are looked at.
    pub fn put_file(
        &mut self,
        environment: &Arc<str>,
        file: &ConfigurationFile,
        content: Option<&Bytes>,
    ) -> Result<WrittenEdit, ServiceError> {
        let (name, path) = (file.name(), file.base());
        let stood =
            self.files.get(name).map_or(self.draft.file(name).is_some(), |draft| draft.bytes.is_some());
        let value = match content.map(|bytes| document::read(Format::of(name), bytes, self.limits)) {
            Some(Ok(document)) => Some(document.into_value()),
            Some(Err(fault)) => {
                let rule = if fault.kind == FaultKind::Limit { Rule::Limit } else { Rule::Parse };
                let (file, position) = (Some(name.to_string()), Some(fault.position));
                self.faults.push(Diagnostic { rule, file, position, path: None, message: fault.message });
                None
            }
            None => None,
        };
        if let Some(value) = &value {
            self.check_value(path, value)?;
        }
        self.files.insert(name.clone(), Draft { bytes: content.cloned(), value });
        self.stale.push(name.clone());
        let (environment, path, created) = (environment.clone(), path.clone(), !stood);
        Ok(WrittenEdit { environment, path, created, entry: None, changed: Vec::new() })
    }

    /// Refuses files that cannot be read: all of them, each with its place.
    pub fn check_faults(&mut self) -> Result<(), ServiceError> {
        let faults = std::mem::take(&mut self.faults);
        if faults.is_empty() { Ok(()) } else { Err(ServiceError::Problems(faults)) }
    }

    /// Gives several paths, none of them above another, their values: each file is edited once.
    pub fn put_all(&mut self, puts: &[(&Path, &Value)]) -> Result<(), ServiceError> {
        let mut steps = Vec::new();
        for (path, value) in puts {
            self.check_value(path, value)?;
            self.check_way(path)?;
            let node = self.draft.find(path);
            let found = steps_towards(path, node.as_ref(), value);
            steps.append(&mut found.map_err(|error| invalid(path, error.to_string()))?);
        }
        let Some((first, _)) = puts.first() else { return Ok(()) };
        let gone = self.entries_gone(&steps);
        self.take(first, steps, false)?;
        self.forget(&gone)
    }

    /// Gives entries what another layer says of them. What describes an entry is an entry of its own here, and stays.
    pub fn promote(&mut self, entries: &[PromotedEntry]) -> Result<(), ServiceError> {
        let gone = || entries.iter().filter(|entry| entry.value.is_none()).map(|entry| &entry.path);
        // What goes makes room for what comes.
        if let Some(first) = gone().next() {
            let steps = gone().flat_map(|path| {
                self.draft.find(path).map(|node| steps_to_nothing(path, &node)).unwrap_or_default()
            });
            let steps = steps.collect();
            self.take(first, steps, false)?;
            self.refresh();
        }
        let puts = entries.iter().filter_map(|entry| Some((entry, entry.value.as_ref()?)));
        for (entry, value) in puts.clone().filter(|(entry, _)| entry.as_text) {
            self.check_value(&entry.path, value)?;
            self.put_value(&entry.path, value, true)?;
            self.refresh();
        }
        let puts: Vec<(&Path, &Value)> =
            puts.filter(|(entry, _)| !entry.as_text).map(|(entry, value)| (&entry.path, value)).collect();
        self.put_all(&puts)
    }

    /// Changes what stands at a path, and below it, by a patch.
    pub fn patch(&mut self, path: &Path, patch: &Patch) -> Result<(), ServiceError> {
        let found = self.draft.find(path);
        // A patch goes through all that stands there, whatever it changes.
        self.go_through(path, found.as_ref().map_or(0, bytes_of_node))?;
        let before = found.map(|node| value_of_node(&node));
        let after = patch.apply(before).map_err(|reason| ServiceError::Patch {
            path: path.clone(),
            reason: Box::new(reason),
            heir: None,
        })?;
        match after {
            None => self.delete(path),
            Some(Value::Null) => {
                let reason = "the patch leaves null there, which is no value; take it away with `remove`, or use DELETE with ?hide=true";
                Err(invalid(path, reason.to_owned()))
            }
            Some(value) => {
                self.check_value(path, &value)?;
                self.put_value(path, &value, false)
            }
        }
    }

    /// Takes away what stands at a path or below, and the metadata of it.
    pub fn delete(&mut self, path: &Path) -> Result<(), ServiceError> {
        self.remove(path)?;
        if let Ok(metadata) = metadata_path(path) {
            self.refresh();
            self.remove(&metadata)?;
        }
        Ok(())
    }

    /// The same for several paths, none of them above another: each file is edited once.
    pub fn delete_all<'p>(&mut self, paths: impl Iterator<Item = &'p Path>) -> Result<(), ServiceError> {
        let (mut steps, mut first) = (Vec::new(), None);
        for path in paths {
            first = first.or(Some(path));
            let metadata = metadata_path(path).ok();
            for at in [Some(path), metadata.as_ref()].into_iter().flatten() {
                steps.extend(self.draft.find(at).iter().flat_map(|node| steps_to_nothing(at, node)));
            }
        }
        first.map_or(Ok(()), |first| self.take(first, steps, false))
    }

    fn remove(&mut self, path: &Path) -> Result<(), ServiceError> {
        match self.draft.find(path) {
            Some(node) => self.take(path, steps_to_nothing(path, &node), false),
            None => Ok(()),
        }
    }

    fn put_value(&mut self, path: &Path, value: &Value, as_text: bool) -> Result<(), ServiceError> {
        self.check_way(path)?;
        let node = self.draft.find(path);
        let steps =
            steps_towards(path, node.as_ref(), value).map_err(|error| invalid(path, error.to_string()))?;
        let gone = self.entries_gone(&steps);
        self.take(path, steps, as_text)?;
        self.forget(&gone)
    }

    /// The entries that steps take away, or put an object in the place of.
    fn entries_gone(&self, steps: &[Step]) -> Vec<Path> {
        let is_gone = |step: &&Step| match &step.value {
            None => true,
            Some(Value::Object(members)) => !members.is_empty() && self.draft.entry(&step.path).is_some(),
            Some(_) => false,
        };
        steps.iter().filter(is_gone).map(|step| step.path.clone()).collect()
    }

    /// Takes away what described entries that are gone: an entry of the same path later is another.
    fn forget(&mut self, gone: &[Path]) -> Result<(), ServiceError> {
        if gone.is_empty() {
            return Ok(());
        }
        self.refresh();
        let mut steps = Vec::new();
        for at in gone.iter().filter_map(|path| metadata_path(path).ok()) {
            steps.extend(self.draft.find(&at).iter().flat_map(|node| steps_to_nothing(&at, node)));
        }
        let Some(first) = steps.first().map(|step| step.path.clone()) else { return Ok(()) };
        self.take(&first, steps, false)
    }

    fn check_value(&self, path: &Path, value: &Value) -> Result<(), ServiceError> {
        if let Value::Object(members) = value
            && !members.is_empty()
        {
            return members.iter().try_for_each(|(name, member)| {
                let child = path.child(name).map_err(|error| invalid(path, error.to_string()))?;
                self.check_value(&child, member)
            });
        }
        let actual = value.to_json().len();
        if actual > self.limits.value_bytes {
            return Err(ServiceError::TooLarge {
                path: path.clone(),
                actual,
                limit: self.limits.value_bytes,
            });
        }
        Ok(())
    }

    /// Nothing above the path may be a value.
    fn check_way(&self, path: &Path) -> Result<(), ServiceError> {
        let mut above = path.parent();
        while let Some(at) = above {
            if let Some(Node::Entry(entry)) = self.draft.find(&at)
                && entry.kind() != EntryKind::Tombstone
            {
                return Err(ServiceError::Conflict(Diagnostic {
                    rule: Rule::Shape,
                    file: Some(entry.file().to_string()),
                    position: self.position_in(entry.file(), &at),
                    path: Some(at.clone()),
                    message: format!("holds a value, so {path} cannot be below it; delete {at} first"),
                }));
            }
            above = at.parent();
        }
        Ok(())
    }

    fn position_in(&self, file: &str, path: &Path) -> Option<crate::model::Position> {
        let bytes = self.content(file)?;
        document::position_of(file, &base_path(file).ok()?, path, &bytes, self.limits)
    }

    fn content(&self, file: &str) -> Option<Bytes> {
        match self.files.get(file) {
            Some(draft) => draft.bytes.clone(),
            None => self.blobs.content(self.draft.file(file)?),
        }
    }

    /// Counts bytes that an edit has to go through.
    fn go_through(&mut self, path: &Path, bytes: usize) -> Result<(), ServiceError> {
        self.edited_bytes += bytes;
        if self.edited_bytes <= MOST_EDITED_BYTES {
            return Ok(());
        }
        let reason = format!(
            "the edits of this write read and write more than {MOST_EDITED_BYTES} bytes, one after the other; send \
             them in several writes"
        );
        Err(invalid(path, reason))
    }

    /// Sorts the steps by the file in which each is to be made, and makes them.
    fn take(&mut self, path: &Path, steps: Vec<Step>, as_text: bool) -> Result<(), ServiceError> {
        let mut by_file = Planned::new();
        for step in steps {
            let holder = self.draft.entry(&step.path).map(|entry| entry.file().clone());
            let is_empty = matches!(&step.value, Some(Value::Object(members)) if members.is_empty());
            let stays = |file: &Arc<str>| match &step.value {
                None => true,
                // A document of nothing but `{}` holds no entry.
                Some(_) if is_empty && base_path(file).is_ok_and(|base| base == step.path) => false,
                Some(Value::String(_)) => true,
                Some(Value::Bytes(_)) => Format::of(file) == Format::Raw,
                Some(_) => Format::of(file).is_structured(),
            };
            match holder {
                Some(file) if stays(&file) => add_step(&mut by_file, file, step)?,
                holder => {
                    if let Some(file) = holder {
                        add_step(&mut by_file, file, Step { path: step.path.clone(), value: None })?;
                    }
                    let file = self.place(&step, as_text, &by_file)?;
                    add_step(&mut by_file, file, step)?;
                }
            }
        }
        for (file, (base, steps)) in by_file {
            self.edit_file(path, file, &base, steps)?;
        }
        Ok(())
    }

    /// The file for a new entry: a text of its own, the nearest document (also one that an earlier step
    /// makes), or a new document.
    fn place(&self, step: &Step, as_text: bool, planned: &Planned) -> Result<Arc<str>, ServiceError> {
        let is_object = matches!(&step.value, Some(Value::Object(members)) if !members.is_empty());
        let wants_text =
            matches!(&step.value, Some(Value::String(text)) if as_text || text.len() > TEXT_FILE_BYTES);
        if wants_text && let Some(stem) = stem_for(&step.path) {
            return Ok(format!("{stem}.txt").into());
        }
        if matches!(step.value, Some(Value::Bytes(_))) {
            return bytes_file(&step.path);
        }
        // An empty object needs a document above it: one of nothing but `{}` holds no entry.
        let is_empty = matches!(&step.value, Some(Value::Object(members)) if members.is_empty());
        let mut base = if is_empty { step.path.parent() } else { Some(step.path.clone()) };
        let nearest = base.as_ref().and_then(|lowest| self.draft.nearest_document(lowest));
        while let Some(at) = base {
            if let Some((file, found)) = &nearest
                && *found == at
            {
                return Ok(file.clone());
            }
            let name = stem_for(&at).map(|stem| format!("{stem}.yaml"));
            if let Some((file, _)) = name.and_then(|name| planned.get_key_value(name.as_str())) {
                return Ok(file.clone());
            }
            base = at.parent();
        }
        match new_document_for(&step.path, is_object) {
            Some((base, _)) if is_empty && base == step.path => {
                let reason = "an empty object right below the root has no document to stand in; give it a member, or delete it";
                Err(invalid(&step.path, reason.to_owned()))
            }
            Some((_, file)) => Ok(file.into()),
            None => {
                let reason = "no file can hold this path: its first segment may not begin with a dot, nor hold a slash";
                Err(invalid(&step.path, reason.to_owned()))
            }
        }
    }

    fn edit_file(
        &mut self,
        path: &Path,
        file: Arc<str>,
        base: &Path,
        steps: Vec<Step>,
    ) -> Result<(), ServiceError> {
        let format = Format::of(&file);
        let old = self.content(&file);
        if old.is_none()
            && self.draft.file(&file).is_some()
            && self.files.get(&file).is_none_or(|draft| draft.bytes.is_some())
        {
            if self.draft.problems().iter().any(|problem| problem.concerns(&file)) {
                return Err(conflict(
                    &file,
                    path,
                    "the file cannot be read; mend it with git first".to_owned(),
                ));
            }
            return Err(ServiceError::WritesUnavailable {
                reason: format!("`{file}` cannot be read from the repository"),
            });
        }
        let keys: Vec<Vec<String>> = steps
            .iter()
            .map(|step| {
                step.path.strip_prefix(base).map(|below| below.segments().map(|s| s.into_owned()).collect())
            })
            .collect::<Option<_>>()
            .ok_or_else(|| conflict(&file, path, "the path is not in this file".to_owned()))?;
        let gone = steps.iter().all(|step| step.value.is_none());
        let draft = if !format.is_structured() && gone {
            Draft { bytes: None, value: None }
        } else {
            let changes: Vec<Change<'_>> = steps
                .into_iter()
                .zip(&keys)
                .map(|(step, keys)| Change { keys, op: step.value.map_or(Op::Remove, Op::Set) })
                .collect();
            let old = old.as_deref().unwrap_or_default();
            let edited = document::edit(format, old, &changes, self.limits)
                .map_err(|error| refused(&file, path, error))?;
            self.go_through(path, old.len() + edited.bytes.len())?;
            let value = edited.document.into_value();
            let emptied = gone && matches!(&value, Value::Object(members) if members.is_empty());
            if emptied {
                Draft { bytes: None, value: None }
            } else {
                Draft { bytes: Some(edited.bytes.into()), value: Some(value) }
            }
        };
        self.files.insert(file.clone(), draft);
        self.stale.push(file);
        Ok(())
    }
}

/// The file that holds the bytes of an entry, named like its path.
fn bytes_file(path: &Path) -> Result<Arc<str>, ServiceError> {
    match stem_for(path) {
        Some(file) if Format::of(&file) == Format::Raw => Ok(file.into()),
        _ => {
            let reason =
                "bytes need a file named like the path, and this name is that of a document or of no file";
            Err(invalid(path, reason.to_owned()))
        }
    }
}

fn add_step(by_file: &mut Planned, file: Arc<str>, step: Step) -> Result<(), ServiceError> {
    if let Some((_, steps)) = by_file.get_mut(&file) {
        steps.push(step);
        return Ok(());
    }
    let base = base_path(&file).map_err(|error| invalid(&step.path, error.to_string()))?;
    by_file.insert(file, (base, vec![step]));
    Ok(())
}

pub(super) fn invalid(path: &Path, reason: String) -> ServiceError {
    ServiceError::Invalid { path: path.clone(), reason }
}

fn conflict(file: &str, path: &Path, message: String) -> ServiceError {
    let (file, path) = (Some(file.to_owned()), Some(path.clone()));
    ServiceError::Conflict(Diagnostic { rule: Rule::Shape, file, position: None, path, message })
}

fn refused(file: &str, path: &Path, error: EditError) -> ServiceError {
    let (rule, position) = match &error {
        EditError::TooLarge { actual, limit } => {
            return ServiceError::TooLarge { path: path.clone(), actual: *actual, limit: *limit };
        }
        EditError::NotEditable { position, .. } => (Rule::Edit, Some(*position)),
        EditError::Unreadable(fault) => (Rule::Parse, Some(fault.position)),
        EditError::Absent { .. } | EditError::Shape { .. } => (Rule::Shape, None),
        EditError::CannotExpress(_) => (Rule::Edit, None),
    };
    let (file, path) = (Some(file.to_owned()), Some(path.clone()));
    ServiceError::Conflict(Diagnostic { rule, file, position, path, message: error.to_string() })
}
