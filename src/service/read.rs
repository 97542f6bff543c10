use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;

use super::ServiceError;
use super::core::Core;
use super::resolved::may_see_all;
use crate::auth::ReadGrant;
use crate::index::State;
use crate::model::{Environments, Limits, Path, Revision, Sequence, Value};
use crate::resolve::{Found, FoundEntry, Layer, Merged, Resolver, View, Withheld};
use crate::snapshot::{Entry, Refers, Snapshot, metadata_path};

/// One consistent look at a project: everything read through it is of one moment.
#[derive(Debug, Clone)]
pub struct Reading {
    state: Arc<State>,
    grant: ReadGrant,
}

/// An entry as the fast way answers it: what everybody reads who may read it.
#[derive(Debug)]
pub struct PlainRead {
    /// The value as JSON.
    pub json: Bytes,
    /// Its entity tag, without quotes.
    pub tag: String,
    /// The head of the environment's own branch; empty where it has none.
    pub revision: Bytes,
    /// The last change set.
    pub sequence: Bytes,
}

/// What an entry's description, owner and schema are, as JSON texts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct EntryDetails {
    /// What it is for.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The JSON Schema of its value.
    pub schema: Option<String>,
}

impl Core {
    /// The value at a path of an environment (the default one when none is named), without its first `/`, where that
    /// is known without work: no lock is taken, and nothing is made but the entity tag. None for everything else.
    pub fn plain_read(&self, grant: &ReadGrant, environment: Option<&str>, path: &str) -> Option<PlainRead> {
        let state = self.index.load();
        let environment = environment.unwrap_or_else(|| state.environments.default_name());
        let (view, revision, sequence) = state.view_with_texts(environment)?;
        let at = || path.parse::<Path>().ok();
        match view.find_entry(path.split('/')) {
            Some((layer, entry)) if entry.refers() == Refers::No => {
                if !grant.sees_everything() && !grant.sees(environment, &at()?) {
                    return None;
                }
                let (json, tag) = (entry.json().clone(), entry_tag(entry, layer == 0));
                Some(PlainRead { json, tag, revision, sequence })
            }
            // A value that others are part of is kept once it was read.
            _ => {
                let path = at()?;
                let body = state.resolved(environment)?.get(path.as_str())?;
                let is_seen = may_see_all(grant, environment, &path, &body);
                is_seen.then(|| PlainRead {
                    json: body.json.clone(),
                    tag: body.tag.clone(),
                    revision,
                    sequence,
                })
            }
        }
    }

    /// Looks at the present state.
    pub fn reading(&self, grant: &ReadGrant) -> Reading {
        Reading { state: self.index.snapshot(), grant: grant.clone() }
    }

    /// The last change set, and the head of an environment's own branch.
    pub fn heads(&self, environment: &str) -> (Sequence, Option<Revision>) {
        let state = self.index.load();
        (state.sequence, state.branch_of(environment).and_then(|branch| branch.head))
    }

    /// The body of an object as compact JSON, members sorted by name; built once and kept.
    pub fn object_json(&self, path: &Path, object: &Merged) -> Bytes {
        let key = (path.clone(), object.digest());
        if let Some(body) = self.bodies.0.get(&key) {
            return body;
        }
        let mut json = String::new();
        object.write_json(path.is_root(), &mut json);
        let body = Bytes::from(json.into_bytes());
        self.bodies.0.insert(key, body.clone());
        body
    }
}

impl Reading {
    /// A look at a state that the caller made: the past.
    pub(super) fn of(state: State, grant: &ReadGrant) -> Self {
        Reading { state: Arc::new(state), grant: grant.clone() }
    }

    /// The state, with what the grant does not show.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// What may be read.
    pub(super) fn grant(&self) -> &ReadGrant {
        &self.grant
    }

    /// The last change set in it.
    pub fn sequence(&self) -> Sequence {
        self.state.sequence
    }

    /// The environments.
    pub fn environments(&self) -> &Environments {
        &self.state.environments
    }

    /// The view of an environment, which shows what may be read.
    pub fn view(&self, environment: &str) -> Result<View, ServiceError> {
        let unknown = || ServiceError::unknown_environment(&self.state.environments, environment);
        let view = self.state.view(environment).ok_or_else(unknown)?;
        Ok(view.seen_by(self.grant.sight(&environment.into())))
    }

    /// That there is such an environment.
    pub fn check_environment(&self, environment: &str) -> Result<(), ServiceError> {
        self.view(environment).map(|_| ())
    }

    /// The head of an environment's own branch.
    pub fn revision(&self, environment: &str) -> Option<Revision> {
        self.state.branch_of(environment)?.head
    }

    /// What an environment shows at a path.
    pub fn find(&self, environment: &str, path: &Path) -> Result<Found, ServiceError> {
        let view = self.view(environment)?;
        view.find(path).ok_or_else(|| self.absent(environment, path))
    }

    /// The error for a path at which an environment shows nothing. Whether it may be read comes first, and depends on
    /// nothing that stands there: a refusal tells nobody whether there is something.
    pub(super) fn absent(&self, environment: &str, path: &Path) -> ServiceError {
        if !self.grant.sees(environment, path) {
            return self.grant.refusal(environment, path).into();
        }
        // What a template gives is there once it is resolved.
        let derived =
            self.view(environment).ok().filter(|view| view.is_derived_above(path)).and_then(|view| {
                match Resolver::new(&view, &Withheld, &Limits::default()).find(path).ok().flatten() {
                    Some(Found::Entry(found)) => found.template,
                    _ => None,
                }
            });
        let environment = environment.into();
        ServiceError::NotFound { path: path.clone(), environment, inherited_from: derived }
    }

    /// What the environment's own layer holds at a path, its parents left aside.
    pub fn find_in_layer(&self, environment: &str, path: &Path) -> Result<Found, ServiceError> {
        let view = self.view(environment)?;
        let own = View::new(view.own().cloned().into_iter().collect(), Default::default());
        own.seen_by(view.sight().cloned()).find(path).ok_or_else(|| {
            if !self.grant.sees(environment, path) {
                return self.grant.refusal(environment, path).into();
            }
            let inherited_from = match view.find(path) {
                Some(Found::Entry(found)) => Some(found.origin),
                _ => None,
            };
            ServiceError::NotFound { path: path.clone(), environment: environment.into(), inherited_from }
        })
    }

    /// Description, owner and schema of an entry, from the layers of the environment, nearest first.
    pub fn details(&self, environment: &str, path: &Path) -> EntryDetails {
        match (self.view(environment), metadata_path(path)) {
            (Ok(view), Ok(at)) => view.find(&at).map(|found| details_of(&found)).unwrap_or_default(),
            _ => EntryDetails::default(),
        }
    }
}

/// What describes an entry in one snapshot.
pub(super) fn details_in(snapshot: &Arc<Snapshot>, path: &Path) -> EntryDetails {
    let layer = Layer { environment: "".into(), snapshot: snapshot.clone() };
    let found = metadata_path(path).ok().and_then(|at| View::of_layer(layer).find(&at));
    found.map(|found| details_of(&found)).unwrap_or_default()
}

fn details_of(metadata: &Found) -> EntryDetails {
    let mut details = EntryDetails::default();
    let Found::Object(object) = metadata else { return details };
    for (name, member) in object.members() {
        let json = match &member {
            Found::Entry(FoundEntry { entry, .. }) => String::from_utf8_lossy(entry.json()).into_owned(),
            Found::Object(object) => {
                let mut json = String::new();
                object.write_json(false, &mut json);
                json
            }
        };
        match &*name {
            "description" => details.description = Some(json),
            "owner" => details.owner = Some(json),
            "schema" => details.schema = Some(json),
            _ => {}
        }
    }
    details
}

impl ServiceError {
    /// The error for a name that is no environment's, with those there are.
    pub(super) fn unknown_environment(environments: &Environments, name: &str) -> Self {
        let known = environments.iter().map(|environment| environment.name.to_string()).collect();
        ServiceError::UnknownEnvironment { name: name.to_owned(), known }
    }
}

/// The entity tag of what was found, without quotes: `<version>.<hash8>` for an entry of the environment's
/// own layer, the content hash for everything else.
pub fn entity_tag(found: &Found) -> String {
    match found {
        Found::Entry(found) => entry_tag(&found.entry, found.own && !found.is_joined),
        Found::Object(object) => object.digest().to_string(),
    }
}

/// The entity tag of an entry, without quotes; `own` says whether it is of the environment's own layer.
pub fn entry_tag(entry: &Entry, own: bool) -> String {
    match (own, entry.version()) {
        (true, Some(version)) => {
            let mut tag = String::with_capacity(24);
            let _ = write!(tag, "{version}.{:08x}", entry.digest().short());
            tag
        }
        _ => entry.digest().to_string(),
    }
}

/// The value that some JSON of ours says.
pub(super) fn value_of_json(json: &[u8]) -> Option<Value> {
    Value::from_json(std::str::from_utf8(json).ok()?).ok()
}
