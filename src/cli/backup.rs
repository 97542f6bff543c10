use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::CliError;
use super::age::now;
use super::options::{Options, OutputFormat};
use super::output::Output;
use super::progress::Bar;
use crate::auth::AdminGrant;
use crate::service::{self, BackupError, Manifest, Progress as _, check_archive};

/// Back a project up into one file
///
/// Writes a tar archive with everything that exists nowhere else: both repositories, and the audit log and
/// event store where there are any, all of one moment. Writes go on meanwhile. A name that ends in .tar.gz or
/// .tgz is packed by gzip; `-` writes to standard output. The file appears under its name once it has been
/// read back and every byte compared. The key must be an administrator's.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit backup shop.tar\n  \
    confgit backup --repo ./data shop.tar.gz\n  \
    confgit backup - | ssh vault 'cat > shop.tar'")]
pub struct Backup {
    /// The file to write; - for standard output
    file: PathBuf,
}

/// What a backup holds, in short.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    file: String,
    bytes: u64,
    project: &'a str,
    time: &'a str,
    sequence: u64,
    journal: Option<&'a str>,
    files: usize,
    not_included: &'a [String],
}

impl Backup {
    /// Runs the command.
    pub fn run(self, options: &Options, output: &mut Output) -> Result<(), CliError> {
        options.without_env("backup")?;
        let mut bar = Bar::new();
        if self.file == FilePath::new("-") {
            let stdout = io::stdout();
            if stdout.is_terminal() {
                let message = "a terminal cannot show an archive: name a file, or send it on with `|` or `>`";
                return Err(CliError::Usage(message.to_owned()));
            }
            return write_archive(options, &mut stdout.lock(), &mut bar);
        }
        let part = part_of(&self.file);
        let manifest = write_file(options, &self.file, &part, &mut bar).inspect_err(|_| {
            // What was not finished is no backup; nothing of use is lost with it.
            let _ = fs::remove_file(&part);
        })?;
        bar.clear();
        report(&self.file, &manifest, output)
    }
}

fn report(file: &FilePath, manifest: &Manifest, output: &mut Output) -> Result<(), CliError> {
    let bytes = fs::metadata(file).map_err(|error| unwritable(file, &error))?.len();
    if output.format() != OutputFormat::Table {
        return output.data(&Summary {
            file: file.display().to_string(),
            bytes,
            project: &manifest.project,
            time: &manifest.time,
            sequence: manifest.sequence,
            journal: manifest.journal.as_deref(),
            files: manifest.files.len(),
            not_included: &manifest.not_included,
        });
    }
    let (file, project, sequence) = (file.display(), &manifest.project, manifest.sequence);
    output.line(format!("backed up {project} as of change set {sequence} into {file} ({bytes} bytes)"))?;
    for name in &manifest.not_included {
        output.line(format!("not included: {name}"))?;
    }
    Ok(())
}

/// Writes the file beside its name, reads it back, and gives it its name.
fn write_file(
    options: &Options,
    file: &FilePath,
    part: &FilePath,
    bar: &mut Bar,
) -> Result<Manifest, CliError> {
    let failed = |error: io::Error| unwritable(file, &error);
    // Hashes of keys are in it, so it is its owner's alone.
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part);
    let mut out = BufWriter::with_capacity(256 << 10, opened.map_err(failed)?);
    if is_packed(file) {
        let mut packed = GzEncoder::new(&mut out, Compression::fast());
        write_archive(options, &mut packed, bar)?;
        packed.finish().map_err(failed)?;
    } else {
        write_archive(options, &mut out, bar)?;
    }
    out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    let manifest = check_archive(&mut File::open(part).map_err(failed)?, bar)
        .map_err(|error| CliError::Failed(format!("the backup arrived damaged: {error}; try again")))?;
    fs::rename(part, file).map_err(failed)?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let synced = File::open(parent.unwrap_or(FilePath::new("."))).and_then(|dir| dir.sync_all());
    synced.map_err(failed)?;
    Ok(manifest)
}

/// Writes the archive of the server or the local project.
fn write_archive(options: &Options, out: &mut dyn Write, bar: &mut Bar) -> Result<(), CliError> {
    if let Some(dir) = options.repo() {
        let name =
            fs::canonicalize(dir).ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
        let grant = AdminGrant::local(Arc::from("local"));
        let name = name.unwrap_or_else(|| "default".to_owned());
        let backup = service::Backup::prepare(dir, &name, &grant, now(), bar)?;
        return Ok(backup.write(out, bar)?);
    }
    let mut download = options.client()?.backup()?;
    bar.begin("downloading", download.length.unwrap_or(0));
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match download.content.read(&mut buffer) {
            Ok(0) => return out.flush().map_err(|error| BackupError::Write(error).into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(CliError::Failed(format!(
                    "the server broke off half-way: {error}; its log says why"
                )));
            }
        };
        out.write_all(&buffer[..read]).map_err(BackupError::Write)?;
        bar.advance(read as u64);
    }
}

fn is_packed(file: &FilePath) -> bool {
    let name = file.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(b".tar.gz") || name.ends_with(b".tgz")
}

fn part_of(file: &FilePath) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn unwritable(file: &FilePath, error: &io::Error) -> CliError {
    CliError::Failed(format!("{} cannot be written: {error}", file.display()))
}
