use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::committer::{Edit, TriedEnvironment, try_out};
use super::core::Core;
use super::diff::{EntryChange, compare, entries_below, outermost};
use super::page::PageRoom;
use super::{Reading, ServiceError};
use crate::auth::{ReadGrant, Refused};
use crate::model::{Limits, Path, Sequence};
use crate::resolve::{Found, Resolver, View, Withheld};
use crate::validation::Finding;

/// How many changes of one environment, and how many values that change with them, are listed.
const MOST_LISTED: usize = 1_000;

/// How many values that may change with others are worked out to see whether they do.
const MOST_WORKED_OUT: usize = 1_000;

/// What a write would come to.
#[derive(Debug)]
pub struct Preview {
    /// The last change set before it.
    pub sequence: Sequence,
    /// Whether anything would change at all.
    pub changed: bool,
    /// Every environment that would show something else.
    pub environments: Vec<PreviewedEnvironment>,
    /// What would be wrong then and is not yet: with any of it the write is refused.
    pub findings: Vec<Finding>,
    /// Why whoever asks may not make the write, where that is so.
    pub forbidden: Option<Box<Refused>>,
    /// Why it becomes a proposal, where others have to agree first.
    pub needs_approval: Option<String>,
}

/// What one environment would show.
#[derive(Debug)]
pub struct PreviewedEnvironment {
    /// The environment.
    pub environment: Arc<str>,
    /// How many entries would be others.
    pub entries: usize,
    /// They, as they are written: the first so many in the order of their paths.
    pub changes: Vec<EntryChange>,
    /// Where what services read would be another though nothing is written there, because of references and templates.
    pub through: Vec<Path>,
    /// Whether not all of it is listed.
    pub is_cut: bool,
}

impl Core {
    /// What edits would come to, of which nothing is made. Where they cannot be made at all, the error that the write
    /// would get. Blocks.
    pub fn preview(&self, reading: &Reading, edits: &[Edit]) -> Result<Preview, ServiceError> {
        self.require_history()?;
        let (state, grant) = (reading.state(), reading.grant());
        let trial = try_out(self, state, &grant.as_writer(), edits)?;
        Ok(Preview {
            sequence: state.sequence,
            changed: trial.changed,
            environments: previewed_all(grant, &trial.environments, &self.limits()),
            findings: trial.findings,
            forbidden: trial.forbidden,
            needs_approval: (!trial.needs.is_empty())
                .then(|| ServiceError::NeedsApproval { needs: trial.needs }.to_string()),
        })
    }
}

/// What somebody sees of environments that would show something else.
pub(super) fn previewed_all(
    grant: &ReadGrant,
    tried: &[TriedEnvironment],
    limits: &Limits,
) -> Vec<PreviewedEnvironment> {
    let mut room = PageRoom::default();
    let environments = tried.iter().map(|tried| previewed(grant, tried, limits, &mut room));
    environments.filter(|environment| environment.entries > 0 || !environment.through.is_empty()).collect()
}

fn previewed(
    grant: &ReadGrant,
    tried: &TriedEnvironment,
    limits: &Limits,
    room: &mut PageRoom,
) -> PreviewedEnvironment {
    let seen = |view: &View| view.seen_by(grant.sight(&tried.name));
    let (before, after) = (&seen(&tried.before), &seen(&tried.after));
    let places = places_of(&tried.changed, [before, after]);
    let (mut changes, mut entries, mut is_cut) = (Vec::new(), 0, false);
    for place in outermost(places) {
        let mut found = Vec::new();
        compare(entries_below(before, &place), entries_below(after, &place), &mut found);
        entries += found.len();
        for change in found {
            is_cut = is_cut || changes.len() == MOST_LISTED || !room.takes(change.bytes());
            if !is_cut {
                changes.push(change);
            }
        }
    }
    let written: BTreeSet<&Path> = tried.changed.iter().collect();
    let mut through: Vec<Path> = Vec::new();
    let (mut old, mut new) =
        (Resolver::new(before, &Withheld, limits), Resolver::new(after, &Withheld, limits));
    let is_seen = |path: &Path| grant.sees_everything() || grant.sees(&tried.name, path);
    let others = tried.reached.iter().filter(|path| !written.contains(path) && is_seen(path));
    for (count, path) in others.enumerate() {
        if count == MOST_WORKED_OUT || through.len() == MOST_LISTED {
            is_cut = true;
            break;
        }
        // Those that need a secret have the same secret before and after.
        if finished(&mut old, path) != finished(&mut new, path) {
            through.push(path.clone());
        }
    }
    PreviewedEnvironment { environment: tried.name.clone(), entries, changes, through, is_cut }
}

/// Where changes of layers can be seen: each at its path, or where a value stands above it on one of both sides.
fn places_of(changed: &[Path], views: [&View; 2]) -> Vec<Path> {
    // Thousands of paths have few others above them.
    let mut known: HashMap<Path, bool> = HashMap::new();
    let mut is_entry = |at: &Path| {
        if let Some(known) = known.get(at) {
            return *known;
        }
        let found = views.iter().any(|view| matches!(view.find(at), Some(Found::Entry(_))));
        known.insert(at.clone(), found);
        found
    };
    let mut place = |path: &Path| {
        let above = std::iter::successors(path.parent(), Path::parent).filter(|at| is_entry(at)).last();
        above.unwrap_or_else(|| path.clone())
    };
    changed.iter().map(&mut place).collect()
}

/// What services read at a path, as far as it is known without secrets; none where it cannot be resolved.
fn finished(resolver: &mut Resolver<'_>, path: &Path) -> Option<Option<(String, BTreeSet<String>)>> {
    let Some(found) = resolver.find(path).ok()? else { return Some(None) };
    let resolved = match &found {
        Found::Entry(entry) => resolver.entry(path, entry),
        Found::Object(object) => {
            let whole = resolver.whole(path, object.clone()).ok()?;
            resolver.object(path, &whole)
        }
    };
    let resolved = resolved.ok()?;
    Some(Some((resolved.value.to_json(), resolved.secrets)))
}
