use clap::Args;

use super::CliError;
use super::change::{Summary, print_change};
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::path;
use crate::client::{Comparison, Sides};
use crate::wire::Diff as Difference;

/// Show what changed
///
/// Compares two moments of an environment: FROM and TO are each a sequence, a commit, a tag or a time; without TO,
/// what is there now. With --from-env and --to-env, two environments as they are; with --versions, two versions of
/// one value. Each entry that differs is shown with the words that changed, who changed it and when.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit diff 41 42\n  \
    confgit diff v1.2 --path /myapp --env prod\n  \
    confgit diff 2026-01-31T12:00:00Z\n  \
    confgit diff --from-env staging --to-env prod\n  \
    confgit diff --path /myapp/database/pool_size --versions 1..3\n  \
    confgit diff 41 --unified > changes.diff")]
pub struct Diff {
    /// The moment that is compared
    #[arg(required_unless_present_any = ["from_env", "versions"])]
    from: Option<String>,
    /// The moment it is compared with; now when not given
    to: Option<String>,
    /// Only what is at or below this path
    #[arg(short, long, value_name = "PATH", default_value = "/", hide_default_value = true)]
    path: String,
    /// The environment that is compared
    #[arg(long, value_name = "ENV", requires = "to_env", conflicts_with_all = ["from", "versions"])]
    from_env: Option<String>,
    /// The environment it is compared with
    #[arg(long, value_name = "ENV", requires = "from_env")]
    to_env: Option<String>,
    /// Two versions of the value at --path, as 1..3; `..` compares the newest with the one before
    #[arg(long, value_name = "FROM..TO", requires = "path", conflicts_with = "from")]
    versions: Option<String>,
    /// A unified diff, as `diff -u` writes it
    #[arg(short, long)]
    unified: bool,
}

impl Diff {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let comparison = self.comparison(options)?;
        let difference = options.target()?.diff(&comparison)?;
        if self.unified {
            return super::change::print_unified(&difference, output);
        }
        if output.format() != OutputFormat::Table {
            return output.data(&difference);
        }
        print(&difference, output)
    }

    fn comparison(&self, options: &Options) -> Result<Comparison, CliError> {
        let path = path(&self.path)?;
        let env = options.env.clone();
        let sides = match (&self.from_env, &self.to_env, &self.versions, &self.from) {
            (Some(_), Some(_), ..) if env.is_some() => {
                return Err(CliError::Usage(
                    "--from-env and --to-env name the environments: leave out --env".to_owned(),
                ));
            }
            (Some(from), Some(to), ..) => Sides::Environments { from: from.clone(), to: to.clone() },
            (_, _, Some(versions), _) => {
                let (from, to) = range(versions)?;
                Sides::Versions { env, from, to }
            }
            (_, _, None, Some(from)) => Sides::Moments { env, from: from.clone(), to: self.to.clone() },
            (_, _, None, None) => return Err(CliError::Usage("name the moment to compare with".to_owned())),
        };
        Ok(Comparison { path, sides })
    }
}

/// `1..3`, `1..`, `..3`, `..`.
fn range(text: &str) -> Result<(Option<u64>, Option<u64>), CliError> {
    let wrong = || CliError::Usage(format!("--versions {text}: write two versions as 1..3"));
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| wrong()),
    };
    Ok((number(from)?, number(to)?))
}

fn print(difference: &Difference, output: &mut Output) -> Result<(), CliError> {
    let mut summary = Summary::default();
    for change in &difference.changes {
        summary.add(change);
        print_change(change, output)?;
    }
    output.line(summary.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_versions() {
        for (text, expected) in [
            ("1..3", Some((Some(1), Some(3)))),
            ("..", Some((None, None))),
            ("2..", Some((Some(2), None))),
            ("..4", Some((None, Some(4)))),
            ("3", None),
            ("a..b", None),
            ("1...3", None),
        ] {
            assert_eq!(range(text).ok(), expected, "{text}");
        }
    }
}
