use std::io::Write as _;
use std::process::{Command, Stdio};

use clap::Args;

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::{Emphasis, Output};
use super::path_argument::path;
use super::voice::{say, say_lost};
use crate::client::{Heard, WatchQuestion};
use crate::wire::ChangeEvent;

/// Tell changes as they happen
///
/// One line for each path that changes in the environment, until it is interrupted: what a connection that breaks off
/// misses is told once it is back. With --exec a command runs for each change set, one after the other, with its events
/// as a JSON array on standard input.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit watch /myapp --env prod\n  \
    confgit watch /myapp /shared --resolved --initial\n  \
    confgit watch --since 2026-01-31T12:00:00Z -o json | jq .path\n  \
    confgit watch /myapp --env prod --exec 'systemctl reload myapp'")]
pub struct Watch {
    /// The paths at and below which changes are told; everything when not given
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// What services read, rather than what is written: also where only a variable, reference or template changed
    #[arg(long)]
    resolved: bool,
    /// The present values first
    #[arg(long, conflicts_with = "since")]
    initial: bool,
    /// What came after a sequence, commit, tag or time, first
    #[arg(long, value_name = "POINT")]
    since: Option<String>,
    /// A command for the shell that runs for each change set; `CONFGIT_SEQUENCE` and `CONFGIT_ENV` say which
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// What this watcher calls itself in `confgit client list`; with a command, it acknowledges what that has done
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
}

impl Watch {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let client = options.server_client("watch")?;
        let mut prefixes = self.paths.iter().map(|text| path(text)).collect::<Result<Vec<_>, _>>()?;
        if prefixes.is_empty() {
            prefixes.push(crate::model::Path::root());
        }
        let watching = client.watch(WatchQuestion {
            resolved: self.resolved,
            prefixes,
            env: options.env.clone(),
            since: self.since,
            initial: self.initial,
            client: self.client.clone(),
        });
        let mut change_set = Vec::new();
        loop {
            match watching.next() {
                Some(Heard::Event { event, is_last }) => {
                    tell(output, &event)?;
                    output.finish()?;
                    change_set.push(*event);
                    let Some(command) = self.exec.as_deref().filter(|_| is_last) else {
                        if is_last {
                            change_set.clear();
                        }
                        continue;
                    };
                    let done = std::mem::take(&mut change_set);
                    execute(command, &done)?;
                    if let (Some(name), Some(last)) = (&self.client, done.last())
                        && let Err(error) = client.acknowledge(name, last.sequence)
                    {
                        say(format_args!("it could not be acknowledged: {error}"));
                    }
                }
                Some(Heard::Ready(_)) => {
                    // Present values are nothing that happened.
                    change_set.clear();
                }
                Some(Heard::Lost(error, pause)) => {
                    // A change set that broke off is told again, whole.
                    change_set.clear();
                    say_lost(error, pause);
                }
                Some(Heard::Refused(error)) => return Err(error.into()),
                None => return Ok(()),
            }
        }
    }
}

fn tell(output: &mut Output, event: &ChangeEvent) -> Result<(), CliError> {
    match output.format() {
        OutputFormat::Json => {
            let json = serde_json::to_string(event).map_err(|error| CliError::Failed(error.to_string()))?;
            output.line(json)
        }
        OutputFormat::Yaml => {
            output.line("---")?;
            output.data(event)
        }
        OutputFormat::Table => {
            let line = line_of(output, event);
            output.line(line)
        }
    }
}

fn line_of(output: &Output, event: &ChangeEvent) -> String {
    let shown = |value: &Option<crate::wire::Json>| value.as_ref().map(|json| one_line(json.get()));
    let (new, old) = (shown(&event.value), shown(&event.old_value));
    let what = match (event.secret_changed, event.unresolvable, old, new) {
        (true, ..) => "a secret is part of it".to_owned(),
        (_, true, ..) => output.emphasized("cannot be resolved", Emphasis::Removed),
        (_, _, Some(old), Some(new)) => format!(
            "{} -> {}",
            output.emphasized(&old, Emphasis::Removed),
            output.emphasized(&new, Emphasis::Added)
        ),
        (_, _, None, Some(new)) => output.emphasized(&new, Emphasis::Added),
        (_, _, Some(old), None) => output.emphasized(&old, Emphasis::Removed),
        (_, _, None, None) => String::new(),
    };
    let by = event.updated_by.as_deref().unwrap_or("-");
    let time = event.updated_at.as_deref().unwrap_or("-");
    let about =
        format!("#{} {time} {by}{}", event.sequence, if event.coalesced { " (several as one)" } else { "" });
    let path = output.emphasized(&event.path, Emphasis::Strong);
    format!("{:<7} {path}  {what}  {}", event.kind, output.emphasized(&about, Emphasis::Faint))
}

/// How much of a value one line shows, in characters.
const MOST_SHOWN: usize = 200;

/// A value on one line, cut where it is long; control characters of others' values do nothing to a terminal.
fn one_line(json: &str) -> String {
    let mut text: String =
        json.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_SHOWN).collect();
    if json.chars().nth(MOST_SHOWN).is_some() {
        text.push('…');
    }
    text
}

/// Runs the command for a change set, and waits for it. That it fails is told, and no reason to end.
fn execute(command: &str, events: &[ChangeEvent]) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("the command cannot be run: {error}"));
    let json = serde_json::to_vec(events).map_err(|error| CliError::Failed(error.to_string()))?;
    let (sequence, env) = events.last().map(|last| (last.sequence, last.env.clone())).unwrap_or_default();
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("CONFGIT_SEQUENCE", sequence.to_string())
        .env("CONFGIT_ENV", env)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command may end without reading it.
        let _ = stdin.write_all(&json);
    }
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        say(format_args!("the command failed on change set {sequence}: {status}"));
    }
    Ok(())
}
