use clap::Args;

use super::age::{age_of, now};
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::path;
use super::table::Table;
use super::{CliError, shown};
use crate::client::{ListItem, Moment, Place};
use crate::wire::{Entries, Entry};

/// List what is below a path
///
/// Prints the names right below a path, with a slash after those that have more below them. With -r, every
/// entry below with its value, version, age and author.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  confgit ls\n  confgit ls /myapp -r\n  confgit ls services --env prod -o json"
)]
pub struct Ls {
    /// The path; the root when not given
    #[arg(default_value = "/", hide_default_value = true)]
    path: String,
    /// All entries below, with their values
    #[arg(short, long)]
    recursive: bool,
}

/// How many columns are between two names.
const GAP: usize = 2;

impl Ls {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: path(&self.path)?, env: options.env.clone() };
        let target = options.target()?;
        if self.recursive {
            return print_entries(&place, target.entries(&place, &Moment::Now)?, output);
        }
        let listing = target.list(&place, &Moment::Now)?;
        if output.format() != OutputFormat::Table {
            return output.data(&listing);
        }
        if listing.entries.is_empty() && !place.path.is_root() {
            // An entry lists as itself, as a file does.
            return output.line(&place.path);
        }
        let names: Vec<String> = listing.entries.iter().map(shown_name).collect();
        match output.width() {
            Some(width) => {
                grid(&names, usize::from(width)).into_iter().try_for_each(|line| output.line(line))
            }
            None => names.into_iter().try_for_each(|name| output.line(name)),
        }
    }
}

/// The name as a path writes it, so that it can be typed again.
fn shown_name(item: &ListItem) -> String {
    let name = item.path.rsplit('/').next().unwrap_or(&item.name);
    let slash = if item.kind == "object" { "/" } else { "" };
    format!("{name}{slash}")
}

fn print_entries(place: &Place, entries: Vec<Entry>, output: &mut Output) -> Result<(), CliError> {
    if output.format() != OutputFormat::Table {
        return output.data(&Entries { path: place.path.to_string(), entries, next: None });
    }
    let now = now();
    let mut table = Table::new(&["PATH", "VALUE", "VERSION", "AGE", "AUTHOR"], &[1]);
    for entry in &entries {
        table.row(vec![
            entry.path.clone(),
            shown::inline_entry(entry),
            entry.version.map(|version| version.to_string()).unwrap_or_default(),
            entry.updated_at.as_deref().map(|time| age_of(now, time)).unwrap_or_default(),
            entry.updated_by.clone().unwrap_or_default(),
        ]);
    }
    output.table(&table)
}

/// The names in columns, sorted downwards, in as few lines as the width allows.
fn grid(names: &[String], width: usize) -> Vec<String> {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) + GAP;
    let columns = ((width + GAP) / longest).max(1);
    let lines = names.len().div_ceil(columns);
    (0..lines)
        .map(|line| {
            let cells = names.iter().skip(line).step_by(lines);
            cells.map(|name| format!("{name:longest$}")).collect::<String>().trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_down_the_columns() {
        let names: Vec<String> = ["a/", "bb", "ccc", "d", "e"].map(str::to_owned).into();
        assert_eq!(grid(&names, 80), ["a/   bb   ccc  d    e"]);
        assert_eq!(grid(&names, 12), ["a/   d", "bb   e", "ccc"]);
        assert_eq!(grid(&names, 1), ["a/", "bb", "ccc", "d", "e"]);
        assert!(grid(&[], 80).is_empty());
    }
}
