use clap::Args;
use serde_json::value::RawValue;

use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::written_path;
use super::{CliError, shown, value_argument};
use crate::client::{Expect, Place, Written};
use crate::model::Value;
use crate::wire::{Json, Put};

/// Set a value
///
/// VALUE is read as JSON where it is JSON, and as a string otherwise: `5` is a number, `"5"` and `five` are
/// strings. `@FILE` is what a file holds, `-` what standard input gives. An object replaces everything below
/// the path. The write is a commit in the environment's branch.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit set /myapp/database/pool_size 20\n  \
    confgit set myapp.database.host db.internal --env prod -m 'move to the new host'\n  \
    confgit set /certs/ca.crt @ca.crt --string\n  \
    confgit set /myapp/database/pool_size 30 --if-version 4")]
pub struct Set {
    /// The path: /myapp/database/host or myapp.database.host
    path: String,
    /// The value, `-` for standard input, or @FILE
    #[arg(allow_negative_numbers = true)]
    value: String,
    /// Take the value as a string, even where it is JSON
    #[arg(long)]
    string: bool,
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
        let value = value_argument::value(&self.value, self.string)?;
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

/// What `--if-version` asks for.
pub fn expect_version(version: Option<u64>) -> Expect {
    match version {
        None => Expect::Anything,
        Some(0) => Expect::Absent,
        Some(version) => Expect::Version(version),
    }
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
        Written::Object(object) => {
            let count = match object.entries.len() {
                0 => "nothing changed".to_owned(),
                1 => "1 entry changed".to_owned(),
                count => format!("{count} entries changed"),
            };
            output.line(format!("{}: {count}  (sequence {})", object.path, object.sequence))?;
            let mut table = super::table::Table::bare(&[]);
            for entry in &object.entries {
                table.row(vec![format!("  {}", entry.path), format!("version {}", entry.version)]);
            }
            output.table(&table)
        }
    }
}

fn raw(value: &Value) -> Result<Json, CliError> {
    RawValue::from_string(value.to_json()).map_err(|error| CliError::Failed(error.to_string()))
}
