use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::Facet;
use super::reach::Reach;
use super::scene::{Scene, Step};
use super::timeline::differing;
use crate::model::{Limits, MergeRules, Path, Revision, Value};
use crate::resolve::{Found, FoundEntry, Resolved, Resolver, View, Withheld};
use crate::service::diff::{entries_below, outermost};
use crate::snapshot::{EntryKind, METADATA_ROOT, Refers};
use crate::watch::{Event, EventKind, Parts, Side};

/// Where the layers of each branch differ before and after a step.
pub(super) type Changed = HashMap<Arc<str>, Vec<Path>>;

/// The paths of each branch that a step changed, values and what describes them.
pub(super) fn changed_by(step: &Step) -> Changed {
    let of_branch = |moved| {
        let mut paths = Vec::new();
        differing(moved, &mut |path| {
            paths.extend(described_by(&path));
            paths.push(path);
        });
        paths
    };
    step.moved.iter().map(|moved| (moved.branch.clone(), of_branch(moved))).collect()
}

/// The entry whose version is another where this path of the metadata is: `/.confgit/keys/a/b/owner` describes `/a/b`.
fn described_by(path: &Path) -> Option<Path> {
    if !path.as_str().starts_with(METADATA_ROOT) {
        return None;
    }
    let described = path.strip_prefix(&METADATA_ROOT.parse().ok()?)?;
    let segments: Vec<_> = described.segments().collect();
    // A schema may have members of its own.
    let end = segments
        .iter()
        .skip(1)
        .position(|segment| segment == "schema")
        .map_or(segments.len() - 1, |at| at + 1);
    Path::from_segments(&segments[..end]).ok()
}

/// One look at what a step changes.
pub(super) struct Look<'a> {
    pub before: &'a Scene,
    pub after: &'a Scene,
    pub step: &'a Step,
    pub changed: &'a Changed,
    pub limits: &'a Limits,
}

impl Look<'_> {
    /// What a step is for who looks at an environment this way, in the order of paths.
    pub fn events(&self, environment: &str, facet: Facet, reach: &mut Reach) -> Vec<Event> {
        let Some(mut places) = self.changed_places(environment, facet) else { return Vec::new() };
        let view = |scene: &Scene| match scene.view(environment) {
            Some(view) if facet == Facet::Layer => view.own().cloned().map_or_else(nothing, View::of_layer),
            Some(view) => view,
            None => nothing(),
        };
        let (before, after) = (view(self.before), view(self.after));
        let is_derived = facet == Facet::Resolved && (is_derived(&before) || is_derived(&after));
        if is_derived && !places.iter().any(Path::is_root) {
            let mut reached = reach.reached(self.before, environment, &places);
            reached.extend(reach.reached(self.after, environment, &places));
            places.extend(reached);
        }
        let places = outermost(places.iter().map(|path| shown_at(path, &before, &after)).collect());
        let (mut old, mut new) = (Shown::of(&before, self.limits), Shown::of(&after, self.limits));
        let revision = self.revision_of(environment);
        let mut events = Vec::new();
        for place in &places {
            let old = if is_derived { old.resolved(place) } else { written(&before, place) };
            let new = if is_derived { new.resolved(place) } else { written(&after, place) };
            self.compare(old, new, facet, revision, &mut events);
        }
        events
    }

    /// The paths at which something of what an environment is made of changed; none where nothing did.
    fn changed_places(&self, environment: &str, facet: Facet) -> Option<Vec<Path>> {
        if self.step.environments.is_some() {
            return Some(vec![Path::root()]);
        }
        let chain = self.after.environments.chain(environment).take(match facet {
            Facet::Layer => 1,
            Facet::View | Facet::Resolved => usize::MAX,
        });
        let places: Vec<Path> =
            chain.filter_map(|link| self.changed.get(&link.branch)).flatten().cloned().collect();
        (!places.is_empty()).then_some(places)
    }

    /// The commit that the step brought to the nearest of an environment's branches that it moved.
    fn revision_of(&self, environment: &str) -> Option<Revision> {
        let mut chain = self.after.environments.chain(environment);
        chain.find_map(|link| self.step.moved.iter().find(|moved| moved.branch == link.branch)?.after.head)
    }

    fn compare(
        &self,
        old: Vec<Line>,
        new: Vec<Line>,
        facet: Facet,
        revision: Option<Revision>,
        events: &mut Vec<Event>,
    ) {
        let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.path.cmp(&new.path),
            };
            let before = if order.is_le() { old.next() } else { None };
            let after = if order.is_ge() { new.next() } else { None };
            if let (Some(before), Some(after)) = (&before, &after)
                && before.is_like(after, facet)
            {
                continue;
            }
            events.extend(self.event(before, after, revision));
        }
    }

    fn event(&self, before: Option<Line>, after: Option<Line>, revision: Option<Revision>) -> Option<Event> {
        let shown = after.as_ref().or(before.as_ref())?;
        let stamp = after.as_ref().and_then(|line| line.found.entry.stamp());
        let of_step = self.step.updated.clone();
        let of_entry = || stamp.map(|stamp| (stamp.origin.time, stamp.origin.account.clone()));
        // A version that this step made names its commit; a value that only came to light does not.
        let made_here = stamp.filter(|stamp| stamp.origin.sequence == self.step.sequence);
        let revision = made_here.map(|stamp| stamp.origin.revision).or(revision);
        let is_secret = |line: &Option<Line>| line.as_ref().is_some_and(|line| line.is_secret);
        let made_of = match (
            before.as_ref().and_then(|line| line.made_of.clone()),
            after.as_ref().and_then(|line| line.made_of.clone()),
        ) {
            (None, None) => None,
            (Some(Parts::More), _) | (_, Some(Parts::More)) => Some(Parts::More),
            (Some(Parts::Known(old)), Some(Parts::Known(new))) => {
                Some(Parts::Known(old.into_iter().chain(new).collect()))
            }
            (one, other) => one.or(other),
        };
        Some(Event {
            kind: if after.is_some() { EventKind::Update } else { EventKind::Delete },
            path: shown.path.clone(),
            origin: shown.found.origin.clone(),
            revision,
            updated: of_step.or_else(of_entry),
            secret_changed: is_secret(&before) || is_secret(&after),
            is_unresolvable: after.as_ref().is_some_and(|line| line.is_unresolvable),
            made_of,
            new: after.map(Line::into_side),
            old: before.map(Line::into_side),
        })
    }
}

/// A view that shows nothing.
fn nothing() -> View {
    View::new(Vec::new(), Arc::default())
}

fn is_derived(view: &View) -> bool {
    view.layers().iter().any(|layer| layer.snapshot.root().is_derived())
}

/// Where to look for what a change at a path makes of a view: there, or further up, where a value hides what is below
/// it, or an object all that parents have.
fn shown_at(path: &Path, before: &View, after: &View) -> Path {
    let replaces = |at: &Path| {
        let rules: [&MergeRules; 2] = [&before.rules().merge, &after.rules().merge];
        rules.iter().any(|rules| rules.has_replacing() && rules.replaces(at))
    };
    let mut place = path.clone();
    let mut at = path.parent();
    while let Some(above) = at {
        let is_entry = |view: &View| matches!(view.find(&above), Some(Found::Entry(_)));
        if replaces(&above) || is_entry(before) || is_entry(after) {
            place = above.clone();
        }
        at = above.parent();
    }
    if replaces(path) { path.clone().min(place) } else { place }
}

/// A value as somebody sees it.
pub(super) struct Line {
    pub path: Path,
    pub found: FoundEntry,
    json: Option<Bytes>,
    is_bytes: bool,
    is_secret: bool,
    is_unresolvable: bool,
    made_of: Option<Parts>,
}

impl Line {
    fn of_written(path: Path, found: FoundEntry) -> Self {
        let (json, is_bytes) = (Some(found.entry.json().clone()), found.entry.kind() == EntryKind::Bytes);
        Line { path, found, json, is_bytes, is_secret: false, is_unresolvable: false, made_of: None }
    }

    /// Whether somebody who saw the one sees nothing new in the other.
    fn is_like(&self, other: &Line, facet: Facet) -> bool {
        let shows = |line: &Line| (line.is_bytes, line.is_secret, line.is_unresolvable);
        let is_same = self.json == other.json && shows(self) == shows(other);
        // What holds a secret is compared as it is written: its value is not known here.
        let is_same_secret = !self.is_secret || self.found.entry.same_value(&other.found.entry);
        let is_same_version = facet == Facet::Resolved
            || (self.found.entry.version() == other.found.entry.version()
                && self.found.origin == other.found.origin);
        is_same && is_same_secret && is_same_version
    }

    fn into_side(self) -> Side {
        Side { json: self.json, is_bytes: self.is_bytes, version: self.found.entry.version() }
    }

    /// The value as it is now, for who begins to watch.
    pub fn into_initial(self) -> Event {
        let stamp = self.found.entry.stamp();
        Event {
            kind: EventKind::Initial,
            path: self.path.clone(),
            origin: self.found.origin.clone(),
            revision: stamp.map(|stamp| stamp.origin.revision),
            updated: stamp.map(|stamp| (stamp.origin.time, stamp.origin.account.clone())),
            secret_changed: self.is_secret,
            is_unresolvable: self.is_unresolvable,
            made_of: self.made_of.clone(),
            new: Some(self.into_side()),
            old: None,
        }
    }
}

/// The entries at or below a place, as they are written.
fn written(view: &View, place: &Path) -> Vec<Line> {
    entries_below(view, place).into_iter().map(|(path, found)| Line::of_written(path, found)).collect()
}

/// What a view comes to.
pub(super) struct Shown<'a> {
    view: &'a View,
    limits: &'a Limits,
    resolver: Resolver<'a>,
}

impl<'a> Shown<'a> {
    pub fn of(view: &'a View, limits: &'a Limits) -> Self {
        Shown { view, limits, resolver: Resolver::new(view, &Withheld, limits) }
    }

    /// The entries at or below a place, as services read them.
    pub fn resolved(&mut self, place: &Path) -> Vec<Line> {
        let found = match self.resolver.find(place) {
            Ok(Some(found)) => found,
            // What a template breaks is what is written, which cannot be resolved.
            Err(_) => return written(self.view, place).into_iter().map(unresolvable).collect(),
            Ok(None) => return Vec::new(),
        };
        let mut lines = Vec::new();
        match found {
            Found::Entry(entry) => lines.push((place.clone(), entry)),
            Found::Object(object) => match self.resolver.whole(place, object) {
                Ok(whole) => {
                    let view = self.view;
                    self.resolver.visit(place, &whole, &mut |path, visited| {
                        if let Ok((found, _)) = visited {
                            lines.push((path.clone(), found.clone()));
                        } else if let Some(Found::Entry(found)) = view.find(path) {
                            lines.push((path.clone(), found));
                        }
                        true
                    });
                }
                Err(_) => return written(self.view, place).into_iter().map(unresolvable).collect(),
            },
        }
        lines.into_iter().map(|(path, found)| self.line(path, found)).collect()
    }

    fn line(&self, path: Path, found: FoundEntry) -> Line {
        // One of its own, so that it tells what this value is made of: the templates on the way to it, too.
        let mut resolver = Resolver::new(self.view, &Withheld, self.limits);
        let is_derived = found.template.is_some() || self.view.is_derived_above(&path);
        let found = match is_derived.then(|| resolver.find(&path)) {
            Some(Ok(Some(Found::Entry(found)))) => found,
            _ => found,
        };
        if found.entry.refers() == Refers::No {
            return Line { made_of: parts_of(&resolver), ..Line::of_written(path, found) };
        }
        match resolver.entry(&path, &found) {
            Err(_) => unresolvable(Line::of_written(path, found)),
            Ok(Resolved { value, secrets, .. }) => {
                let made_of = parts_of(&resolver);
                let is_secret = !secrets.is_empty();
                let is_bytes = matches!(value, Value::Bytes(_));
                let json = (!is_secret).then(|| Bytes::from(value.to_json().into_bytes()));
                Line { path, found, json, is_bytes, is_secret, is_unresolvable: false, made_of }
            }
        }
    }
}

/// What a resolver met on the way to a value.
fn parts_of(resolver: &Resolver<'_>) -> Option<Parts> {
    match resolver.used() {
        None => Some(Parts::More),
        Some(used) if used.is_empty() => None,
        Some(used) => Some(Parts::Known(used.iter().cloned().collect())),
    }
}

/// A value as it is written, for who begins to watch.
pub(super) fn initial(path: Path, found: FoundEntry) -> Event {
    Line::of_written(path, found).into_initial()
}

fn unresolvable(line: Line) -> Line {
    Line { json: None, is_unresolvable: true, ..line }
}
