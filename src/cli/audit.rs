use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::CliError;
use super::age::now;
use super::duration::time_or_ago;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::progress::Bar;
use super::table::Table;
use crate::auth::AdminGrant;
use crate::client::AuditQuestion;
use crate::present;
use crate::service::{Progress as _, verify_audit};
use crate::wire::{Audit as Stream, AuditItem, AuditReport};

/// Show who did what, and verify the audit log
///
/// Change sets, commits of the settings, and what is no commit: refusals, failed sign-ins, reads of secrets, exports.
/// Newest first. Needs an administrator, or the project's files with --repo.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  \
    confgit audit --what refused --since 24h\n  \
    confgit audit --account ines --path '/payments/**' --env prod\n  \
    confgit audit verify\n  \
    confgit audit verify ./data"
)]
pub struct Audit {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Debug, Args)]
struct Filter {
    /// Who did it
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// What happened: changed, settings-changed, refused, sign-in-failed, secret-read, exported, started, stopped or broken
    #[arg(long, value_name = "WHAT")]
    what: Option<String>,
    /// At or below this path; or a pattern of paths with * and **
    #[arg(long = "path", value_name = "PATH")]
    at: Option<String>,
    /// Not before this time, or so long ago: 24h
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Not after this time, or so long ago
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Look through the whole log for edits, cuts and reorders, and compare it with the journal
    ///
    /// Every record's hash, the chain, and that each record is there which the journal says was. With a directory,
    /// or --repo, the files alone are read, whether or not a server has them. Exits with 1 when anything is wrong.
    Verify {
        /// The project's directory; the one of --repo, else the server when not given
        dir: Option<PathBuf>,
        /// The number of the record that the log begins with, where earlier ones were archived
        #[arg(long, value_name = "NUMBER")]
        first: Option<u64>,
    },
}

impl Audit {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        match self.command {
            Some(AuditCommand::Verify { dir, first }) => verify(dir, first, options, output),
            None => {
                let now = now();
                let time = |text: Option<String>| {
                    text.map(|text| time_or_ago(&text, now).map(|time| time.to_string())).transpose()
                };
                let Filter { account, what, at, since, until, limit } = self.filter;
                let question = AuditQuestion {
                    account,
                    what,
                    env: options.env.clone(),
                    path: at,
                    since: time(since).map_err(CliError::Usage)?,
                    until: time(until).map_err(CliError::Usage)?,
                };
                let stream = options.target()?.audit(&question, limit as usize)?;
                if output.format() != OutputFormat::Table {
                    return output.data(&stream);
                }
                print(&stream, output)
            }
        }
    }
}

fn print(stream: &Stream, output: &mut Output) -> Result<(), CliError> {
    let mut table = Table::new(&["TIME", "ACCOUNT", "WHAT", "ENV", "ABOUT", "DETAIL"], &[4, 5]);
    for item in &stream.items {
        table.row(cells(item));
    }
    output.table(&table)?;
    for damage in &stream.damage {
        output.line(format!("damaged: {damage}; `confgit audit verify` tells more"))?;
    }
    Ok(())
}

fn cells(item: &AuditItem) -> Vec<String> {
    let about = match (&item.paths[..], &item.secret, item.entries) {
        (_, Some(secret), _) => secret.clone(),
        ([first, ..], _, Some(entries)) if entries > 1 => format!("{first} and {} more", entries - 1),
        ([first, ..], ..) => first.clone(),
        ([], ..) => String::new(),
    };
    let what = match item.count {
        Some(count) => format!("{} x{count}", item.what),
        None => item.what.clone(),
    };
    vec![
        item.at.get(..19).unwrap_or(&item.at).replace('T', " "),
        item.account.clone().unwrap_or_default(),
        what,
        item.env.clone().unwrap_or_default(),
        about,
        item.detail.clone().or_else(|| item.action.clone()).unwrap_or_default(),
    ]
}

fn verify(
    dir: Option<PathBuf>,
    first: Option<u64>,
    options: &Options,
    output: &mut Output,
) -> Result<(), CliError> {
    options.without_env("audit verify")?;
    let report = match (dir.as_deref(), options.repo()) {
        (Some(_), Some(_)) => {
            return Err(CliError::Usage("the directory is given twice: leave out --repo".to_owned()));
        }
        (Some(dir), None) | (None, Some(dir)) => {
            let mut bar = Bar::new();
            let mut seen = None;
            let grant = AdminGrant::local("local".into());
            let report = verify_audit(dir, &grant, first, &mut |bytes, of_bytes| {
                let before = *seen.get_or_insert_with(|| {
                    bar.begin("audit log", of_bytes);
                    0
                });
                bar.advance(bytes.saturating_sub(before));
                seen = Some(bytes);
            });
            bar.clear();
            present::audit_report(&report?)
        }
        (None, None) => options.client()?.verify_audit(first)?,
    };
    show(&report, output)?;
    if report.sound { Ok(()) } else { Err(CliError::Failed("the audit log is not what it was".to_owned())) }
}

fn show(report: &AuditReport, output: &mut Output) -> Result<(), CliError> {
    if output.format() != OutputFormat::Table {
        output.data(report)?;
        return output.finish();
    }
    if report.sound {
        let head = report.head.as_deref().map_or(String::new(), |head| format!("; the last is {head}"));
        output.line(format!(
            "{} records are as they were written, the {} that the journal names among them{head}",
            report.records, report.anchors
        ))?;
    }
    for fault in &report.faults {
        output.line(fault)?;
    }
    output.finish()
}
