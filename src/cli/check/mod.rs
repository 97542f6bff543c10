mod sarif;
mod show;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::Output;
use crate::present::problem_item;
use crate::service::{TreeFinding, TreeReport, check_tree};
use crate::wire::ProblemItem;

/// Check configuration before it lands
///
/// Checks a tree of files as a server does: everything parses, no path is given twice, references and templates lead
/// somewhere, and what each environment shows is as its JSON Schemas say. DIR is a whole project (a folder for each
/// environment, and `meta/` with settings) or the files of one environment. All problems are told at once, each with
/// its place. Exits with 4 when there are any.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit check\n  \
    confgit check example-repo -o json\n  \
    confgit check --sarif > results.sarif")]
pub struct Check {
    /// The folder; the present one when not given
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,
    /// Print SARIF 2.1.0, which forges show beside the lines
    #[arg(long)]
    sarif: bool,
}

/// What `-o json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    environments: Vec<&'a str>,
    files: usize,
    entries: usize,
    errors: Vec<ProblemItem>,
}

impl Check {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        options.without_target("check")?;
        if !self.dir.is_dir() {
            return Err(CliError::Usage(format!("{} is no folder", self.dir.display())));
        }
        let report = check_tree(&self.dir)?;
        let TreeReport { environments, files, entries, findings } = &report;
        if self.sarif {
            output.value(crate::document::Format::Json, &sarif::log(findings))?;
        } else if output.format() == OutputFormat::Table {
            show::print(&report, output)?;
        } else {
            let errors = findings.iter().map(item).collect();
            let environments = environments.iter().map(|name| &**name).collect();
            output.data(&Answer { environments, files: *files, entries: *entries, errors })?;
        }
        output.finish()?;
        match findings.len() {
            0 => Ok(()),
            count => Err(CliError::Invalid { count }),
        }
    }
}

fn item(finding: &TreeFinding) -> ProblemItem {
    let env = finding.environment.as_ref().map(ToString::to_string);
    ProblemItem { env, ..problem_item(&finding.diagnostic) }
}
