use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest as _, Sha256};

use super::list::Wanted;
use crate::bundle;
use crate::cli::CliError;
use crate::cli::export::ExportFormat;
use crate::client::{Client, Export, Moment, Place};

/// Copies are for who runs the agent alone: they may hold secrets.
const CACHE_MODE: u32 = 0o600;

/// What is done after a file changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// A command for the shell.
    Command(String),
    /// A signal to the process whose number a file holds.
    Signal {
        /// The signal.
        signal: Signal,
        /// The file.
        pid_file: PathBuf,
    },
}

/// A file that is kept up to date.
#[derive(Debug)]
pub struct Kept {
    /// What it is to hold.
    pub wanted: Wanted,
    /// Whether it may be out of date.
    pub is_due: bool,
    cache: Option<PathBuf>,
}

/// A file that holds what it is to hold.
#[derive(Debug)]
pub struct Written {
    /// Which.
    pub to: PathBuf,
    /// Whether it held something else before.
    pub is_changed: bool,
}

impl Kept {
    /// The file, with a copy in a folder where there is one.
    pub fn new(wanted: Wanted, cache: Option<&FilePath>) -> Result<Self, CliError> {
        let cache = match cache {
            None => None,
            Some(folder) => {
                let failed = |error| CliError::Failed(format!("{}: {error}", folder.display()));
                fs::create_dir_all(folder).map_err(failed)?;
                let target = std::path::absolute(&wanted.to).unwrap_or_else(|_| wanted.to.clone());
                let digest = Sha256::digest(target.as_os_str().as_encoded_bytes());
                let name = digest.iter().fold(String::new(), |mut name, byte| {
                    // Writing to a String cannot fail.
                    let _ = write!(name, "{byte:02x}");
                    name
                });
                Some(folder.join(name))
            }
        };
        Ok(Kept { wanted, is_due: false, cache })
    }

    /// Brings it up to date: as a whole, or not at all.
    pub fn refresh(&self, client: &Client) -> Result<Written, CliError> {
        let Wanted { path, env, format, to, mode, with_secrets, .. } = &self.wanted;
        let place = Place { path: path.clone(), env: env.clone() };
        let wanted =
            Export { format: format.name(), with_secrets: *with_secrets, name: None, moment: Moment::Now };
        let content = client.export(&place, &wanted)?;
        let failed = |error: std::io::Error| CliError::Failed(format!("it cannot be written: {error}"));
        // Another change set alone is no news: the programs that use the file would be told of nothing.
        let is_changed = !fs::read(to).is_ok_and(|present| says_the_same(*format, &present, &content));
        if is_changed {
            write_whole(to, &content, *mode).map_err(failed)?;
        }
        if let Some(cache) = &self.cache
            && !fs::read(cache).is_ok_and(|present| says_the_same(*format, &present, &content))
        {
            write_whole(cache, &content, CACHE_MODE).map_err(failed)?;
        }
        Ok(Written { to: to.clone(), is_changed })
    }

    /// Whether it is there, or its copy is, which then comes to its place.
    pub fn is_there_or_comes_back(&self) -> bool {
        if self.wanted.to.exists() {
            return true;
        }
        let copy = self.cache.as_ref().and_then(|cache| fs::read(cache).ok());
        copy.is_some_and(|content| write_whole(&self.wanted.to, &content, self.wanted.mode).is_ok())
    }
}

/// Whether two contents of a file have the same values.
fn says_the_same(format: ExportFormat, one: &[u8], other: &[u8]) -> bool {
    let texts = (std::str::from_utf8(one), std::str::from_utf8(other));
    match (format.bundle(), texts) {
        (Some(bundle), (Ok(one), Ok(other))) => bundle::says_the_same(bundle, one, other),
        _ => one == other,
    }
}

/// Writes a file so that whoever reads it sees all of the old content or all of the new, whatever ends this process.
fn write_whole(file: &FilePath, content: &[u8], mode: u32) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| FilePath::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".confgit-").tempfile_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    temporary.persist(file)?;
    fs::File::open(folder)?.sync_all()
}

impl Reaction {
    /// Does it; the error says what went wrong.
    pub fn run(&self) -> Result<(), String> {
        match self {
            Reaction::Command(command) => match Command::new("sh").args(["-c", command]).status() {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("`{command}`: {status}")),
                Err(error) => Err(format!("`{command}` cannot be run: {error}")),
            },
            Reaction::Signal { signal, pid_file } => {
                let name = pid_file.display();
                let text = fs::read_to_string(pid_file).map_err(|error| format!("{name}: {error}"))?;
                // Nothing but one process: zero and negative numbers name many.
                let pid = text.trim().parse::<i32>().ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
                let pid = pid.ok_or_else(|| format!("{name} does not hold the number of a process"))?;
                kill_process(pid, *signal)
                    .map_err(|error| format!("the process of {name} cannot be told: {error}"))
            }
        }
    }
}
