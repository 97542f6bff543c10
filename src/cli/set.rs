use std::io::{self, IsTerminal as _};

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::written_path;
use super::target::Target;
use super::value_argument::{self, ValueFormat};
use super::{CliError, edit, shown};
use crate::client::{Expect, Moment, Node, Place, Written};
use crate::model::Value;
use crate::wire::{Json, Put};

/// Set a value
///
/// VALUE is read as JSON where it is JSON, and as a string otherwise: `5` is a number, `"5"` and `five` are
/// strings. `@FILE` is what a file holds, `-` what standard input gives; a .yaml, .toml or .json file is read as
/// such. An object replaces everything below the path. Without VALUE, what is there is opened in $VISUAL or
/// $EDITOR, and what changed is written unless somebody else changed it meanwhile. The write is a commit in the
/// environment's branch.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit set /myapp/database/pool_size 20\n  \
    confgit set myapp.database.host db.internal --env prod -m 'move to the new host'\n  \
    confgit set /certs/ca.crt @ca.crt --string\n  \
    confgit set /myapp/database @database.yaml\n  \
    confgit set /myapp/database --edit\n  \
    confgit set /myapp/database/pool_size 30 --if-version 4")]
pub struct Set {
    /// The path: /myapp/database/host or myapp.database.host
    path: String,
    /// The value, `-` for standard input, or @FILE; opens an editor when not given
    #[arg(allow_negative_numbers = true)]
    value: Option<String>,
    /// Open an editor on the present value, also where there is no terminal
    #[arg(long, conflicts_with_all = ["value", "string", "format", "description", "owner", "schema", "if_version", "create"])]
    edit: bool,
    /// Take the value as a string, even where it is JSON
    #[arg(long, conflicts_with = "format")]
    string: bool,
    /// What the value is written in; of a file, its extension says so
    #[arg(long, value_name = "FORMAT")]
    format: Option<ValueFormat>,
    /// What the entry is for; empty removes it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who answers for the entry; empty removes it
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// The JSON Schema of the value, in place or as @FILE; `null` removes it
    #[arg(long, value_name = "JSON")]
    schema: Option<String>,
    /// What the commit says
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Only if the path has this version; 0 if nothing stands there
    #[arg(long, value_name = "N", conflicts_with = "create")]
    if_version: Option<u64>,
    /// Only if nothing stands there yet
    #[arg(long)]
    create: bool,
}

impl Set {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: written_path(&self.path)?, env: options.env.clone() };
        let Some(value) = &self.value else { return self.edit(&place, options, output) };
        let value = value_argument::value(value, self.string, self.format)?;
        if value == Value::Null {
            let message = "null is no value: `confgit unset` takes a value away, with --hide a parent's too";
            return Err(CliError::Usage(message.to_owned()));
        }
        let json = raw(&value)?;
        let schema =
            self.schema.as_deref().map(|schema| value_argument::json("--schema", schema)).transpose()?;
        let put = Put {
            value: json.clone(),
            encoding: None,
            description: self.description.map(|text| Some(text).filter(|text| !text.is_empty())),
            owner: self.owner.map(|text| Some(text).filter(|text| !text.is_empty())),
            schema: schema.as_ref().map(raw).transpose()?,
            message: self.message,
        };
        let expect = if self.create { Expect::Absent } else { expect_version(self.if_version) };
        let written = options.target()?.put(&place, put, expect)?;
        print(&written, Some(&json), output)
    }
}

/// What an edit that changes nothing answers.
#[derive(Serialize)]
struct Unchanged<'a> {
    path: &'a str,
    changed: bool,
}

impl Set {
    fn edit(self, place: &Place, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let needs_value = self.string
            || self.format.is_some()
            || self.create
            || self.if_version.is_some()
            || [&self.description, &self.owner, &self.schema].iter().any(|option| option.is_some());
        if needs_value {
            return Err(CliError::Usage("a VALUE is missing, which the other options speak of".to_owned()));
        }
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        if !self.edit && !is_terminal {
            let message =
                "a VALUE is missing, and without a terminal no editor is opened: give one, or --edit";
            return Err(CliError::Usage(message.to_owned()));
        }
        let target = options.target()?;
        let Some(written) = edit::edit(&target, place, self.message)? else {
            return match output.format() {
                OutputFormat::Table => output.line(format!("{}: nothing changed", place.path)),
                _ => output.data(&Unchanged { path: place.path.as_str(), changed: false }),
            };
        };
        print_made(&target, place, &written, output)
    }
}

/// What `--if-version` asks for.
pub fn expect_version(version: Option<u64>) -> Expect {
    match version {
        None => Expect::Anything,
        Some(0) => Expect::Absent,
        Some(version) => Expect::Version(version),
    }
}

/// Prints what became of a write whose value is not at hand.
pub fn print_made(
    target: &Target,
    place: &Place,
    written: &Written,
    output: &mut Output,
) -> Result<(), CliError> {
    let value = match (written, output.format()) {
        // The value is shown as that version has it, whatever happens to the path meanwhile.
        (Written::Entry(entry), OutputFormat::Table) => {
            match target.node(place, &Moment::Version(entry.version))? {
                Node::Entry(entry) => Some(entry.value),
                Node::Object(_) => None,
            }
        }
        _ => None,
    };
    print(written, value.as_ref(), output)
}

/// Prints what became of a write; without a value, it is one that took a value away.
pub fn print(written: &Written, value: Option<&Json>, output: &mut Output) -> Result<(), CliError> {
    if output.format() != OutputFormat::Table {
        return output.data(written);
    }
    let said = value.map_or_else(|| " removed".to_owned(), |value| format!(" = {}", shown::inline(value)));
    match written {
        Written::Entry(entry) => output
            .line(format!("{}{said}  (version {}, sequence {})", entry.path, entry.version, entry.sequence)),
        Written::Proposal(made) => output.line(format!(
            "others have to agree first: proposal {} was made of it; see {}",
            made.proposal, made.url
        )),
        Written::Object(object) => {
            let count = match object.entries.len() {
                0 => "nothing changed".to_owned(),
                1 => "1 entry changed".to_owned(),
                count => format!("{count} entries changed"),
            };
            output.line(format!("{}: {count}  (sequence {})", object.path, object.sequence))?;
            let mut table = super::table::Table::bare(&[]);
            for entry in &object.entries {
                let gone = if entry.deleted { ", removed" } else { "" };
                table.row(vec![format!("  {}", entry.path), format!("version {}{gone}", entry.version)]);
            }
            output.table(&table)
        }
    }
}

fn raw(value: &Value) -> Result<Json, CliError> {
    RawValue::from_string(value.to_json()).map_err(|error| CliError::Failed(error.to_string()))
}
