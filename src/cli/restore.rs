use std::fs::File;
use std::io::{self, Read};
use std::path::{Path as FilePath, PathBuf};

use clap::Args;
use serde::Serialize;

use super::CliError;
use super::init::quoted;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::progress::Bar;
use crate::service::{self, FsckReport};

/// Restore a project from a backup
///
/// Unpacks an archive that `confgit backup` made, compares every byte of it with its manifest, checks the
/// project as `confgit fsck` does, and only then gives the directory its name: what is refused leaves nothing
/// behind. The history index is built by the first start.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit restore shop.tar ./data\n  \
    ssh vault 'cat shop.tar' | confgit restore - ./data")]
pub struct Restore {
    /// The archive; - for standard input
    file: PathBuf,
    /// The directory: empty, or not there yet
    dir: PathBuf,
    /// Leave out the checks of the restored project; the archive itself is always checked
    #[arg(long)]
    no_check: bool,
}

/// What was restored.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    dir: String,
    project: &'a str,
    time: &'a str,
    sequence: u64,
    journal: Option<&'a str>,
    files: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a FsckReport>,
}

impl Restore {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        options.without_env("restore")?;
        let mut input: Box<dyn Read> = if self.file == FilePath::new("-") {
            Box::new(io::stdin().lock())
        } else {
            let opened = File::open(&self.file);
            Box::new(opened.map_err(|error| CliError::Failed(format!("{}: {error}", self.file.display())))?)
        };
        let mut bar = Bar::new();
        let restored = service::restore(&mut input, &self.dir, !self.no_check, &mut bar)?;
        bar.clear();
        let (manifest, report) = (&restored.manifest, restored.report.as_ref());
        if output.format() != OutputFormat::Table {
            return output.data(&Summary {
                dir: self.dir.display().to_string(),
                project: &manifest.project,
                time: &manifest.time,
                sequence: manifest.sequence,
                journal: manifest.journal.as_deref(),
                files: manifest.files.len(),
                entries: report.map(|report| report.entries),
                report,
            });
        }
        let (project, sequence, dir) = (&manifest.project, manifest.sequence, self.dir.display());
        let entries = report.map(|report| format!(" with {} entries", report.entries)).unwrap_or_default();
        let made = &manifest.time;
        output.line(format!(
            "restored {project} as of change set {sequence}{entries} into {dir} (backed up at {made})"
        ))?;
        for check in report.into_iter().flat_map(|report| &report.checks) {
            for finding in &check.findings {
                output.line(format!("{}: {}", check.check, finding.message))?;
            }
        }
        output.line("")?;
        output.line("next:")?;
        output.line(format!("  confgit serve {}", quoted(&self.dir)))
    }
}
