use clap::Args;

use super::age::{age_of, now};
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::path;
use super::table::Table;
use super::{CliError, shown};
use crate::client::Place;
use crate::wire::{ExplainedLayer, ExplainedReference, Explanation};

/// Show why a value is what it is
///
/// Lists what each layer of the environment has at the path, nearest first: which one is shown and which are hidden,
/// with the file and line, the version, and the commit that made it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit explain /myapp/database/pool_size --env prod\n  \
    confgit explain myapp.database.pool_size --env prod --at v1.2\n  \
    confgit explain /myapp --env staging -o json")]
pub struct Explain {
    /// The path: /myapp/database/host or myapp.database.host
    path: String,
    /// As it was at this sequence, commit, tag or time
    #[arg(long, value_name = "MOMENT")]
    at: Option<String>,
}

impl Explain {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: path(&self.path)?, env: options.env.clone() };
        let explained = options.target()?.explain(&place, self.at.as_deref())?;
        if output.format() != OutputFormat::Table {
            return output.data(&explained);
        }
        output.line(headline(&explained))?;
        output.line("")?;
        if explained.layers.iter().all(|layer| layer.file.is_none()) {
            let mut table = Table::new(&["LAYER", "HAS", "OUTCOME"], &[]);
            for layer in &explained.layers {
                table.row(vec![layer.env.clone(), has(layer), layer.outcome.clone()]);
            }
            output.table(&table)?;
            return print_references(&explained, output);
        }
        let now = now();
        let header = &["LAYER", "HAS", "OUTCOME", "VERSION", "AGE", "AUTHOR", "PLACE", "MESSAGE"];
        let mut table = Table::new(header, &[1, 6, 7]);
        for layer in &explained.layers {
            table.row(vec![
                layer.env.clone(),
                has(layer),
                layer.outcome.clone(),
                layer.version.map(|version| version.to_string()).unwrap_or_default(),
                layer.updated_at.as_deref().map(|time| age_of(now, time)).unwrap_or_default(),
                layer.author.clone().or(layer.updated_by.clone()).unwrap_or_default(),
                place_of(layer),
                layer.message.as_deref().and_then(|text| text.lines().next()).unwrap_or_default().to_owned(),
            ]);
        }
        output.table(&table)?;
        print_references(&explained, output)
    }
}

/// What services read there, and the way that leads to it.
fn print_references(explained: &Explanation, output: &mut Output) -> Result<(), CliError> {
    let comes_to = match (&explained.resolved, &explained.secrets[..], &explained.unresolved) {
        (Some(value), ..) => format!("services read {}", shown::inline(value)),
        (None, [_, ..], _) => format!("services read a value with {} in it", secrets(&explained.secrets)),
        (None, [], Some(reason)) => format!("services can read nothing: {reason}"),
        (None, [], None) => return Ok(()),
    };
    output.line("")?;
    output.line(comes_to)?;
    let mut table = Table::bare(&[2]);
    for reference in &explained.references {
        let of = if reference.of == explained.path { String::new() } else { format!("in {}", reference.of) };
        table.row(vec![format!("  {}", reference.reference), leads_to(reference), of]);
    }
    output.table(&table)
}

fn secrets(names: &[String]) -> String {
    match names {
        [only] => format!("the secret {only}"),
        several => format!("the secrets {}", several.join(", ")),
    }
}

fn leads_to(reference: &ExplainedReference) -> String {
    let origin = reference.origin.as_ref().map(|origin| format!(", from {origin}")).unwrap_or_default();
    match (&*reference.leads_to, &reference.path, &reference.value) {
        ("entry", Some(path), Some(value)) => format!("{path} = {}{origin}", shown::inline(value)),
        ("object", Some(path), _) => format!("all below {path}"),
        ("default", _, Some(value)) => format!("not set, so {}", shown::inline(value)),
        ("secret", ..) => "a secret, not shown".to_owned(),
        ("process", ..) => "a variable of the server".to_owned(),
        ("parameter", ..) => "a parameter that is not given here".to_owned(),
        _ => "leads nowhere".to_owned(),
    }
}

fn headline(explained: &Explanation) -> String {
    let Explanation { path, env, .. } = explained;
    match (&*explained.kind, &explained.value, &explained.origin) {
        ("entry", Some(value), Some(origin)) => {
            let value = match explained.encoding {
                Some(_) => shown::bytes(value),
                None => shown::inline(value),
            };
            format!("{path} in {env} is {value}, from {origin}")
        }
        ("object", ..) => format!("{path} in {env} has entries below it"),
        _ => format!("{path} in {env}: nothing stands there"),
    }
}

/// What a layer has, on one line.
fn has(layer: &ExplainedLayer) -> String {
    match (&layer.value, &layer.at, layer.entries) {
        (Some(value), ..) if layer.encoding.is_some() => shown::bytes(value),
        (Some(value), ..) => shown::inline(value),
        (None, Some(at), _) if layer.has == "tombstone" => format!("null at {at}"),
        (None, Some(at), _) => format!("a value at {at}"),
        (None, None, Some(1)) => "1 entry".to_owned(),
        (None, None, Some(entries)) => format!("{entries} entries"),
        (None, None, None) => "-".to_owned(),
    }
}

/// The file and line on the layer's branch, as `git show BRANCH:FILE` names the file.
fn place_of(layer: &ExplainedLayer) -> String {
    let Some(file) = &layer.file else { return String::new() };
    match layer.line {
        Some(line) => format!("{}:{file}:{line}", layer.branch),
        None => format!("{}:{file}", layer.branch),
    }
}
