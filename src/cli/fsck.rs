use std::path::PathBuf;

use clap::Args;

use super::CliError;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::progress::Bar;
use super::table::Table;
use crate::service::{self, FsckReport, Severity};

/// Check that a project is whole
///
/// Reads and hashes every object, walks the journal from its end to its beginning, looks where the journal has
/// each branch, compares the history index with one built from nothing, and reads settings and every document.
/// Nothing is changed. Beside a running server a copy of one moment is checked. Exits with 1 when something is
/// damaged; mistakes in the configuration, and branches moved from outside, are warnings.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confgit fsck ./data\n  confgit fsck ./data --strict -o json")]
pub struct Fsck {
    /// The project's directory; the one of --repo when not given
    dir: Option<PathBuf>,
    /// Warnings count as damage
    #[arg(long)]
    strict: bool,
}

impl Fsck {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        options.without_env("fsck")?;
        let dir = match (self.dir.as_deref(), options.repo()) {
            (Some(_), Some(_)) => {
                return Err(CliError::Usage("the directory is given twice: leave out --repo".to_owned()));
            }
            (Some(dir), None) | (None, Some(dir)) => dir,
            (None, None) => {
                let message =
                    "files are checked, not a server: name the project's directory, as in `confgit fsck DIR`";
                return Err(CliError::Usage(message.to_owned()));
            }
        };
        let mut bar = Bar::new();
        let report = service::fsck(dir, &mut bar)?;
        bar.clear();
        if output.format() == OutputFormat::Table {
            show(&report, output)?;
        } else {
            output.data(&report)?;
        }
        output.finish()?;
        match report.result {
            Severity::Damaged => Err(CliError::Failed(format!(
                "{} of {} checks found damage",
                report.damaged(),
                report.checks.len()
            ))),
            Severity::Warning if self.strict => {
                Err(CliError::Failed("there are warnings, which count with --strict".to_owned()))
            }
            Severity::Warning | Severity::Ok => Ok(()),
        }
    }
}

fn show(report: &FsckReport, output: &mut Output) -> Result<(), CliError> {
    let mut table = Table::new(&["CHECK", "RESULT", "COVERED"], &[2]);
    for check in &report.checks {
        table.row(vec![check.check.to_owned(), check.result.name().to_owned(), check.covered.clone()]);
    }
    output.table(&table)?;
    for check in &report.checks {
        for finding in &check.findings {
            let severity = if finding.severity == Severity::Ok { "note" } else { finding.severity.name() };
            output.line(format!("{severity}: {}: {}", check.check, finding.message))?;
        }
    }
    Ok(())
}
