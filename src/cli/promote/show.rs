use super::preview;
use crate::cli::age::{age_of, now};
use crate::cli::options::OutputFormat;
use crate::cli::output::{Emphasis, Output};
use crate::cli::table::Table;
use crate::cli::{CliError, shown};
use crate::wire::{ConflictSide, Promote, Promoted, PromotionConflict};

/// Prints what became of a promotion.
pub fn promoted(promoted: &Promoted, output: &mut Output) -> Result<(), CliError> {
    if output.format() != OutputFormat::Table {
        return output.data(promoted);
    }
    let Promoted { from, to, entries, sequence, .. } = promoted;
    if let Some(number) = promoted.proposal {
        return output.line(format!("others have to agree first: proposal {number} was made of it"));
    }
    if !promoted.changed {
        return output.line(format!("nothing of {from} is new for {to}: nothing changed"));
    }
    let count = match entries.len() {
        0 => "what was decided is noted, and no entry changed".to_owned(),
        1 => "1 entry changed".to_owned(),
        count => format!("{count} entries changed"),
    };
    output.line(format!("{from} → {to}: {count}  (sequence {sequence})"))?;
    let mut table = Table::bare(&[]);
    for entry in entries {
        let gone = if entry.deleted { ", removed" } else { "" };
        table.row(vec![format!("  {}", entry.path), format!("version {}{gone}", entry.version)]);
    }
    output.table(&table)
}

/// Prints what would become of it.
pub fn dry_run(promoted: &Promoted, output: &mut Output) -> Result<(), CliError> {
    if output.format() != OutputFormat::Table {
        output.data(promoted)?;
    } else {
        output.line(since(promoted))?;
        output.line("")?;
        if let Some(seen) = &promoted.preview {
            preview::print(seen, output)?;
        }
        let open: Vec<_> = promoted.conflicts.iter().filter(|conflict| !conflict.resolved).cloned().collect();
        both_sides(&promoted.from, &promoted.to, &open, output)?;
    }
    match (&promoted.preview, promoted.conflicts.iter().filter(|conflict| !conflict.resolved).count()) {
        (_, count @ 1..) => Err(CliError::Undecided { count, file: None }),
        (Some(seen), 0) if !seen.problems.is_empty() => Err(CliError::Invalid { count: seen.problems.len() }),
        _ => Ok(()),
    }
}

fn since(promoted: &Promoted) -> String {
    let Promoted { from, to, base, .. } = promoted;
    match (&base.revision, &base.env) {
        (Some(revision), _) => {
            format!("what changed in {from} since {} was promoted to {to}:", short(revision))
        }
        (None, Some(ancestor)) => format!("what {from} has otherwise than {ancestor}, for {to}:"),
        (None, None) => format!("all that {from} has, for {to}:"),
    }
}

/// Prints what is to be decided.
pub fn conflicts(
    asked: &Promote,
    conflicts: &[PromotionConflict],
    output: &mut Output,
) -> Result<(), CliError> {
    both_sides(&asked.from, &asked.to, conflicts, output)
}

/// Both sides of each conflict beside each other: value, author, age, commit.
fn both_sides(
    from: &str,
    to: &str,
    conflicts: &[PromotionConflict],
    output: &mut Output,
) -> Result<(), CliError> {
    for conflict in conflicts {
        let path = output.emphasized(&conflict.path, Emphasis::Strong);
        let was = output.emphasized(&format!("  was {}", what(&conflict.base)), Emphasis::Faint);
        output.line(format!("{path}{was}"))?;
        let mut table = Table::bare(&[1, 2]);
        table.row(vec![String::new(), format!("OURS ({to})"), format!("THEIRS ({from})")]);
        let (ours, theirs) = (&conflict.ours, &conflict.theirs);
        for (name, of) in
            [("  value", what as fn(&ConflictSide) -> String), ("  author", author), ("  commit", commit)]
        {
            let (ours, theirs) = (of(ours), of(theirs));
            if !ours.is_empty() || !theirs.is_empty() {
                table.row(vec![name.to_owned(), ours, theirs]);
            }
        }
        output.table(&table)?;
        output.line("")?;
    }
    Ok(())
}

/// What one side has, on one line.
pub fn what(side: &ConflictSide) -> String {
    let value = match &side.value {
        Some(value) if side.encoding.is_some() => shown::bytes(value),
        Some(value) => shown::inline(value),
        None if side.has == "object" => "an object".to_owned(),
        None if side.has == "tombstone" => "nothing (null)".to_owned(),
        None => "nothing".to_owned(),
    };
    match &side.at {
        Some(at) => format!("{value} at {at}"),
        None => value,
    }
}

/// Who wrote it, where, and how long ago.
pub fn author(side: &ConflictSide) -> String {
    let parts = [
        side.author.clone().or_else(|| side.updated_by.clone()),
        side.origin.clone().map(|origin| format!("in {origin}")),
        side.updated_at.as_deref().map(|time| age_of(now(), time)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Its commit, and what that says.
pub fn commit(side: &ConflictSide) -> String {
    let message = side.message.as_deref().and_then(|text| text.lines().next()).unwrap_or_default();
    let revision = side.revision.as_deref().map(short).unwrap_or_default();
    format!("{revision} {message}").trim().to_owned()
}

fn short(revision: &str) -> &str {
    revision.get(..9).unwrap_or(revision)
}
