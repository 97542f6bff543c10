//! What a shell offers while a command is typed: commands and options from their definitions, paths,
//! environments and versions from the server or project that the command line so far names.
//!
//! Whatever goes wrong, nothing is offered and nothing is said: a shell that completes has no place for errors.

use std::ffi::OsStr;
use std::sync::mpsc;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::age::{age_of, now};
use super::options::Options;
use super::path_argument::path;
use super::target::Target;
use super::{Cli, CliError};
use crate::client::{ListItem, Moment, Place};
use crate::model::Path;

/// The process variable by which the scripts of `confgit completions` ask.
pub const VARIABLE: &str = "CONFGIT_COMPLETE";

/// How long a shell is kept waiting.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How many versions are offered.
const MOST_VERSIONS: usize = 50;

/// Answers a shell, if it is a shell that asks.
pub fn answered() -> bool {
    let arguments = std::env::args_os();
    // What cannot be answered is no reason to run the command that is being typed.
    CompleteEnv::with_factory(command).var(VARIABLE).try_complete(arguments, None).unwrap_or(true)
}

/// The commands, with what their arguments can be: an argument of the same name is the same everywhere.
fn command() -> Command {
    with_completers(Cli::command())
}

fn with_completers(command: Command) -> Command {
    command.mut_args(with_completer).mut_subcommands(with_completers)
}

fn with_completer(argument: Arg) -> Arg {
    match argument.get_id().as_str() {
        "path" => argument.add(ArgValueCompleter::new(paths)),
        // What something goes below, as `import` has it; elsewhere `--to` may be a version or an environment.
        "to" if is_path(&argument) => argument.add(ArgValueCompleter::new(paths)),
        "env" | "from_env" | "to_env" => argument.add(ArgValueCompleter::new(environments)),
        "version" | "if_version" | "to_version" => argument.add(ArgValueCompleter::new(versions)),
        _ => argument,
    }
}

fn is_path(argument: &Arg) -> bool {
    argument.get_value_names().is_some_and(|names| names.iter().any(|name| name == "PATH"))
}

/// The command line so far: its options, and what it is about.
struct Typed {
    options: Options,
    path: Option<String>,
}

impl Typed {
    fn read() -> Option<Self> {
        let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
        let matches = Cli::command().ignore_errors(true).try_get_matches_from(words).ok()?;
        let options = Options::from_arg_matches(&matches).ok()?;
        Some(Typed {
            options,
            path: innermost(&matches).try_get_one::<String>("path").ok().flatten().cloned(),
        })
    }
}

fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, below)| innermost(below))
}

/// Asks the server or project on a thread of its own, which is left alone when it takes too long.
fn ask<T: Send + 'static>(
    question: impl FnOnce(&Target, &Typed) -> Result<Vec<T>, CliError> + Send + 'static,
) -> Vec<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let answer = Typed::read().and_then(|typed| {
            let target = typed.options.impatient_target(PATIENCE).ok()?;
            question(&target, &typed).ok()
        });
        // Nobody may be waiting any more.
        let _ = sender.send(answer.unwrap_or_default());
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_default()
}

fn environments(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = ask(|target, _| {
        Ok(target.status()?.environments.into_iter().map(|environment| environment.name).collect())
    });
    offered(current, names.into_iter().map(|name| (name, None)))
}

fn versions(current: &OsStr) -> Vec<CompletionCandidate> {
    let items = ask(|target, typed| {
        let Some(text) = &typed.path else { return Ok(Vec::new()) };
        let place = Place { path: path(text)?, env: typed.options.env.clone() };
        target.history(&place, MOST_VERSIONS)
    });
    let now = now();
    let shown = |item: crate::wire::HistoryItem| {
        let help = format!("{}, {}: {}", age_of(now, &item.updated_at), item.updated_by, item.message);
        (item.version.to_string(), Some(help))
    };
    offered(current, items.into_iter().map(shown))
}

fn paths(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = current.to_str().map(Spelling::of) else { return Vec::new() };
    let spelling = typed.clone();
    let names = ask(move |target, typed| {
        let env = typed.options.env.clone();
        let mut found = spelling.candidates(
            target.list(&Place { path: spelling.above()?, env: env.clone() }, &Moment::Now)?.entries,
        );
        // After a single name that ends with a dot a shell would put a space: what is below it is offered at once.
        if let ([only], '.') = (&found[..], spelling.separator)
            && let Some(below) = only.strip_suffix('.')
        {
            let place = Place { path: path(below)?, env };
            let spelling = Spelling { above: below.to_owned(), start: String::new(), separator: '.' };
            found = spelling.candidates(target.list(&place, &Moment::Now)?.entries);
        }
        Ok(found)
    });
    offered(current, names.into_iter().map(|name| (name, None)))
}

/// A path as far as it is typed, with slashes or with dots.
#[derive(Debug, Clone, PartialEq)]
struct Spelling {
    /// What is complete, without the separator after it.
    above: String,
    /// How the next name begins.
    start: String,
    separator: char,
}

impl Spelling {
    fn of(text: &str) -> Self {
        // As in a path argument: without any slash, dots separate; one in front belongs to a name.
        let is_dotted = !text.contains('/') && !text.starts_with('.') && text.contains('.');
        let separator = if is_dotted { '.' } else { '/' };
        let (above, start) =
            text.rsplit_once(separator).map_or((None, text), |(above, start)| (Some(above), start));
        let above = match above {
            // Whoever begins with a slash goes on with it.
            Some("") => "/",
            Some(above) => above,
            None => "",
        };
        Spelling { above: above.to_owned(), start: start.to_owned(), separator }
    }

    fn above(&self) -> Result<Path, CliError> {
        if self.above.is_empty() { Ok(Path::root()) } else { path(&self.above) }
    }

    /// The names that go on like this, objects with the separator after them.
    fn candidates(&self, items: Vec<ListItem>) -> Vec<String> {
        let candidate = |item: ListItem| {
            let name = item.path.rsplit('/').next()?;
            let fits = name.starts_with(&self.start) && (self.separator == '/' || !name.contains('.'));
            let end = if item.kind == "object" { self.separator.to_string() } else { String::new() };
            let between = match self.above.as_str() {
                "" | "/" => String::new(),
                _ => self.separator.to_string(),
            };
            (fits && is_harmless(name)).then(|| format!("{}{between}{name}{end}", self.above))
        };
        items.into_iter().filter_map(candidate).collect()
    }
}

/// Whether a shell takes a name for nothing else. Bash puts what it is offered on the command line as it is, and
/// the names of paths are others' choice.
fn is_harmless(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '%' | '+' | '@' | ','))
}

fn offered(
    current: &OsStr,
    names: impl Iterator<Item = (String, Option<String>)>,
) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let fitting = names.filter(|(name, _)| name.starts_with(&*current));
    fitting
        .enumerate()
        .map(|(order, (name, help))| {
            CompletionCandidate::new(name).help(help.map(Into::into)).display_order(Some(order))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_on_as_they_began() {
        let item = |path: &str, kind: &str| ListItem {
            name: path.rsplit('/').next().unwrap().to_owned(),
            path: path.to_owned(),
            kind: kind.to_owned(),
            version: None,
        };
        for (text, above, expected) in [
            ("/m", "/", "/my/ /mo"),
            ("m", "/", "my/ mo"),
            ("", "/", "my/ mo x.y"),
            ("/", "/", "/my/ /mo /x.y"),
            ("/a/m", "/a", "/a/my/ /a/mo"),
            ("a/m", "/a", "a/my/ a/mo"),
            ("a.m", "/a", "a.my. a.mo"),
            ("a.b.", "/a/b", "a.b.my. a.b.mo"),
            (".m", "/", ""),
        ] {
            let spelling = Spelling::of(text);
            assert_eq!(spelling.above().unwrap().as_str(), above, "{text}");
            let items =
                [("my", "object"), ("mo", "entry"), ("x.y", "entry"), ("$(m)", "entry"), ("m;m", "entry")];
            let items = items.map(|(name, kind)| item(&format!("/{name}"), kind)).into();
            assert_eq!(spelling.candidates(items).join(" "), expected, "{text}");
        }
    }
}
