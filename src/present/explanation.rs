use std::collections::BTreeSet;

use super::entry::{encoding, raw};
use crate::model::Value;
use crate::resolve::{Followed, Found, Has, Leads, Outcome};
use crate::service::{ExplainedLayer, Explanation, Finished};
use crate::snapshot::{Entry, EntryKind};
use crate::wire::{self, Json};

/// Why an environment shows what it shows at a path.
pub fn explanation(explained: &Explanation) -> wire::Explanation {
    let entry = match &explained.found {
        Some(Found::Entry(found)) => Some(found),
        _ => None,
    };
    let (value, encoding) = entry.map(|found| value_of(&found.entry)).unwrap_or_default();
    let (mut resolved, mut secrets, mut unresolved) = (None, BTreeSet::new(), None);
    match &explained.finished {
        None => {}
        Some(Finished::Value(value)) => resolved = Some(raw(value.to_json().as_bytes())),
        Some(Finished::Withheld(names)) => secrets = names.clone(),
        Some(Finished::Unresolved(reason)) => unresolved = Some(reason.clone()),
    }
    wire::Explanation {
        path: explained.path.to_string(),
        env: explained.environment.to_string(),
        kind: match explained.found {
            None => "nothing",
            Some(Found::Entry(_)) => "entry",
            Some(Found::Object(_)) => "object",
        }
        .to_owned(),
        value,
        encoding,
        origin: entry.map(|found| found.origin.to_string()),
        resolved,
        secrets: secrets.into_iter().collect(),
        unresolved,
        references: explained.references.iter().map(reference).collect(),
        layers: explained.layers.iter().map(layer).collect(),
    }
}

fn reference(followed: &Followed) -> wire::ExplainedReference {
    let mut told = wire::ExplainedReference {
        of: followed.of.to_string(),
        reference: followed.written.clone(),
        leads_to: match &followed.leads {
            Leads::Value { found: Found::Entry(_), .. } => "entry",
            Leads::Value { found: Found::Object(_), .. } => "object",
            Leads::Process => "process",
            Leads::Default(_) => "default",
            Leads::Secret(_) => "secret",
            Leads::Parameter => "parameter",
            Leads::Nothing => "nothing",
        }
        .to_owned(),
        path: None,
        origin: None,
        value: None,
        secret: None,
    };
    match &followed.leads {
        Leads::Value { path, found } => {
            told.path = Some(path.to_string());
            if let Found::Entry(entry) = found {
                told.origin = Some(entry.origin.to_string());
                told.value = Some(raw(entry.entry.json()));
            }
        }
        Leads::Default(text) => told.value = Some(raw(Value::from(text.as_str()).to_json().as_bytes())),
        Leads::Secret(name) => told.secret = Some(name.clone()),
        Leads::Process | Leads::Parameter | Leads::Nothing => {}
    }
    told
}

fn value_of(entry: &Entry) -> (Option<Json>, Option<String>) {
    (Some(raw(entry.json())), encoding(entry.kind() == EntryKind::Bytes))
}

fn layer(explained: &ExplainedLayer) -> wire::ExplainedLayer {
    let candidate = &explained.candidate;
    let entry = candidate.has.entry();
    let stamp = entry.and_then(|entry| entry.stamp());
    let origin = stamp.map(|stamp| &stamp.origin);
    let (value, encoding) = match &candidate.has {
        Has::Entry(entry) => value_of(entry),
        _ => (None, None),
    };
    let (author, message) = explained.commit.clone().unzip();
    wire::ExplainedLayer {
        env: candidate.environment.to_string(),
        branch: explained.branch.to_string(),
        has: match candidate.has {
            Has::Nothing => "nothing",
            Has::Entry(_) => "entry",
            Has::Tombstone { .. } => "tombstone",
            Has::ValueAbove { .. } => "value-above",
            Has::Object(_) => "object",
        }
        .to_owned(),
        outcome: match candidate.outcome {
            Outcome::Shown => "shown",
            Outcome::Joined => "joined",
            Outcome::Hides => "hides",
            Outcome::Hidden => "hidden",
            Outcome::Passed => "passed",
        }
        .to_owned(),
        reason: reason(&candidate.has, candidate.outcome),
        at: match &candidate.has {
            Has::Tombstone { at, .. } | Has::ValueAbove { at, .. } => Some(at.to_string()),
            _ => None,
        },
        value,
        encoding,
        entries: explained.entries,
        file: entry.map(|entry| entry.file().to_string()),
        line: explained.position.map(|position| position.line),
        column: explained.position.map(|position| position.column),
        version: stamp.map(|stamp| stamp.version.0),
        revision: origin.map(|origin| origin.revision.to_string()),
        sequence: origin.map(|origin| origin.sequence.0),
        updated_at: origin.map(|origin| origin.time.to_string()),
        updated_by: origin.map(|origin| origin.account.to_string()),
        author: author.map(|author| author.to_string()),
        message,
    }
}

fn reason(has: &Has, outcome: Outcome) -> String {
    match (outcome, has) {
        (Outcome::Passed, _) => "has nothing there".to_owned(),
        (Outcome::Hidden, _) => "a nearer layer decides".to_owned(),
        (Outcome::Joined, _) => {
            "its items come before those of nearer layers, as `merge` in the settings asks".to_owned()
        }
        (Outcome::Shown, Has::Object(_)) => "its members are shown where no nearer layer has them".to_owned(),
        (Outcome::Shown, _) => "the nearest layer that has it".to_owned(),
        (_, Has::Tombstone { at, .. }) => format!("null at {at}: nothing here, and nothing from parents"),
        (_, Has::ValueAbove { at, .. }) => format!("a value at {at}: nothing can be below it"),
        (Outcome::Hides, _) => "all below it is null".to_owned(),
    }
}
