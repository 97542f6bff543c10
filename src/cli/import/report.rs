use std::io::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;

use super::send::Plan;
use crate::cli::options::{Options, OutputFormat};
use crate::cli::output::Output;
use crate::cli::{CliError, shown};
use crate::import::LeftOut;
use crate::wire::{BatchWritten, Json};

/// How many of what was left out are named.
const MOST_NAMED: usize = 20;

#[derive(Serialize)]
struct PlannedFile<'a> {
    file: &'a str,
    bytes: usize,
}

#[derive(Serialize)]
struct PlannedValue<'a> {
    path: &'a str,
    value: Json,
}

#[derive(Serialize)]
struct Skipped<'a> {
    name: &'a str,
    reason: &'a str,
}

/// What `--dry-run` answers.
#[derive(Serialize)]
struct Planned<'a> {
    env: Option<&'a str>,
    files: Vec<PlannedFile<'a>>,
    values: Vec<PlannedValue<'a>>,
    left_out: Vec<Skipped<'a>>,
}

/// What an import answers: as a batch does, with what it came from.
#[derive(Serialize)]
struct Imported<'a> {
    files: usize,
    values: usize,
    #[serde(flatten)]
    written: &'a BatchWritten,
    left_out: Vec<Skipped<'a>>,
}

/// Tells on standard error what was not taken.
pub fn left_out(left_out: &[LeftOut]) {
    let mut text = String::new();
    for LeftOut { name, reason } in left_out.iter().take(MOST_NAMED) {
        text.push_str(&format!("left out: {}: {reason}\n", name.escape_debug()));
    }
    if let more @ 1.. = left_out.len().saturating_sub(MOST_NAMED) {
        text.push_str(&format!("left out: {more} more\n"));
    }
    // Where nobody listens, nobody is told.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints what would be written.
pub fn planned(plan: &Plan, options: &Options, output: &mut Output) -> Result<(), CliError> {
    let json = |value: &crate::model::Value| {
        RawValue::from_string(value.to_json()).map_err(|error| CliError::Failed(error.to_string()))
    };
    if output.format() != OutputFormat::Table {
        let files =
            plan.files.iter().map(|(file, content)| PlannedFile { file: file.name(), bytes: content.len() });
        let values = plan
            .values
            .iter()
            .map(|(path, value)| Ok(PlannedValue { path: path.as_str(), value: json(value)? }));
        return output.data(&Planned {
            env: options.env.as_deref(),
            files: files.collect(),
            values: values.collect::<Result<_, CliError>>()?,
            left_out: skipped(plan),
        });
    }
    for (file, content) in &plan.files {
        output.line(format!("{}  ({})", file.name(), counted(content.len(), "byte", "bytes")))?;
    }
    for (path, value) in &plan.values {
        output.line(format!("{path} = {}", shown::inline(&json(value)?)))?;
    }
    let env = options.env.as_deref().map_or_else(String::new, |env| format!(" to {env}"));
    output.line(format!("would write {}{env}; nothing was written", amount(plan)))
}

/// Prints what was written.
pub fn written(plan: &Plan, written: &BatchWritten, output: &mut Output) -> Result<(), CliError> {
    if let (Some(number), OutputFormat::Table) = (written.proposal, output.format()) {
        return output.line(format!("others have to agree first: proposal {number} was made of it"));
    }
    if output.format() != OutputFormat::Table {
        let (files, values) = (plan.files.len(), plan.values.len());
        return output.data(&Imported { files, values, written, left_out: skipped(plan) });
    }
    let env = written.revisions.keys().next().map(String::as_str).unwrap_or_default();
    let entries = match written.entries.len() {
        0 => "nothing changed".to_owned(),
        count => counted(count, "entry", "entries"),
    };
    output.line(format!("imported {} to {env}: {entries}  (sequence {})", amount(plan), written.sequence))
}

fn skipped(plan: &Plan) -> Vec<Skipped<'_>> {
    plan.left_out.iter().map(|LeftOut { name, reason }| Skipped { name, reason }).collect()
}

fn amount(plan: &Plan) -> String {
    let files = counted(plan.files.len(), "file", "files");
    let values = counted(plan.values.len(), "value", "values");
    match (plan.files.len(), plan.values.len()) {
        (_, 0) => files,
        (0, _) => values,
        _ => format!("{files} and {values}"),
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
