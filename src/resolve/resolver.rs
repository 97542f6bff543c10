use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::expression::{Expression, Part as Piece, Reference};
use super::merged::Merged;
use super::view::View;
use super::{Found, FoundEntry, Reason, Unresolved};
use crate::document::{self, Format};
use crate::model::{Limits, Path, Value};
use crate::snapshot::{Refers, VARIABLES, metadata_path};

/// How large one resolved value may be, in bytes of JSON, unless a single written value may be larger.
pub const MOST_RESOLVED_BYTES: usize = 1 << 20;

/// How much all references of one look may come to, in bytes: a few references to references would otherwise fill
/// the memory.
const MOST_WORK_BYTES: usize = 64 << 20;

/// How many values one chain of references may lead through.
const MOST_STEPS: usize = 64;

/// How deep references, members and items may lead altogether: the stack is not endless.
const MOST_DEPTH: usize = 400;

/// How many paths that values are made of are told.
const MOST_USED: usize = 64;

/// What following one value counts beside its bytes.
const STEP_BYTES: usize = 64;

/// Where a resolver finds the values of secrets.
pub trait Secrets {
    /// The value of a secret; none when no provider has it. An answer of [`Withheld`] means that values with it are
    /// not wanted now.
    fn secret(&self, name: &str) -> Result<Option<String>, Withheld>;
}

/// Secrets are not to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withheld;

impl Secrets for Withheld {
    fn secret(&self, _: &str) -> Result<Option<String>, Withheld> {
        Err(Withheld)
    }
}

/// A value whose references have been followed.
#[derive(Clone)]
pub struct Resolved {
    /// The value. Where secrets were withheld that are part of it, it must not be shown.
    pub value: Value,
    /// The secrets that are part of it.
    pub secrets: BTreeSet<String>,
    /// Whether a variable of the server's process is part of it, so that it may be another on another machine.
    pub has_process_variable: bool,
}

impl Resolved {
    fn plain(value: Value) -> Self {
        Resolved { value, secrets: BTreeSet::new(), has_process_variable: false }
    }
}

/// Follows the references of one view, each value once. Everything that a view holds is input from outside: circles,
/// values that grow without bound and chains without end are errors.
pub struct Resolver<'a> {
    view: &'a View,
    secrets: &'a dyn Secrets,
    most_bytes: usize,
    known: HashMap<Path, Result<Resolved, Unresolved>>,
    /// The values that are being resolved, each because the one before it names it.
    chain: Vec<Frame>,
    work: usize,
    depth: usize,
    used: Option<BTreeSet<Path>>,
    pub(super) templates: HashMap<Path, Arc<[(Path, FoundEntry)]>>,
    pub(super) extending: Vec<Path>,
}

/// An entry with what it comes to, or why it comes to nothing.
pub type Visited<'a> = Result<(&'a FoundEntry, Resolved), Unresolved>;

/// A value that is being resolved, and what was met on the way.
struct Frame {
    path: Path,
    secrets: BTreeSet<String>,
    has_process_variable: bool,
}

impl<'a> Resolver<'a> {
    /// A resolver of what a view shows.
    pub fn new(view: &'a View, secrets: &'a dyn Secrets, limits: &Limits) -> Self {
        Resolver {
            view,
            secrets,
            most_bytes: MOST_RESOLVED_BYTES.max(limits.value_bytes),
            known: HashMap::new(),
            chain: Vec::new(),
            work: 0,
            depth: 0,
            used: Some(BTreeSet::new()),
            templates: HashMap::new(),
            extending: Vec::new(),
        }
    }

    /// What stands at a path once templates are merged; the references in it are not followed yet.
    pub fn find(&mut self, path: &Path) -> Result<Option<Found>, Unresolved> {
        let Some(mut at) = self.view.find(&Path::root()) else { return Ok(None) };
        let (mut here, mut is_of_view) = (Path::root(), true);
        for segment in path.segments() {
            let Found::Object(object) = at else { return Ok(None) };
            // Below here nothing is derived, and the view finds the rest of the way at once.
            if is_of_view && !object.is_derived() {
                return Ok(self.view.find(path));
            }
            let object = self.expand(object, &here)?;
            is_of_view &= !object.is_expanded();
            let Some(found) = object.member(&segment) else { return Ok(None) };
            let Ok(child) = here.child(&segment) else { return Ok(None) };
            (at, here) = (found, child);
        }
        Ok(Some(match at {
            Found::Object(object) if object.is_derived() => Found::Object(self.expand(object, path)?),
            other => other,
        }))
    }

    /// An object that was found at a path without regard to templates, merged over them.
    pub fn whole(&mut self, path: &Path, object: Merged) -> Result<Merged, Unresolved> {
        if object.is_expanded() { Ok(object) } else { self.expand(object, path) }
    }

    /// The value of an entry that was found at a path.
    pub fn entry(&mut self, path: &Path, found: &FoundEntry) -> Result<Resolved, Unresolved> {
        if !self.is_followed(path, found) {
            return Ok(Resolved::plain(found.entry.value()));
        }
        if let Some(known) = self.known.get(path).cloned() {
            let known = known.map_err(|error| self.after(error))?;
            self.note(&known);
            return Ok(known);
        }
        self.spend(STEP_BYTES, path)?;
        if self.chain.iter().any(|frame| frame.path == *path) {
            return Err(self.fail_at(path, Reason::Circle));
        }
        if self.chain.len() >= MOST_STEPS {
            return Err(self.fail_at(path, Reason::TooDeep(MOST_STEPS)));
        }
        let (secrets, has_process_variable) = (BTreeSet::new(), false);
        self.chain.push(Frame { path: path.clone(), secrets, has_process_variable });
        let value = self.value(found.entry.value(), found.template.is_some());
        let Some(frame) = self.chain.pop() else { return value.map(Resolved::plain) };
        let Frame { secrets, has_process_variable, .. } = frame;
        match value {
            Ok(value) => {
                let resolved = Resolved { value, secrets, has_process_variable };
                self.note(&resolved);
                // What nothing has referred to yet may never be asked for again.
                if !self.chain.is_empty() {
                    self.known.insert(path.clone(), Ok(resolved.clone()));
                }
                Ok(resolved)
            }
            Err(error) => {
                // Where a circle is entered, and how deep it is there, depends on who asks.
                if !matches!(error.reason, Reason::Circle | Reason::TooDeep(_)) {
                    let chain = error.chain[self.chain.len()..].to_vec();
                    self.known.insert(path.clone(), Err(Unresolved { chain, reason: error.reason.clone() }));
                }
                Err(error)
            }
        }
    }

    /// The value of an object that was found at a path, member by member in the order of names.
    pub fn object(&mut self, path: &Path, object: &Merged) -> Result<Resolved, Unresolved> {
        let (secrets, has_process_variable) = (BTreeSet::new(), false);
        self.chain.push(Frame { path: path.clone(), secrets, has_process_variable });
        let value = self.members(path, object);
        let Some(frame) = self.chain.pop() else { return value.map(Resolved::plain) };
        let Frame { secrets, has_process_variable, .. } = frame;
        let resolved = Resolved { value: value?, secrets, has_process_variable };
        self.note(&resolved);
        Ok(resolved)
    }

    fn members(&mut self, path: &Path, object: &Merged) -> Result<Value, Unresolved> {
        self.descend(path)?;
        let members = self.all_members(path, object);
        self.ascend();
        members
    }

    fn all_members(&mut self, path: &Path, object: &Merged) -> Result<Value, Unresolved> {
        let mut members = crate::model::Object::new();
        for (name, found) in object.members() {
            let Some(child) = shown_child(path, &name) else { continue };
            let value = match found {
                Found::Entry(found) => {
                    let resolved = self.entry(&child, &found)?;
                    self.spend(found.entry.json().len(), path)?;
                    resolved.value
                }
                Found::Object(inner) => {
                    let inner = if inner.is_derived() { self.expand(inner, &child)? } else { inner };
                    self.members(&child, &inner)?
                }
            };
            members.insert(name.to_string(), value);
        }
        Ok(Value::Object(members))
    }

    /// Calls `visit` with every entry below an object, in the order of paths; what cannot be resolved comes as that.
    /// Ends when `visit` answers false.
    pub fn visit(
        &mut self,
        path: &Path,
        object: &Merged,
        visit: &mut dyn FnMut(&Path, Visited<'_>) -> bool,
    ) -> bool {
        for (name, found) in object.members() {
            let Some(child) = shown_child(path, &name) else { continue };
            let goes_on = match found {
                Found::Entry(found) => match self.entry(&child, &found) {
                    Ok(resolved) => visit(&child, Ok((&found, resolved))),
                    Err(error) => visit(&child, Err(error)),
                },
                Found::Object(inner) if inner.is_derived() => match self.expand(inner, &child) {
                    Ok(inner) => self.visit(&child, &inner, visit),
                    Err(error) => visit(&child, Err(error)),
                },
                Found::Object(inner) => self.visit(&child, &inner, visit),
            };
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// Whether references in an entry are followed at all.
    pub fn is_followed(&self, path: &Path, found: &FoundEntry) -> bool {
        let mut segments = path.segments();
        let is_ours = segments.next().as_deref() == Some(".confgit");
        let of_variables = segments.next().as_deref() == Some("variables");
        match found.entry.refers() {
            Refers::No => false,
            _ if is_ours && !of_variables => false,
            _ if self.view.rules().is_as_written(path) => false,
            Refers::Document => true,
            Refers::Text => {
                let says = metadata_path(path).and_then(|at| at.child("resolve")).ok();
                // Whoever sees the text sees what it says, whether or not they see why.
                let said = says.and_then(|at| self.view.find_unseen(&at));
                matches!(said, Some(Found::Entry(said)) if said.entry.json().as_ref() == b"true")
            }
        }
    }

    fn value(&mut self, value: Value, is_of_template: bool) -> Result<Value, Unresolved> {
        if self.depth >= MOST_DEPTH {
            return Err(self.fail(Reason::TooDeep(MOST_DEPTH)));
        }
        self.depth += 1;
        let value = self.value_within(value, is_of_template);
        self.ascend();
        value
    }

    fn value_within(&mut self, value: Value, is_of_template: bool) -> Result<Value, Unresolved> {
        Ok(match value {
            Value::String(text) => self.text(text, is_of_template)?,
            Value::Array(items) => Value::Array(
                items.into_iter().map(|item| self.value(item, is_of_template)).collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => Value::Object(
                members
                    .into_iter()
                    .map(|(name, member)| Ok((name, self.value(member, is_of_template)?)))
                    .collect::<Result<_, Unresolved>>()?,
            ),
            other => other,
        })
    }

    fn text(&mut self, text: String, is_of_template: bool) -> Result<Value, Unresolved> {
        let expression = Expression::parse(&text).map_err(|error| self.fail(error.into()))?;
        if let Some(reference) = expression.whole() {
            return self.reference(reference, &text, is_of_template);
        }
        let mut resolved = String::with_capacity(text.len());
        for part in &expression.parts {
            match part {
                Piece::Text(text) => resolved.push_str(text),
                Piece::Reference(reference, written) => {
                    let value = self.reference(reference, written, is_of_template)?;
                    let reference = || (*written).to_owned();
                    let text = text_of(&value)
                        .map_err(|kind| self.fail(Reason::NoText { reference: reference(), kind }))?;
                    resolved.push_str(&text);
                }
            }
            if resolved.len() > self.most_bytes {
                return Err(self.fail(Reason::TooLarge(self.most_bytes)));
            }
        }
        Ok(Value::String(resolved))
    }

    fn reference(
        &mut self,
        reference: &Reference<'_>,
        written: &str,
        is_of_template: bool,
    ) -> Result<Value, Unresolved> {
        let value = match reference {
            Reference::Variable { name, default } => self.variable(name, *default)?,
            Reference::Path(path) => match self.find_part(path)? {
                None => return Err(self.fail(Reason::NoPath(path.clone()))),
                Some(Found::Entry(found)) => self.entry(path, &found)?.value,
                Some(Found::Object(object)) => {
                    if self.chain.iter().any(|frame| path.is_prefix_of(&frame.path)) {
                        return Err(self.fail(Reason::Circle));
                    }
                    self.object(path, &object)?.value
                }
            },
            Reference::Secret(name) => {
                if let Some(frame) = self.chain.last_mut() {
                    frame.secrets.insert((*name).to_owned());
                }
                match self.secrets.secret(name) {
                    Ok(Some(secret)) => Value::String(secret),
                    Ok(None) => return Err(self.fail(Reason::NoSecret((*name).to_owned()))),
                    Err(Withheld) => Value::String(String::new()),
                }
            }
            // Where a template is read by itself, nothing is given yet.
            Reference::With(_) if !is_of_template => Value::from(written),
            Reference::With(name) => return Err(self.fail(Reason::NoParameter((*name).to_owned()))),
        };
        self.spend_value(&value)?;
        Ok(value)
    }

    fn variable(&mut self, name: &str, default: Option<&str>) -> Result<Value, Unresolved> {
        let path = VARIABLES.parse::<Path>().and_then(|variables| variables.child(name));
        let path = path.map_err(|_| self.fail(Reason::NoVariable(name.to_owned())))?;
        self.use_path(&path);
        // Variables are there to be named: who sees a value that does sees them, unless a rule keeps them away.
        if self.view.sight().is_some_and(|sight| sight.is_kept_from(&path)) {
            return Err(self.fail(Reason::Forbidden(path)));
        }
        match self.view.find_unseen(&path) {
            Some(Found::Entry(found)) => return Ok(self.entry(&path, &found)?.value),
            Some(Found::Object(_)) => {
                let reference = format!("${{{name}}}");
                return Err(self.fail(Reason::NoText { reference, kind: "an object" }));
            }
            None => {}
        }
        if let Some(value) = self.process_variable(name) {
            if let Some(frame) = self.chain.last_mut() {
                frame.has_process_variable = true;
            }
            return Ok(Value::from(value));
        }
        match default {
            Some(text) => Ok(scalar(text)),
            None => Err(self.fail(Reason::NoVariable(name.to_owned()))),
        }
    }

    /// What stands at a path and becomes part of another value. Whoever sees that has to see all of this.
    pub(super) fn find_part(&mut self, path: &Path) -> Result<Option<Found>, Unresolved> {
        self.use_path(path);
        let found = self.find(path)?;
        let is_kept = match (&found, self.view.sight()) {
            (Some(Found::Object(object)), _) => object.is_partial(),
            (None, Some(sight)) => !sight.sees(path),
            _ => false,
        };
        // Whoever asks for the value again is not told what is hidden in its parts.
        if matches!(&found, Some(Found::Object(object)) if object.has_hidden()) {
            self.used = None;
        }
        if is_kept { Err(self.fail(Reason::Forbidden(path.clone()))) } else { Ok(found) }
    }

    fn use_path(&mut self, path: &Path) {
        if let Some(used) = self.used.as_mut()
            && used.insert(path.clone())
            && used.len() > MOST_USED
        {
            self.used = None;
        }
    }

    /// The paths that values were made of beside their own; none where they are too many to be told.
    pub fn used(&self) -> Option<&BTreeSet<Path>> {
        self.used.as_ref()
    }

    /// A variable of the process that the settings allow.
    pub(super) fn process_variable(&self, name: &str) -> Option<&'a str> {
        self.view.rules().process.get(name)?.as_deref()
    }

    pub(super) fn descend(&mut self, at: &Path) -> Result<(), Unresolved> {
        if self.depth >= MOST_DEPTH {
            return Err(self.fail_at(at, Reason::TooDeep(MOST_DEPTH)));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn ascend(&mut self) {
        self.depth -= 1;
    }

    /// An error that was met before, as it is met from here.
    fn after(&self, known: Unresolved) -> Unresolved {
        let mut failed = self.fail(known.reason);
        failed.chain.extend(known.chain);
        failed
    }

    /// What was met in a value is part of the one that names it.
    fn note(&mut self, resolved: &Resolved) {
        if let Some(frame) = self.chain.last_mut() {
            frame.secrets.extend(resolved.secrets.iter().cloned());
            frame.has_process_variable |= resolved.has_process_variable;
        }
    }

    fn spend_value(&mut self, value: &Value) -> Result<(), Unresolved> {
        let bytes = match value {
            Value::String(text) => text.len(),
            Value::Array(_) | Value::Object(_) => value.to_json().len(),
            _ => 8,
        };
        if bytes > self.most_bytes {
            return Err(self.fail(Reason::TooLarge(self.most_bytes)));
        }
        self.work += bytes;
        if self.work > MOST_WORK_BYTES { Err(self.fail(Reason::TooLarge(MOST_WORK_BYTES))) } else { Ok(()) }
    }

    pub(super) fn spend(&mut self, bytes: usize, at: &Path) -> Result<(), Unresolved> {
        self.work += bytes;
        if self.work <= MOST_WORK_BYTES {
            return Ok(());
        }
        Err(self.fail_at(at, Reason::TooLarge(MOST_WORK_BYTES)))
    }

    fn fail(&self, reason: Reason) -> Unresolved {
        Unresolved { chain: self.chain.iter().map(|frame| frame.path.clone()).collect(), reason }
    }

    /// The same of a value that is not in the chain yet.
    pub(super) fn fail_at(&self, path: &Path, reason: Reason) -> Unresolved {
        let mut failed = self.fail(reason);
        failed.chain.push(path.clone());
        failed
    }
}

/// A member of an object as it is read from above; confgit's own folder is no member of the root.
fn shown_child(path: &Path, name: &str) -> Option<Path> {
    if path.is_root() && name == ".confgit" { None } else { path.child(name).ok() }
}

/// A scalar as it stands within a text; otherwise what it is.
pub(super) fn text_of(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.as_str().to_owned()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null => Err("null"),
        Value::Array(_) => Err("a list"),
        Value::Object(_) => Err("an object"),
        Value::Bytes(_) => Err("bytes"),
    }
}

/// A default as YAML reads it: a scalar, and text where it says anything else, or nothing.
fn scalar(text: &str) -> Value {
    let read = document::read(Format::Yaml, text.as_bytes(), &Limits::default());
    match read.map(document::Document::into_value) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::String(_))) => value,
        _ => Value::from(text),
    }
}
