use std::sync::Arc;

use super::entry::{encoding, raw};
use super::{batch, preview};
use crate::merge::{Conflict, Ours, Says};
use crate::model::Path;
use crate::resolve::Found;
use crate::service::{Preview, PromotionBase, PromotionConflict, PromotionPlan, Written};
use crate::snapshot::{Entry, EntryKind};
use crate::wire::{self, ConflictSide};

/// What became of a promotion.
pub fn promoted(plan: &PromotionPlan, written: &Written) -> wire::Promoted {
    let revision = written.revisions.get(&plan.to).map(ToString::to_string);
    let entries = batch(written).entries.into_iter();
    wire::Promoted {
        sequence: written.sequence.0,
        revision,
        changed: written.changed,
        proposal: written.proposal,
        entries: entries.map(|entry| wire::PathVersion { env: None, ..entry }).collect(),
        ..planned(plan)
    }
}

/// What would become of it.
pub fn promotion_preview(plan: &PromotionPlan, previewed: &Preview) -> wire::Promoted {
    wire::Promoted { changed: previewed.changed, preview: Some(preview(previewed)), ..planned(plan) }
}

fn planned(plan: &PromotionPlan) -> wire::Promoted {
    wire::Promoted {
        from: plan.from.to_string(),
        to: plan.to.to_string(),
        path: plan.path.to_string(),
        from_revision: plan.revision.map(|revision| revision.to_string()),
        base: base(&plan.base),
        sequence: plan.sequence.0,
        revision: None,
        changed: false,
        entries: Vec::new(),
        conflicts: plan.conflicts.iter().map(conflict).collect(),
        preview: None,
        proposal: None,
    }
}

fn base(base: &PromotionBase) -> wire::PromotionBase {
    let (kind, revision, env) = match base {
        PromotionBase::Promotion { revision } => ("promotion", Some(revision.to_string()), None),
        PromotionBase::Ancestor { environment } => ("ancestor", None, Some(environment.to_string())),
        PromotionBase::Nothing => ("nothing", None, None),
    };
    wire::PromotionBase { kind: kind.to_owned(), revision, env }
}

/// An entry that both sides changed, with what each of them has.
pub fn conflict(told: &PromotionConflict) -> wire::PromotionConflict {
    let Conflict { path, base, ours, theirs, .. } = &told.conflict;
    wire::PromotionConflict {
        path: path.to_string(),
        id: told.id.clone(),
        base: match base {
            Says::Hidden => has("nothing"),
            says => side_of(says),
        },
        ours: made_by(our_side(path, ours), &told.our_commit),
        theirs: made_by(side_of(theirs), &told.their_commit),
        resolved: told.is_resolved,
    }
}

pub(super) fn side_of(says: &Says) -> ConflictSide {
    match says {
        Says::Nothing => has("nothing"),
        Says::Hidden => has("tombstone"),
        Says::Value(entry) => of_entry(entry),
        Says::Unknown => has("unknown"),
    }
}

fn our_side(path: &Path, ours: &Ours) -> ConflictSide {
    match (&ours.shown, &ours.says) {
        (Some((at, found)), _) => {
            let side = match found {
                Found::Entry(found) => {
                    ConflictSide { origin: Some(found.origin.to_string()), ..of_entry(&found.entry) }
                }
                Found::Object(_) => has("object"),
            };
            ConflictSide { at: (at != path).then(|| at.to_string()), ..side }
        }
        (None, says) => side_of(says),
    }
}

fn has(what: &str) -> ConflictSide {
    ConflictSide { has: what.to_owned(), ..ConflictSide::default() }
}

fn of_entry(entry: &Entry) -> ConflictSide {
    let stamp = entry.stamp();
    let origin = stamp.map(|stamp| &stamp.origin);
    ConflictSide {
        value: Some(raw(entry.json())),
        encoding: encoding(entry.kind() == EntryKind::Bytes),
        version: stamp.map(|stamp| stamp.version.0),
        revision: origin.map(|origin| origin.revision.to_string()),
        updated_at: origin.map(|origin| origin.time.to_string()),
        updated_by: origin.map(|origin| origin.account.to_string()),
        ..has("entry")
    }
}

fn made_by(side: ConflictSide, commit: &Option<(Arc<str>, String)>) -> ConflictSide {
    let (author, message) = commit.clone().unzip();
    ConflictSide { author: author.map(|author| author.to_string()), message, ..side }
}
