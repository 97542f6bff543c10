use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path as FilePath, PathBuf};

use clap::Args;

use super::CliError;
use super::init::make;
use crate::auth::ApiKey;

/// What a server does at its first start, on a directory where nothing is.
#[derive(Debug, Args)]
#[command(next_help_heading = "First start")]
pub struct FirstStart {
    /// Make the project where its directory is empty or not there yet, and print its first key, once
    #[arg(long)]
    init: bool,
    /// Write that key to this new file, which only its owner may read, instead of printing it
    #[arg(long, value_name = "FILE", requires = "init")]
    init_key_file: Option<PathBuf>,
}

impl FirstStart {
    /// Makes the projects that are missing, where that is wanted.
    pub fn prepare(&self, dirs: &[&FilePath]) -> Result<(), CliError> {
        if !self.init {
            return Ok(());
        }
        if dirs.len() > 1 && self.init_key_file.is_some() {
            let message = "--init-key-file takes one key: make one project after the other, or leave it out";
            return Err(CliError::Usage(message.to_owned()));
        }
        dirs.iter().filter(|dir| is_free(dir)).try_for_each(|dir| self.make(dir))
    }

    /// Makes a project beside its place and moves it there whole: a start that dies half-way leaves a directory
    /// that the next one still finds free. The key is told last, when it is worth something.
    fn make(&self, dir: &FilePath) -> Result<(), CliError> {
        let failed = |error: io::Error| {
            CliError::Failed(format!("the project {} cannot be made: {error}", dir.display()))
        };
        let dir = std::path::absolute(dir).map_err(failed)?;
        let parent = dir.parent().unwrap_or(&dir);
        fs::create_dir_all(parent).map_err(failed)?;
        let beside = tempfile::Builder::new().prefix(".confgit-init-").tempdir_in(parent).map_err(failed)?;
        let staged = beside.path().join("project");
        let key = make(&staged, None)?.key;
        if let Some(file) = &self.init_key_file {
            write_key(file, &key).map_err(|error| {
                CliError::Failed(format!("the key cannot be written to {}: {error}", file.display()))
            })?;
        }
        fs::rename(&staged, &dir).and_then(|()| File::open(parent)?.sync_all()).map_err(failed)?;
        tracing::info!(dir = %dir.display(), "the project is made");
        if self.init_key_file.is_none() {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "the key of the first administrator, shown this once:\n  {}", key.reveal())
                .and_then(|()| stdout.flush())
                .map_err(|error| CliError::Failed(format!("the key cannot be printed: {error}")))?;
        }
        Ok(())
    }
}

/// Whether nothing is there, so that a project may be.
fn is_free(dir: &FilePath) -> bool {
    match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn write_key(file: &FilePath, key: &ApiKey) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    writeln!(file, "{}", key.reveal())?;
    file.sync_all()
}
