//! `confgit promote`: from one environment to another, with what is to be decided on the way.

mod decide;
mod show;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::edit::{EditedFile, editor_command};
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::path_argument::path;
use super::{CliError, preview};
use crate::client::Promotion;
use crate::wire::{Promote as Asked, PromotionConflict, Resolution, Side};

/// Bring what one environment says to another
///
/// What changed in the layer of FROM since it was promoted last comes over to the layer of TO as one commit; at first
/// what differs from what their common ancestor shows. What describes entries comes along, variables do not unless PATH
/// names them. Entries that both changed, each in its way, are shown side by
/// side and nothing is written: take one side of all of them with --ours (TO) or --theirs (FROM), or decide one by one
/// with --edit, or in a file that --conflicts writes and --resolve reads.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit promote dev staging --dry-run\n  \
    confgit promote dev staging /myapp -m 'the release of May'\n  \
    confgit promote dev staging --theirs\n  \
    confgit promote dev staging --edit\n  \
    confgit promote dev staging --conflicts decide.yaml; $EDITOR decide.yaml; \\\n      \
      confgit promote dev staging --resolve decide.yaml")]
pub struct Promote {
    /// The environment that is promoted
    #[arg(id = "from_env", value_name = "FROM")]
    from: String,
    /// The environment whose layer is written
    #[arg(id = "to_env", value_name = "TO")]
    to: String,
    /// What is at or below this path
    #[arg(default_value = "/", hide_default_value = true)]
    path: String,
    /// What the commit says
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Show what every environment would show, and write nothing
    #[arg(long, conflicts_with_all = ["edit", "conflicts"])]
    dry_run: bool,
    /// Where both changed an entry, TO keeps its own
    #[arg(long, conflicts_with_all = ["theirs", "edit", "conflicts"])]
    ours: bool,
    /// Where both changed an entry, what FROM says counts
    #[arg(long, conflicts_with_all = ["edit", "conflicts"])]
    theirs: bool,
    /// Decide in $VISUAL or $EDITOR where both changed an entry
    #[arg(long, conflicts_with = "conflicts")]
    edit: bool,
    /// Write what is to be decided to this new file, for --resolve
    #[arg(long, value_name = "FILE")]
    conflicts: Option<PathBuf>,
    /// What was decided, in a file as --conflicts writes it
    #[arg(long, value_name = "FILE")]
    resolve: Option<PathBuf>,
}

/// What is printed for programs where something is to be decided.
#[derive(Serialize)]
struct Undecided<'a> {
    conflicts: &'a [PromotionConflict],
}

impl Promote {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        if options.env.is_some() {
            let message = "`confgit promote` names its environments itself: leave out --env";
            return Err(CliError::Usage(message.to_owned()));
        }
        let mut asked = self.asked()?;
        let target = options.target()?;
        let mut conflicts = match target.promote(&asked)? {
            Promotion::Made(promoted) if self.dry_run => return show::dry_run(&promoted, output),
            Promotion::Made(promoted) => return show::promoted(&promoted, output),
            Promotion::Conflicts(conflicts) => conflicts,
        };
        if self.edit {
            // An editor that cannot be opened is told before anything is shown in it.
            let (command, file) = (editor_command()?, EditedFile::new(".yaml")?);
            loop {
                let text = decide::text(&asked, &conflicts);
                let decided = decide::edited(&command, &file, text)?;
                match conflicts.iter().filter(|conflict| !decided.contains_key(&conflict.path)).count() {
                    0 => asked.resolutions.extend(decided),
                    count => return Err(file.keep(CliError::Undecided { count, file: None })),
                }
                match target.promote(&asked) {
                    Ok(Promotion::Made(promoted)) => return show::promoted(&promoted, output),
                    // Somebody changed more meanwhile.
                    Ok(Promotion::Conflicts(more)) => conflicts = more,
                    Err(error) => return Err(file.keep(error)),
                }
            }
        }
        if let Some(file) = &self.conflicts {
            let failed = |error| CliError::Failed(format!("{} cannot be written: {error}", file.display()));
            // What was decided already is not to be lost.
            let mut made = fs::File::create_new(file).map_err(failed)?;
            made.write_all(decide::text(&asked, &conflicts).as_bytes()).map_err(failed)?;
        }
        if output.format() == OutputFormat::Table {
            show::conflicts(&asked, &conflicts, output)?;
        } else {
            output.data(&Undecided { conflicts: &conflicts })?;
        }
        Err(CliError::Undecided { count: conflicts.len(), file: self.conflicts })
    }

    fn asked(&self) -> Result<Asked, CliError> {
        let resolutions: BTreeMap<String, Resolution> = match &self.resolve {
            None => BTreeMap::new(),
            Some(file) => decide::read_file(file)?,
        };
        Ok(Asked {
            from: self.from.clone(),
            to: self.to.clone(),
            path: Some(path(&self.path)?.to_string()),
            take: match (self.ours, self.theirs) {
                (true, _) => Some(Side::Ours),
                (_, true) => Some(Side::Theirs),
                _ => None,
            },
            resolutions,
            message: self.message.clone(),
            dry_run: self.dry_run,
        })
    }
}
