use std::path::{Path as FilePath, PathBuf};

use super::file::Reaction;
use crate::cli::CliError;
use crate::cli::export::ExportFormat;
use crate::cli::path_argument::path;
use crate::cli::signal_argument::SignalArgument;
use crate::document::{self, Document, Format};
use crate::model::{Limits, Object, Path, Value};

/// The mode of a file for which none is said.
const USUAL_MODE: u32 = 0o600;

/// What one file is to hold, and what is done when it changes.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The path whose values it holds.
    pub path: Path,
    /// The environment; the project's default one when none.
    pub env: Option<String>,
    /// How they are written.
    pub format: ExportFormat,
    /// The file.
    pub to: PathBuf,
    /// Who may read it.
    pub mode: u32,
    /// Whether the values of secrets are in it.
    pub with_secrets: bool,
    /// What is done after it changed.
    pub reaction: Option<Reaction>,
}

/// The files that an agent keeps.
#[derive(Debug)]
pub struct FileList {
    /// What the agent calls itself.
    pub client: Option<String>,
    /// The files.
    pub files: Vec<Wanted>,
}

/// Reads a mode as chmod has it: octal digits.
pub fn mode(text: &str) -> Option<u32> {
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777)
}

impl FileList {
    /// Reads the list in a file; `env` is the environment of those that name none.
    pub fn read(file: &FilePath, env: Option<&str>) -> Result<Self, CliError> {
        let failed = |reason: String| CliError::Usage(format!("{}: {reason}", file.display()));
        let bytes = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
        FileList::parse(&bytes, env).map_err(failed)
    }

    fn parse(bytes: &[u8], env: Option<&str>) -> Result<Self, String> {
        let document = document::read(Format::Yaml, bytes, &Limits::default()).map_err(|fault| {
            format!("{}:{}: {}", fault.position.line, fault.position.column, fault.message)
        })?;
        let Value::Object(root) = document.value() else {
            return Err("expected a mapping with `files`".to_owned());
        };
        if let Some(unknown) = root.keys().find(|key| !["client", "files"].contains(&key.as_str())) {
            return Err(at(&document, unknown, "unknown: a list has `client` and `files`"));
        }
        let client = match root.get("client") {
            None => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(_) => return Err(at(&document, "client", "expected a name")),
        };
        let files = match root.get("files") {
            Some(Value::Array(files)) if !files.is_empty() => files,
            _ => return Err("expected `files:` with at least one file".to_owned()),
        };
        let mut wanted: Vec<Wanted> = Vec::new();
        for (number, value) in (1..).zip(files) {
            let file = one(value, env)
                .map_err(|reason| at(&document, "files", &format!("file {number}: {reason}")))?;
            if wanted.iter().any(|other| other.to == file.to) {
                return Err(at(
                    &document,
                    "files",
                    &format!("file {number}: {} is written twice", file.to.display()),
                ));
            }
            wanted.push(file);
        }
        Ok(FileList { client, files: wanted })
    }
}

/// A mistake with the place of the member that it is in.
fn at(document: &Document, member: &str, reason: &str) -> String {
    match document.position_of(&[member]) {
        Some(place) => format!("{}:{}: `{member}`: {reason}", place.line, place.column),
        None => format!("`{member}`: {reason}"),
    }
}

const MEMBERS: [&str; 9] = ["path", "env", "format", "to", "mode", "secrets", "exec", "signal", "pid_file"];

fn one(value: &Value, env: Option<&str>) -> Result<Wanted, String> {
    let Value::Object(members) = value else { return Err("expected `path`, `to` and so on".to_owned()) };
    if let Some(unknown) = members.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
        return Err(format!("unknown member `{unknown}`; there are: {}", MEMBERS.join(", ")));
    }
    let needed = |name: &str| text(members, name)?.ok_or_else(|| format!("`{name}` is missing"));
    let format = match text(members, "format")? {
        None => ExportFormat::Yaml,
        Some(name) => {
            use clap::ValueEnum as _;
            ExportFormat::from_str(name, false).map_err(|_| {
                let known: Vec<&str> =
                    ExportFormat::value_variants().iter().map(|format| format.name()).collect();
                format!("`format` is one of {}, not `{name}`", known.join(", "))
            })?
        }
    };
    let mode = match text(members, "mode")? {
        None => USUAL_MODE,
        Some(text) => mode(text)
            .ok_or_else(|| format!("`{text}` is no mode: three octal digits in quotes, such as \"0640\""))?,
    };
    let reaction = match (text(members, "exec")?, text(members, "signal")?, text(members, "pid_file")?) {
        (None, None, None) => None,
        (Some(command), None, None) => Some(Reaction::Command(command.to_owned())),
        (None, Some(signal), Some(pid_file)) => {
            let SignalArgument(signal) = signal.parse()?;
            Some(Reaction::Signal { signal, pid_file: PathBuf::from(pid_file) })
        }
        _ => return Err("give either `exec`, or `signal` and `pid_file`".to_owned()),
    };
    let with_secrets = match members.get("secrets") {
        None => false,
        Some(Value::Bool(with_secrets)) => *with_secrets,
        Some(_) => return Err("`secrets` is true or false".to_owned()),
    };
    Ok(Wanted {
        path: path(needed("path")?).map_err(|error| error.to_string())?,
        env: text(members, "env")?.or(env).map(str::to_owned),
        format,
        to: PathBuf::from(needed("to")?),
        mode,
        with_secrets,
        reaction,
    })
}

fn text<'a>(members: &'a Object, name: &str) -> Result<Option<&'a str>, String> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(format!("`{name}` is a text; put it in quotes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_mistakes_have_their_place() {
        let list = b"client: pay-1\nfiles:\n  - path: /a\n    to: /tmp/a\n    mode: \"0644\"\n    exec: \"true\"\n  \
            - { path: /b, to: b, format: env, env: dev, secrets: true, signal: hup, pid_file: p }\n";
        let FileList { client, files } = FileList::parse(list, Some("prod")).unwrap();
        assert_eq!(client.as_deref(), Some("pay-1"));
        assert_eq!(
            (files[0].env.as_deref(), files[0].mode, files[0].with_secrets),
            (Some("prod"), 0o644, false)
        );
        assert_eq!(
            (files[1].env.as_deref(), files[1].mode, files[1].with_secrets),
            (Some("dev"), 0o600, true)
        );
        for (text, says) in [
            ("files: []", "at least one file"),
            ("file: x", "1:1: `file`: unknown"),
            ("files:\n - {path: /a}", "file 1: `to` is missing"),
            ("files:\n - {path: /a, to: b, mode: 640}", "`mode` is a text"),
            ("files:\n - {path: /a, to: b, mode: \"0999\"}", "no mode"),
            ("files:\n - {path: /a, to: b, mode: \"4755\"}", "no mode"),
            ("files:\n - {path: /a, to: b, format: xml}", "not `xml`"),
            ("files:\n - {path: /a, to: b, signal: HUP}", "`signal` and `pid_file`"),
            ("files:\n - {path: /a, to: b, signal: KILL, pid_file: p}", "no signal"),
            ("files:\n - {path: /a, to: b}\n - {path: /c, to: b}", "file 2: b is written twice"),
            ("files:\n - {path: /a//b, to: b}", "file 1"),
            ("files: [", "1:"),
            ("- 1", "mapping"),
        ] {
            let error = FileList::parse(text.as_bytes(), None).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
