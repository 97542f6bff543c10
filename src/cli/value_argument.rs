use std::fs;
use std::io::{self, Read as _, Write as _};

use clap::ValueEnum;

use super::CliError;
use crate::document::{self, Format};
use crate::model::{Limits, Value};

/// What a value may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValueFormat {
    /// YAML 1.2
    Yaml,
    /// TOML 1.0
    Toml,
    /// JSON
    Json,
}

impl ValueFormat {
    fn format(self) -> Format {
        match self {
            ValueFormat::Yaml => Format::Yaml,
            ValueFormat::Toml => Format::Toml,
            ValueFormat::Json => Format::Json,
        }
    }
}

/// The most that is read from a file or from standard input: more than any server takes.
const MOST_BYTES: u64 = 64 << 20;

/// Reads a value argument: `-` is standard input, `@FILE` a file, anything else the text itself. A text that
/// is JSON is that value; any other, or every one with `as_string`, is a string. A text of a given format, or
/// from a file whose name says so, is what it says.
pub fn value(argument: &str, as_string: bool, format: Option<ValueFormat>) -> Result<Value, CliError> {
    let by_name = argument.strip_prefix('@').map(Format::of).filter(|format| format.is_structured());
    let text = match argument {
        "-" => without_break(read("standard input", io::stdin().lock())?),
        _ => match argument.strip_prefix('@') {
            Some(file) => contents(file)?,
            None => argument.to_owned(),
        },
    };
    match format.map(ValueFormat::format).or(by_name).filter(|_| !as_string) {
        Some(format) => parse(argument, &text, format),
        None => {
            let value = interpret(text, as_string);
            note_broken_json(&value, as_string);
            Ok(value)
        }
    }
}

/// Tells on standard error of a string that looks as if it was meant to be JSON.
fn note_broken_json(value: &Value, as_string: bool) {
    let Value::String(text) = value else { return };
    if as_string || !text.trim_start().starts_with(['{', '[', '"']) {
        return;
    }
    if let Err(error) = Value::from_json(text) {
        let note = format!(
            "note: this is no JSON ({error}), so it is taken for a string; --format json refuses it\n"
        );
        let _ = io::stderr().lock().write_all(note.as_bytes());
    }
}

/// A text that has to be of a format.
fn parse(argument: &str, text: &str, format: Format) -> Result<Value, CliError> {
    let name = match argument.strip_prefix('@') {
        Some(file) => file,
        None if argument == "-" => "standard input",
        None => "VALUE",
    };
    // What a server takes is for the server to say.
    let limits = Limits { document_bytes: usize::MAX, ..Limits::default() };
    let read = document::read(format, text.as_bytes(), &limits);
    let value = read.map_err(|fault| CliError::Usage(format!("{name}: {fault}")))?.into_value();
    let is_empty = matches!(&value, Value::Object(members) if members.is_empty());
    if is_empty && format != Format::Json && !text.contains('{') {
        return Err(CliError::Usage(format!("{name} is empty: an empty object is written {{}}")));
    }
    Ok(value)
}

/// Reads an argument that must be JSON, in place or as `@FILE`.
pub fn json(name: &str, argument: &str) -> Result<Value, CliError> {
    let text = match argument.strip_prefix('@') {
        Some(file) => contents(file)?,
        None => argument.to_owned(),
    };
    Value::from_json(&text).map_err(|error| CliError::Usage(format!("{name} is no JSON: {error}")))
}

/// What `set` understands a text as.
pub fn interpret(text: String, as_string: bool) -> Value {
    match Value::from_json(&text) {
        Ok(value) if !as_string => value,
        _ => Value::String(text),
    }
}

fn contents(file: &str) -> Result<String, CliError> {
    let opened =
        fs::File::open(file).map_err(|error| CliError::Usage(format!("{file} cannot be read: {error}")))?;
    read(file, opened)
}

fn read(name: &str, from: impl io::Read) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let count = from.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    if count.map_err(|error| CliError::Failed(format!("{name} cannot be read: {error}")))? as u64 > MOST_BYTES
    {
        return Err(CliError::Usage(format!(
            "{name} has more than {MOST_BYTES} bytes, which no server takes"
        )));
    }
    String::from_utf8(bytes).map_err(|_| {
        CliError::Usage(format!(
            "{name} is not UTF-8 text: a file of other bytes is committed to the repository with Git"
        ))
    })
}

/// A single line from standard input is meant without its break: `echo debug | confgit set …`.
fn without_break(mut text: String) -> String {
    if text.find('\n') == text.len().checked_sub(1) {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_if_it_parses_else_a_string() {
        for (text, as_string, json) in [
            ("5", false, "5"),
            ("1.10", false, "1.10"),
            ("true", false, "true"),
            ("no", false, "\"no\""),
            ("5", true, "\"5\""),
            ("\"5\"", false, "\"5\""),
            ("{\"a\": [1]}", false, "{\"a\":[1]}"),
            ("{a: 1}", false, "\"{a: 1}\""),
            ("postgres://h:5432/db", false, "\"postgres://h:5432/db\""),
            ("", false, "\"\""),
            ("null", false, "null"),
        ] {
            assert_eq!(value(text, as_string, None).unwrap().to_json(), json, "{text}");
        }
    }

    #[test]
    fn one_line_loses_its_break() {
        for (text, kept) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\nb\n", "a\nb\n"), ("a", "a"), ("\n", ""), ("", "")]
        {
            assert_eq!(without_break(text.to_owned()), kept, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = value("@/nowhere/at-all", false, None).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/at-all cannot be read: "), "{error}");
    }
}
