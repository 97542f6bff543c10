use std::io::{self, BufWriter, IsTerminal as _, Write};

use super::CliError;
use super::options::{Options, OutputFormat};
use super::table::Table;
use crate::document::{self, Format};
use crate::model::Value;

/// Where results go: standard output, buffered.
pub struct Output {
    format: OutputFormat,
    width: Option<u16>,
    is_colored: bool,
    sink: Box<dyn Write>,
}

/// How a piece of text stands out on a terminal.
#[derive(Debug, Clone, Copy)]
pub enum Emphasis {
    /// A name to find.
    Strong,
    /// What goes with it.
    Faint,
    /// What came.
    Added,
    /// What went.
    Removed,
    /// The word that came, within a line that did.
    AddedWord,
    /// The word that went, within a line that did.
    RemovedWord,
    /// Nothing: it does not stand out.
    Plain,
}

/// The columns of a terminal that does not say how many it has.
const USUAL_WIDTH: u16 = 80;

const RESET: &str = "\x1b[0m";
const BOLD_RED: &str = "\x1b[1;31m";
const BOLD_CYAN: &str = "\x1b[1;36m";

impl Output {
    /// Standard output, as the options ask for it.
    pub fn stdout(options: &Options) -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let width =
            is_terminal.then(|| terminal_size::terminal_size().map_or(USUAL_WIDTH, |(width, _)| width.0));
        let is_colored = is_terminal && may_color(options);
        Output { format: options.output, width, is_colored, sink: Box::new(BufWriter::new(stdout)) }
    }

    /// How results are printed.
    pub fn format(&self) -> OutputFormat {
        self.format
    }

    /// The columns of the terminal; none where there is no terminal.
    pub fn width(&self) -> Option<u16> {
        self.width
    }

    /// Prints a line.
    pub fn line(&mut self, line: impl std::fmt::Display) -> Result<(), CliError> {
        writeln!(self.sink, "{line}").map_err(CliError::Output)
    }

    /// Prints a text, which may end its last line itself.
    pub fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.bytes(text.as_bytes())?;
        if text.ends_with('\n') { Ok(()) } else { self.bytes(b"\n") }
    }

    /// Prints bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.sink.write_all(bytes).map_err(CliError::Output)
    }

    /// Prints a table; one without rows prints nothing.
    pub fn table(&mut self, table: &Table) -> Result<(), CliError> {
        let lines = table.render(self.width);
        if lines.is_empty() { Ok(()) } else { self.line(lines) }
    }

    /// Prints what the API would answer, as JSON or as YAML.
    pub fn data(&mut self, data: &impl serde::Serialize) -> Result<(), CliError> {
        let broken = |error: String| CliError::Failed(format!("the result cannot be written: {error}"));
        let json = serde_json::to_string(data).map_err(|error| broken(error.to_string()))?;
        let value = Value::from_json(&json).map_err(|error| broken(error.to_string()))?;
        let format = if self.format == OutputFormat::Yaml { Format::Yaml } else { Format::Json };
        self.value(format, &value)
    }

    /// Prints a value as JSON or as YAML.
    pub fn value(&mut self, format: Format, value: &Value) -> Result<(), CliError> {
        // An empty object is an empty YAML file, but what is printed shall say that it is there.
        let text = match value {
            Value::Object(members) if members.is_empty() => b"{}".to_vec(),
            _ => document::emit(format, value).map_err(|error| CliError::Failed(error.to_string()))?,
        };
        self.bytes(&text)?;
        if text.ends_with(b"\n") { Ok(()) } else { self.bytes(b"\n") }
    }

    /// A text that stands out where there are colours.
    pub fn emphasized(&self, text: &str, emphasis: Emphasis) -> String {
        let style = match emphasis {
            Emphasis::Strong => BOLD_CYAN,
            Emphasis::Faint => "\x1b[2m",
            Emphasis::Added => "\x1b[32m",
            Emphasis::Removed => "\x1b[31m",
            Emphasis::AddedWord => "\x1b[1;4;32m",
            Emphasis::RemovedWord => "\x1b[1;4;31m",
            Emphasis::Plain => return text.to_owned(),
        };
        if self.is_colored && !text.is_empty() { format!("{style}{text}{RESET}") } else { text.to_owned() }
    }

    /// Gives everything to whoever reads.
    pub fn finish(&mut self) -> Result<(), CliError> {
        self.sink.flush().map_err(CliError::Output)
    }
}

/// Tells on standard error what is wrong and what to do.
pub fn report(error: &CliError, options: &Options) {
    let stderr = io::stderr();
    let is_colored = stderr.is_terminal() && may_color(options);
    let (on, off) = if is_colored { (BOLD_RED, RESET) } else { ("", "") };
    let mut text = format!("{on}error:{off} {error}\n");
    for place in error.places() {
        text.push_str(&format!("  {place}\n"));
    }
    if let Some(advice) = error.advice() {
        text.push_str(&format!("{advice}\n"));
    }
    // Where nobody listens, the exit code has to do.
    let _ = stderr.lock().write_all(text.as_bytes());
}

/// Whether colours are welcome: <https://no-color.org>.
pub fn may_color(options: &Options) -> bool {
    !options.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
