use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::{alone, program_within};
use super::publish::PublishError;
use super::publish::install::Install;
use super::reader::Reader;
use super::repository::Repository;

/// What the names of our quarantines begin with. Git's own begin with `tmp_objdir-` too, so that its `prune` takes away
/// old ones.
pub(super) const PREFIX: &str = "tmp_objdir-confgit-";

/// How many bytes of what Git says are kept.
const MOST_SAID_BYTES: usize = 4 << 10;

/// How much a push may bring.
#[derive(Debug, Clone, Copy)]
pub struct ReceiveLimits {
    /// Of the pack as it is sent, in bytes.
    pub pack_bytes: u64,
    /// Of objects in it.
    pub objects: u32,
    /// Of memory for looking at it, in bytes: bounds how large one object can be.
    pub memory_bytes: u64,
    /// Of a processor for looking at it.
    pub cpu: Duration,
}

/// Why a pack was not received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// What came is no pack, or not all of one.
    #[error("what was sent is no complete pack: {0}")]
    NotPack(String),
    /// The pack is larger than it may be.
    #[error("the pack is larger than {limit} bytes; push in several steps, or keep large files elsewhere")]
    TooLarge {
        /// How many bytes it may have.
        limit: u64,
    },
    /// The pack holds more objects than it may.
    #[error("the pack holds {actual} objects, more than {limit}; push in several steps")]
    TooManyObjects {
        /// How many it says it has.
        actual: u32,
        /// How many it may have.
        limit: u32,
    },
    /// Git finds something wrong with an object, or takes more time or memory than it may.
    #[error("the pack was refused: {0}")]
    Refused(String),
    /// Whoever sent it stopped half-way.
    #[error("the pack did not come to its end: {0}")]
    CutOff(io::Error),
    /// There is no Git on this machine.
    #[error("there is no `git` on the server, which takes it to push; install it there, or use the API")]
    NoGit,
    /// The file system failed.
    #[error("the pack could not be kept: {0}")]
    Io(#[from] io::Error),
}

/// Objects that somebody sent, beside the repository: nothing of it refers to them, and they go when this is dropped,
/// unless they are [taken over](Quarantine::take_over).
#[derive(Debug)]
pub struct Quarantine {
    dir: TempDir,
    /// The checksum of the pack; none where nothing new was sent.
    pack: Option<String>,
}

/// A pack of a quarantine that is in the repository now; taken out again when dropped, unless it is settled.
pub struct TakenOver(Option<Install>);

impl ReceiveLimits {
    /// What a shell is told to hold the process to that it becomes.
    pub(super) fn of_process(&self) -> String {
        format!("ulimit -d {} && ulimit -t {}", self.memory_bytes / 1024, self.cpu.as_secs().max(1))
    }
}

impl Quarantine {
    /// One in which nothing is: for what the repository holds already.
    pub fn empty(repository: &Repository) -> io::Result<Self> {
        let objects = fs::canonicalize(repository.dir().join("objects"))?;
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&objects)?;
        fs::create_dir(dir.path().join("pack"))?;
        Ok(Quarantine { dir, pack: None })
    }

    /// Receives a pack, which may be a thin one: Git completes it from the repository, and checks every object
    /// (`git index-pack --strict`: well-formed, no `.git` in a tree, and all that it names is there).
    pub fn receive(
        repository: &Repository,
        pack: &mut dyn Read,
        limits: &ReceiveLimits,
    ) -> Result<Self, ReceiveError> {
        let mut quarantine = Self::empty(repository)?;
        let header = header(pack)?;
        let count = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        if count > limits.objects {
            return Err(ReceiveError::TooManyObjects { actual: count, limit: limits.objects });
        }
        if count == 0 {
            io::copy(&mut pack.take(64), &mut io::sink()).map_err(ReceiveError::CutOff)?;
            return Ok(quarantine);
        }
        quarantine.pack = Some(quarantine.index(repository, (&header, pack), limits)?);
        Ok(quarantine)
    }

    /// Reads what was sent, and all that the repository holds.
    pub fn reader(&self, repository: &Repository) -> io::Result<Reader> {
        repository.reader_with(self.dir.path())
    }

    /// Reads nothing but what was sent. Objects that a thin pack was completed with are among it.
    pub fn own_reader(&self, repository: &Repository) -> io::Result<Reader> {
        repository.reader_of(self.dir.path())
    }

    /// How many objects its packs say they hold.
    pub(super) fn count(&self) -> io::Result<u32> {
        let mut count: u32 = 0;
        for entry in fs::read_dir(self.dir.path().join("pack"))? {
            let file = entry?.path();
            if file.extension().is_some_and(|ending| ending == "pack") {
                let header = header(&mut fs::File::open(file)?).map_err(io::Error::other)?;
                count =
                    count.saturating_add(u32::from_be_bytes([header[8], header[9], header[10], header[11]]));
            }
        }
        Ok(count)
    }

    /// Whether anything was sent.
    pub fn is_empty(&self) -> bool {
        self.pack.is_none()
    }

    /// Moves what was sent into the repository, durably. Until that is settled, a repack lets it alone, and nothing
    /// refers to it.
    pub fn take_over(&self, repository: &Repository) -> Result<TakenOver, PublishError> {
        let Some(name) = &self.pack else { return Ok(TakenOver(None)) };
        let mut install = Install::begin(&repository.pack_dir(), name)?;
        install.adopt(&self.dir.path().join("pack"))?;
        install.rename()?;
        Ok(TakenOver(Some(install)))
    }

    /// Lets Git make a pack with an index of what comes; answers its checksum.
    fn index(
        &self,
        repository: &Repository,
        (header, pack): (&[u8], &mut dyn Read),
        limits: &ReceiveLimits,
    ) -> Result<String, ReceiveError> {
        let mut child = self.index_pack(repository, limits)?;
        let said = child.stderr.take().map(|stderr| thread::spawn(move || last_words(stderr)));
        let fed = match child.stdin.take() {
            Some(stdin) => feed(stdin, header, pack, limits.pack_bytes),
            None => Ok(()),
        };
        if fed.is_err() {
            // What is still to come comes no more.
            let _ = child.kill();
        }
        let begun = Instant::now();
        let printed = child.wait_with_output()?;
        tracing::debug!(elapsed_ms = begun.elapsed().as_millis() as u64, "a pack was indexed");
        let said = said.and_then(|said| said.join().ok()).unwrap_or_default();
        fed?;
        if !printed.status.success() {
            return Err(ReceiveError::Refused(self.told(repository, &said, &printed.status)));
        }
        let printed = String::from_utf8_lossy(&printed.stdout);
        let name = printed.split_whitespace().next_back().filter(|name| name.len() == 40);
        name.map(str::to_owned)
            .ok_or_else(|| ReceiveError::Io(io::Error::other(format!("git index-pack said {printed:?}"))))
    }

    /// What lets Git put objects here, and read those of the repository too.
    pub(super) fn variables(&self, repository: &Repository) -> io::Result<[(&'static str, OsString); 2]> {
        Ok([
            ("GIT_OBJECT_DIRECTORY", self.dir.path().into()),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES", quoted(&repository.dir().join("objects"))?),
        ])
    }

    fn index_pack(&self, repository: &Repository, limits: &ReceiveLimits) -> Result<Child, ReceiveError> {
        let mut command = program_within("nice", &limits.of_process());
        // Every object is taken into memory, so that none is larger than that.
        command.args(["-n", "10", "git", "-c", "safe.directory=*"]);
        // What it makes is flushed before it has its name.
        command.args([
            "-c",
            "core.bigFileThreshold=16g",
            "-c",
            "core.fsync=all",
            "-c",
            "core.fsyncMethod=fsync",
        ]);
        command.args(["index-pack", "--stdin", "--fix-thin", "--strict", "--threads=1"]);
        command.arg(format!("--max-input-size={}", limits.pack_bytes));
        alone(&mut command);
        command.env("GIT_DIR", fs::canonicalize(repository.dir())?);
        command.envs(self.variables(repository)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command.spawn()?)
    }

    /// What Git says, without where on this machine its files are.
    fn told(&self, repository: &Repository, said: &str, status: &std::process::ExitStatus) -> String {
        use std::os::unix::process::ExitStatusExt as _;
        if status.code() == Some(127) {
            return ReceiveError::NoGit.to_string();
        }
        let places = [self.dir.path(), repository.dir()].map(|dir| dir.display().to_string());
        let lines = said.lines().filter_map(|line| {
            let line = line.strip_prefix("fatal: ").or_else(|| line.strip_prefix("error: "))?;
            Some(places.iter().fold(line.to_owned(), |line, place| line.replace(place.as_str(), "…")))
        });
        let lines: Vec<String> = lines.collect();
        match (lines.is_empty(), status.signal()) {
            (false, _) => lines.join("; "),
            (true, Some(signal)) => {
                format!("looking at it took more time or memory than it may (signal {signal})")
            }
            (true, None) => format!("git index-pack ended with {status}"),
        }
    }
}

impl TakenOver {
    /// Says that the pack stays: references lead to it.
    pub fn settle(mut self) {
        if let Some(install) = &mut self.0 {
            install.settle();
            if let Err(error) = install.release() {
                tracing::warn!(%error, "the mark of a received pack could not be taken away");
            }
        }
    }
}

/// A folder for a variable in which a colon parts them, as Git quotes it: git(1).
fn quoted(folder: &Path) -> io::Result<OsString> {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut quoted = vec![b'"'];
    for byte in fs::canonicalize(folder)?.as_os_str().as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    Ok(OsString::from_vec(quoted))
}

/// The first twelve bytes: gitformat-pack(5).
fn header(pack: &mut dyn Read) -> Result<[u8; 12], ReceiveError> {
    let mut header = [0; 12];
    pack.read_exact(&mut header).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => ReceiveError::NotPack("it ends within its head".to_owned()),
        _ => ReceiveError::CutOff(error),
    })?;
    if header[..4] != *b"PACK" || !matches!(header[4..8], [0, 0, 0, 2 | 3]) {
        return Err(ReceiveError::NotPack("it does not begin as one".to_owned()));
    }
    Ok(header)
}

/// Hands all of a pack to Git. Where Git ends before, its own words say why.
fn feed(
    mut stdin: impl io::Write,
    header: &[u8],
    pack: &mut dyn Read,
    most_bytes: u64,
) -> Result<(), ReceiveError> {
    let mut buffer = vec![0; 64 << 10];
    let mut written = stdin.write_all(header);
    let mut left = most_bytes.saturating_sub(header.len() as u64);
    while written.is_ok() {
        let taken = match pack.read(&mut buffer) {
            Ok(0) => break,
            Ok(taken) => taken,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(ReceiveError::CutOff(error)),
        };
        left = left.checked_sub(taken as u64).ok_or(ReceiveError::TooLarge { limit: most_bytes })?;
        written = stdin.write_all(&buffer[..taken]);
    }
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The end of what a process says.
fn last_words(mut stderr: impl Read) -> String {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(taken @ 1..) = stderr.read(&mut buffer) {
        said.extend_from_slice(&buffer[..taken]);
        if said.len() > 2 * MOST_SAID_BYTES {
            said.drain(..said.len() - MOST_SAID_BYTES);
        }
    }
    String::from_utf8_lossy(&said).chars().filter(|char| *char == '\n' || !char.is_control()).collect()
}

/// Takes away the quarantines of a process that died.
pub(super) fn sweep(objects: &Path, swept: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(objects)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_dir_all(entry.path())?;
            swept.push(entry.path());
        }
    }
    Ok(())
}

impl std::fmt::Debug for TakenOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TakenOver").finish_non_exhaustive()
    }
}
