use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::committer::{Edit, EditOp, Precondition, PromotedEntry, Promotion, Write, Written};
use super::core::Core;
use super::page::PageRoom;
use super::promotion_base::{Bases, PromotionBase};
use super::{Preview, Project, Reading, ServiceError, entity_tag};
use crate::auth::{ReadGrant, WriteGrant};
use crate::document::Format;
use crate::git::Reader;
use crate::merge::{Conflict, Ours, Says, Sides, merge};
use crate::model::{Diagnostic, Path, Revision, Rule, Sequence, Value};
use crate::resolve::{Found, View};
use crate::snapshot::{Entry, EntryKind, Node, Snapshot};

/// How often a promotion is worked out anew because what it was worked out on changed meanwhile.
const MOST_ATTEMPTS: usize = 8;

/// What is to be promoted: what the layer of one environment says comes over to that of another.
#[derive(Debug, Clone)]
pub struct AskedPromotion {
    /// The environment that is promoted.
    pub from: Arc<str>,
    /// The environment whose layer is written.
    pub to: Arc<str>,
    /// What is at or below this path comes over.
    pub path: Path,
    /// Which side counts where both changed an entry, unless a resolution says it; none where that is to be asked.
    pub take: Option<Take>,
    /// What becomes of single conflicts.
    pub resolutions: BTreeMap<Path, Resolution>,
}

/// How many conflicts are listed.
const MOST_LISTED: usize = 1_000;

/// Whom Git names as the author of a commit, and what that says.
pub type MadeBy = Option<(Arc<str>, String)>;

/// One of two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// The environment that is written.
    Ours,
    /// The environment that is promoted.
    Theirs,
}

/// What becomes of a conflict.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// The conflict's id: where both sides are others by now, it is no resolution of it.
    pub id: Option<String>,
    /// The choice.
    pub choice: Choice,
}

/// What an entry with a conflict is to be.
#[derive(Debug, Clone)]
pub enum Choice {
    /// As one side has it.
    Take(Take),
    /// Another value.
    Value(Value),
    /// Nothing of the layer: what is inherited shows.
    Delete,
}

/// What a promotion comes to.
#[derive(Debug)]
pub struct PromotionPlan {
    /// The environment that is promoted.
    pub from: Arc<str>,
    /// The environment whose layer is written.
    pub to: Arc<str>,
    /// The path.
    pub path: Path,
    /// The last change set that was seen.
    pub sequence: Sequence,
    /// The head of the branch that is promoted; none where it has no commit.
    pub revision: Option<Revision>,
    /// Since when both sides are compared.
    pub base: PromotionBase,
    /// What comes over, in the order of paths.
    pub entries: Vec<PromotedEntry>,
    /// Where both sides changed, in the order of paths: the first 1,000, and no more than 16 MiB of values.
    pub conflicts: Vec<PromotionConflict>,
    /// How many conflicts there are for which it is not decided what becomes of them, listed or not.
    pub open: usize,
    /// Whether there were conflicts.
    had_conflicts: bool,
}

/// An entry that both sides changed, each in its way.
#[derive(Debug)]
pub struct PromotionConflict {
    /// What it was, and what both sides have.
    pub conflict: Conflict,
    /// Tells this conflict from another one at the same path.
    pub id: String,
    /// Whom Git names as the author of our side, and what the commit says.
    pub our_commit: MadeBy,
    /// The same of theirs.
    pub their_commit: MadeBy,
    /// Whether it is decided what becomes of it.
    pub is_resolved: bool,
}

/// A promotion that was made, or that was not because of conflicts.
#[derive(Debug)]
pub struct Promoted {
    /// What it comes to.
    pub plan: PromotionPlan,
    /// What became of it; none where conflicts are left.
    pub written: Option<Written>,
}

impl PromotionPlan {
    /// The conflicts that are listed for which it is not decided what becomes of them.
    pub fn undecided(&self) -> impl Iterator<Item = &PromotionConflict> {
        self.conflicts.iter().filter(|conflict| !conflict.is_resolved)
    }

    /// The edits that make it: none where nothing comes over.
    fn edits(&self) -> Vec<Edit> {
        let is_decided = self.had_conflicts;
        let Some(revision) = self.revision.filter(|_| is_decided || !self.entries.is_empty()) else {
            return Vec::new();
        };
        let promotion =
            Promotion { from: self.from.clone(), revision, entries: self.entries.clone(), is_decided };
        vec![Edit {
            environment: self.to.clone(),
            path: self.path.clone(),
            layer_only: true,
            op: EditOp::Promote(Box::new(promotion)),
            precondition: Precondition::None,
        }]
    }
}

impl Core {
    fn plan_promotion(
        &self,
        reading: &Reading,
        asked: &AskedPromotion,
    ) -> Result<PromotionPlan, ServiceError> {
        let AskedPromotion { from, to, path, .. } = asked;
        let (from_view, to_view) = (reading.view(from)?, reading.view(to)?);
        check_pair(reading, asked)?;
        self.require_history()?;
        // Everything is compared, and what is compared is told.
        for (environment, view) in [(from, &from_view), (to, &to_view)] {
            let at = view.own().and_then(|layer| layer.snapshot.find(path));
            let has_hidden = matches!(at, Some(Node::Object(object)) if object.has_hidden());
            reading.grant().demand_all(environment, path, has_hidden)?;
        }
        let reader = self.repository.reader();
        let none = Arc::default();
        let layer = |view: &View| view.own().map(|layer| layer.snapshot.clone());
        let (theirs, own) =
            (layer(&from_view).unwrap_or_else(|| Arc::clone(&none)), layer(&to_view).unwrap_or(none));
        check_way(&theirs, asked)?;
        let bases = Bases::find(self, &reader, reading, (from, to), path)?;
        let sides = PromotionSides { bases: &bases, theirs: &theirs, own: &own, ours: &to_view };
        let merged = merge(&bases.candidates(&theirs), &sides);
        let mut entries: Vec<PromotedEntry> =
            merged.taken.iter().map(|(path, says)| promoted(path, says, &to_view)).collect();
        let had_conflicts = !merged.conflicts.is_empty();
        let (mut conflicts, mut open, mut kept, mut room) =
            (Vec::new(), 0, BTreeSet::new(), PageRoom::default());
        let mut resolutions: BTreeMap<&Path, &Resolution> = asked.resolutions.iter().collect();
        for conflict in merged.conflicts {
            let id = id_of(&conflict);
            let choice = match resolutions.remove(&conflict.path) {
                Some(resolution) if resolution.id.as_ref().is_none_or(|given| *given == id) => {
                    Some(resolution.choice.clone())
                }
                Some(_) => None,
                None => asked.take.map(Choice::Take),
            };
            let is_resolved = choice.is_some();
            open += usize::from(!is_resolved);
            match &choice {
                Some(Choice::Take(Take::Ours)) | Some(Choice::Value(_)) => {
                    kept.insert(conflict.path.clone());
                }
                _ => {}
            }
            if let Some(choice) = choice {
                entries.extend(chosen(&conflict, choice, &to_view));
            }
            if conflicts.len() < MOST_LISTED && room.takes(bytes_of(&conflict)) {
                let (our_commit, their_commit) = self.commits_of(reading.grant(), &reader, &conflict)?;
                conflicts.push(PromotionConflict { conflict, id, our_commit, their_commit, is_resolved });
            }
        }
        if let Some(path) = resolutions.into_keys().next() {
            let message =
                format!("is in no conflict between {from} and {to} any more; leave its resolution out");
            return Err(ServiceError::Conflict(Diagnostic {
                rule: Rule::Shape,
                file: None,
                position: None,
                path: Some(path.clone()),
                message,
            }));
        }
        // What is decided to stay cannot make room for something else.
        if let Some(entry) = entries.iter().find(|entry| entry.value.is_none() && kept.contains(&entry.path))
        {
            let reason =
                "what stands here is to stay, and another decision puts a value below it; decide both alike";
            return Err(ServiceError::Invalid { path: entry.path.clone(), reason: reason.to_owned() });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.dedup_by(|a, b| a.path == b.path);
        Ok(PromotionPlan {
            from: from.clone(),
            to: to.clone(),
            path: path.clone(),
            sequence: reading.state().sequence,
            revision: reading.revision(from),
            base: bases.told(),
            entries,
            conflicts,
            open,
            had_conflicts,
        })
    }

    /// Who made each side.
    fn commits_of(
        &self,
        grant: &ReadGrant,
        reader: &Reader,
        conflict: &Conflict,
    ) -> Result<(MadeBy, MadeBy), ServiceError> {
        let made_by = |entry: Option<&Arc<Entry>>| match entry {
            Some(entry) => self.made_by(grant, reader, entry),
            None => Ok(None),
        };
        let ours = match &conflict.ours.shown {
            Some((_, Found::Entry(found))) => Some(&found.entry),
            _ => None,
        };
        Ok((made_by(ours)?, made_by(conflict.theirs.entry())?))
    }
}

impl Project {
    /// What a promotion comes to, and what every environment would show after it. Blocks.
    pub fn preview_promotion(
        &self,
        grant: &ReadGrant,
        asked: &AskedPromotion,
    ) -> Result<(PromotionPlan, Preview), ServiceError> {
        self.take_in_pushes()?;
        let core = self.core();
        let reading = core.reading(grant);
        let plan = core.plan_promotion(&reading, asked)?;
        let preview = core.preview(&reading, &plan.edits())?;
        Ok((plan, preview))
    }

    /// Promotes, and waits until it is durable. What was worked out is worked out again where somebody was quicker.
    /// Blocks.
    pub fn promote(
        &self,
        (read, write): (&ReadGrant, &WriteGrant),
        asked: &AskedPromotion,
        (message, request_id): (Option<String>, Option<String>),
    ) -> Result<Promoted, ServiceError> {
        for _ in 0..MOST_ATTEMPTS {
            self.take_in_pushes()?;
            let plan = self.core().plan_promotion(&self.core().reading(read), asked)?;
            if plan.open > 0 {
                return Ok(Promoted { plan, written: None });
            }
            let edits = plan.edits();
            if edits.is_empty() {
                let revisions = self.core().reading(read).revision(&asked.to);
                let revisions = revisions.map(|revision| (asked.to.clone(), revision)).into_iter().collect();
                let written = Written {
                    sequence: plan.sequence,
                    revisions,
                    changed: false,
                    edits: Vec::new(),
                    proposal: None,
                };
                return Ok(Promoted { plan, written: Some(written) });
            }
            let write = Write {
                grant: write.clone(),
                message: message.clone(),
                request_id: request_id.clone(),
                edits,
            };
            match self.write_blocking(write) {
                // Somebody was quicker.
                Err(ServiceError::PreconditionFailed(_)) => {}
                written => return Ok(Promoted { plan, written: Some(written?) }),
            }
        }
        Err(ServiceError::Busy)
    }
}

/// One environment is promoted to another, and not to one that shows it anyway.
fn check_pair(reading: &Reading, asked: &AskedPromotion) -> Result<(), ServiceError> {
    let AskedPromotion { from, to, path, .. } = asked;
    let invalid = |reason: String| Err(ServiceError::Invalid { path: path.clone(), reason });
    if from == to {
        return invalid(format!("{from} cannot be promoted to itself; name two environments"));
    }
    if reading.revision(from).is_none() {
        return invalid(format!("the branch of {from} has no commit, so there is nothing to promote"));
    }
    if reading.environments().chain(to).any(|link| link.name == *from) {
        return invalid(format!(
            "{to} inherits from {from} and shows all that it does not override itself; to give an override up, delete \
             it in {to}"
        ));
    }
    Ok(())
}

/// What is promoted must be there to be read: no value, and nothing hidden, stands above it.
fn check_way(theirs: &Snapshot, asked: &AskedPromotion) -> Result<(), ServiceError> {
    let mut above = std::iter::successors(asked.path.parent(), Path::parent);
    let Some(at) = above.find(|at| theirs.entry(at).is_some()) else { return Ok(()) };
    let reason =
        format!("{} has a value, or null, at {at}, so that nothing is below it; promote {at}", asked.from);
    Err(ServiceError::Invalid { path: asked.path.clone(), reason })
}

/// The sides of a promotion.
struct PromotionSides<'a> {
    bases: &'a Bases,
    theirs: &'a Snapshot,
    own: &'a Snapshot,
    ours: &'a View,
}

impl Sides for PromotionSides<'_> {
    fn base(&self, path: &Path, own: &Says) -> Says {
        self.bases.says(path, own)
    }

    fn theirs(&self, path: &Path) -> Says {
        Says::of(self.theirs, path)
    }

    fn ours(&self, path: &Path) -> Ours {
        let says = Says::of(self.own, path);
        let is_compared = !matches!(says, Says::Nothing) || !self.bases.is_joined(path);
        let shown = self.ours.find(path).filter(|_| is_compared).map(|found| (path.clone(), found));
        Ours { says, shown }
    }

    fn own(&self) -> &Snapshot {
        self.own
    }
}

fn seen(view: &View, path: &Path) -> Option<String> {
    view.find(path).map(|found| entity_tag(&found))
}

fn promoted(path: &Path, says: &Says, view: &View) -> PromotedEntry {
    promoted_entry(path, says, seen(view, path))
}

/// An entry that comes to be what a layer says, in the file that suits it.
pub(super) fn promoted_entry(path: &Path, says: &Says, seen: Option<String>) -> PromotedEntry {
    let (value, as_text) = match says {
        Says::Nothing | Says::Unknown => (None, false),
        Says::Hidden => (Some(Value::Null), false),
        Says::Value(entry) => {
            match (entry.value(), Format::of(entry.file())) {
                // A file that is kept by its whole name keeps it.
                (Value::String(text), Format::Raw) => (Some(Value::Bytes(text.into_bytes())), false),
                (value, format) => (Some(value), entry.kind() == EntryKind::Text && !format.is_structured()),
            }
        }
    };
    PromotedEntry { path: path.clone(), value, as_text, seen }
}

/// What a choice comes to: nothing where it stays as it is.
fn chosen(conflict: &Conflict, choice: Choice, view: &View) -> Vec<PromotedEntry> {
    let path = &conflict.path;
    let chosen = match choice {
        Choice::Take(Take::Ours) => return Vec::new(),
        Choice::Take(Take::Theirs) => promoted(path, &conflict.theirs, view),
        Choice::Delete => promoted(path, &Says::Nothing, view),
        Choice::Value(value) => {
            PromotedEntry { path: path.clone(), value: Some(value), as_text: false, seen: seen(view, path) }
        }
    };
    // What stands above it, or is hidden there, goes.
    let above = conflict.in_the_way.iter().filter(|above| *above != path && chosen.value.is_some());
    let mut all: Vec<PromotedEntry> = above.map(|above| promoted(above, &Says::Nothing, view)).collect();
    all.push(chosen);
    all
}

/// How much the values of a conflict are.
fn bytes_of(conflict: &Conflict) -> usize {
    let ours = match &conflict.ours.shown {
        Some((_, Found::Entry(found))) => found.entry.json().len(),
        _ => 0,
    };
    let others = [&conflict.base, &conflict.theirs].into_iter().filter_map(|says| says.entry());
    ours + others.map(|entry| entry.json().len()).sum::<usize>()
}

/// Tells a conflict from another one at the same path.
pub(super) fn id_of(conflict: &Conflict) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    add(conflict.path.as_str().as_bytes());
    for says in [&conflict.base, &conflict.theirs, &conflict.ours.says] {
        match says {
            Says::Nothing => add(b"nothing"),
            Says::Hidden => add(b"hidden"),
            Says::Unknown => add(b"unknown"),
            Says::Value(entry) => add(&[&[entry.kind() as u8], &entry.json()[..]].concat()),
        }
    }
    match &conflict.ours.shown {
        None => add(b""),
        Some((at, found)) => add(format!("{at} {}", entity_tag(found)).as_bytes()),
    }
    hash.finalize()[..8].iter().fold(String::with_capacity(16), |mut id, byte| {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}
