mod draw;
mod node;

use clap::Args;

use self::draw::{Draw, Lines};
use self::node::TreeNode;
use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::path;
use crate::client::{Moment, Place};

/// The columns of a line where there is no terminal: a certificate is not printed whole there either.
const LOG_WIDTH: usize = 160;

/// Print what is below a path as a tree
///
/// Every entry is shown with its value, its version, and the environment it comes from where that is another one.
/// What does not fit into a line is cut, and with -L what is nested deeper is only counted; `-o json` and
/// `-o yaml` give all of it, nested.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit tree\n  \
    confgit tree /myapp --env prod\n  \
    confgit tree -L 2\n  \
    confgit tree myapp.database --at 2026-01-31T12:00:00Z -o yaml")]
pub struct Tree {
    /// The path; the root when not given
    #[arg(default_value = "/", hide_default_value = true)]
    path: String,
    /// How many levels are shown
    #[arg(short = 'L', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    level: Option<u16>,
    /// The values as they were at a sequence, commit, tag or time
    #[arg(long, value_name = "POINT")]
    at: Option<String>,
}

impl Tree {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        let place = Place { path: path(&self.path)?, env: options.env.clone() };
        let moment = self.at.map_or(Moment::Now, Moment::At);
        let entries = options.target()?.entries(&place, &moment)?;
        let tree = TreeNode::of(&place.path, entries, self.level.map(usize::from));
        if output.format() != OutputFormat::Table {
            return output.data(&tree);
        }
        let lines = if is_utf8_locale(|name| std::env::var(name).ok()) { Lines::Drawn } else { Lines::Ascii };
        Draw { lines, width: output.width().map_or(LOG_WIDTH, usize::from) }.print(&tree, output)
    }
}

/// Whether the locale can show lines: by the first of the variables that is set, as POSIX orders them.
fn is_utf8_locale(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    set.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        for (all, ctype, lang, utf8) in [
            ("", "", "en_GB.UTF-8", true),
            ("", "", "C.utf8", true),
            ("C", "", "en_GB.UTF-8", false),
            ("", "de_DE.ISO-8859-1", "en_GB.UTF-8", false),
            ("", "", "", false),
        ] {
            let variable = |name: &str| {
                Some(match name {
                    "LC_ALL" => all.to_owned(),
                    "LC_CTYPE" => ctype.to_owned(),
                    _ => lang.to_owned(),
                })
            };
            assert_eq!(is_utf8_locale(variable), utf8, "{all:?} {ctype:?} {lang:?}");
        }
    }
}
