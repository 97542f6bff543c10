use clap::{Args, ValueEnum};
use serde_json::value::RawValue;

use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::path;
use super::table::Table;
use super::target::Target;
use super::value_argument::interpret;
use super::{CliError, shown};
use crate::client::{Moment, Node, Place};
use crate::document::Format;
use crate::model::{Object, Path, PathError, Value, bytes_of_base64};
use crate::wire::{Entries, Entry, Json};

/// Print a value
///
/// A value is printed bare, a string without quotes. An object is printed as the paths below it and their
/// values; `--format` prints it as one document. Values are printed as they are written, references and all;
/// `--resolve` prints what services read. `-o json` prints what the API says of it: version, author,
/// description and where it comes from.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit get /myapp/database/host\n  \
    confgit get myapp.database.host --env prod\n  \
    confgit get /myapp/database --format yaml\n  \
    confgit get /checkout/database --env prod --resolve\n  \
    confgit get /myapp/database/host --version 1\n  \
    confgit get /myapp --at 2026-01-31T12:00:00Z")]
pub struct Get {
    /// The path: /myapp/database/host or myapp.database.host
    path: String,
    /// The value in this version of the path
    #[arg(long, value_name = "N", conflicts_with_all = ["at", "recursive"])]
    version: Option<u64>,
    /// The value as it was at a sequence, commit, tag or time
    #[arg(long, value_name = "POINT")]
    at: Option<String>,
    /// What to print where nothing stands at the path, instead of failing
    #[arg(long, value_name = "VALUE")]
    default: Option<String>,
    /// The value alone, without a line break after it; bytes as they are
    #[arg(long, conflicts_with_all = ["recursive", "format"])]
    raw: bool,
    /// The value as services read it: templates merged, references followed, secrets included
    #[arg(long, conflicts_with_all = ["version", "recursive"])]
    resolve: bool,
    /// Every entry below the path, with what the API says of it
    #[arg(short, long, conflicts_with = "format")]
    recursive: bool,
    /// The value as one document
    #[arg(long, value_name = "FORMAT")]
    format: Option<ValueFormat>,
}

/// How a value is written as one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ValueFormat {
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// The text alone, for strings, numbers and booleans
    Text,
}

impl Get {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: path(&self.path)?, env: options.env.clone() };
        let target = options.target()?;
        match self.print(&target, &place, output) {
            Err(error) if error.is_missing_value() && self.default.is_some() => self.print_default(output),
            result => result,
        }
    }

    fn print(&self, target: &Target, place: &Place, output: &mut Output) -> Result<(), CliError> {
        let moment = match (self.version, &self.at) {
            (Some(version), _) => Moment::Version(version),
            (None, Some(point)) => Moment::At(point.clone()),
            (None, None) => Moment::Now,
        };
        if self.recursive {
            return print_entries(target, place, &moment, output);
        }
        if self.resolve {
            return self.print_resolved(&target.value(place, &moment)?, output);
        }
        match target.node(place, &moment)? {
            Node::Entry(entry) => self.print_entry(&entry, output),
            Node::Object(_) if self.raw => Err(not_a_text(place)),
            Node::Object(_) if self.format == Some(ValueFormat::Text) => Err(not_a_text(place)),
            Node::Object(_) if self.format.is_some() => {
                let entries = target.entries(place, &moment)?;
                self.print_value(&as_one(place, &entries)?, output)
            }
            Node::Object(object) if output.format() != OutputFormat::Table => output.data(&object),
            Node::Object(_) => print_entries(target, place, &moment, output),
        }
    }

    fn print_resolved(&self, value: &Json, output: &mut Output) -> Result<(), CliError> {
        match (self.format, output.format()) {
            _ if self.raw => output.bytes(shown::bare(value).as_bytes()),
            (Some(_), _) => self.print_value(value, output),
            (None, OutputFormat::Table) if value.get().starts_with('{') => {
                let value = Value::from_json(value.get());
                output.value(Format::Yaml, &value.map_err(|error| CliError::Failed(error.to_string()))?)
            }
            (None, OutputFormat::Table) => output.text(&shown::bare(value)),
            (None, _) => output.data(value),
        }
    }

    fn print_entry(&self, entry: &Entry, output: &mut Output) -> Result<(), CliError> {
        if self.raw {
            return match entry.encoding.is_some() {
                true => output.bytes(&decoded(entry)?),
                false => output.bytes(shown::bare(&entry.value).as_bytes()),
            };
        }
        match (self.format, output.format()) {
            (Some(_), _) => self.print_value(&entry.value, output),
            (None, OutputFormat::Table) => output.text(&shown::bare(&entry.value)),
            (None, _) => output.data(entry),
        }
    }

    fn print_value(&self, json: &Json, output: &mut Output) -> Result<(), CliError> {
        let value = Value::from_json(json.get()).map_err(|error| CliError::Failed(error.to_string()))?;
        match self.format {
            Some(ValueFormat::Yaml) => output.value(Format::Yaml, &value),
            Some(ValueFormat::Json) => output.value(Format::Json, &value),
            Some(ValueFormat::Text) | None => output.text(&shown::bare(json)),
        }
    }

    /// The default is read as `set` reads a value, and printed as the value would be.
    fn print_default(&self, output: &mut Output) -> Result<(), CliError> {
        let value = interpret(self.default.clone().unwrap_or_default(), false);
        let json = serde_json::value::RawValue::from_string(value.to_json());
        let json = json.map_err(|error| CliError::Failed(error.to_string()))?;
        match (self.format, output.format()) {
            _ if self.raw => output.bytes(shown::bare(&json).as_bytes()),
            (Some(_), _) => self.print_value(&json, output),
            (None, OutputFormat::Table) => output.text(&shown::bare(&json)),
            (None, _) => output.data(&json),
        }
    }
}

/// Entries below a path as one object, as they are written.
fn as_one(place: &Place, entries: &[Entry]) -> Result<Json, CliError> {
    let broken = |error: String| CliError::Failed(error);
    let mut root = Object::new();
    for entry in entries {
        let path: Path = entry.path.parse().map_err(|error: PathError| broken(error.to_string()))?;
        let value = Value::from_json(entry.value.get()).map_err(|error| broken(error.to_string()))?;
        let below = path.strip_prefix(&place.path).unwrap_or(path);
        let mut segments = below.segments().peekable();
        let mut at = &mut root;
        while let Some(segment) = segments.next() {
            if segments.peek().is_none() {
                at.insert(segment.into_owned(), value);
                break;
            }
            let inner = at.entry(segment.into_owned()).or_insert_with(|| Value::Object(Object::new()));
            let Value::Object(inner) = inner else { break };
            at = inner;
        }
    }
    RawValue::from_string(Value::Object(root).to_json()).map_err(|error| broken(error.to_string()))
}

fn print_entries(
    target: &Target,
    place: &Place,
    moment: &Moment,
    output: &mut Output,
) -> Result<(), CliError> {
    let entries = target.entries(place, moment)?;
    if output.format() != OutputFormat::Table {
        return output.data(&Entries { path: place.path.to_string(), entries, next: None });
    }
    let mut table = Table::bare(&[1]);
    for entry in &entries {
        table.row(vec![entry.path.clone(), format!("= {}", shown::inline_entry(entry))]);
    }
    output.table(&table)
}

fn decoded(entry: &Entry) -> Result<Vec<u8>, CliError> {
    let bytes = bytes_of_base64(&shown::bare(&entry.value));
    bytes.ok_or_else(|| CliError::Failed(format!("{} is said to be base64, and is not", entry.path)))
}

fn not_a_text(place: &Place) -> CliError {
    CliError::Usage(format!("{} is an object, which has no text form: use --format yaml or json", place.path))
}
