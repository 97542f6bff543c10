use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::process::{alone, program, program_within};
use super::quarantine::{PREFIX, Quarantine, ReceiveLimits};
use super::repository::Repository;
use crate::model::{ObjectId, Revision};

/// How long a conversation with another repository may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// How much of what Git prints and says is kept.
const MOST_PRINTED_BYTES: u64 = 16 << 20;
const MOST_SAID_BYTES: usize = 2 << 10;

/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(10);

/// What objects are fetched with: each is checked, and they come as a pack.
const FETCH: &[&str] = &[
    "-c",
    "fetch.fsckObjects=true",
    "-c",
    "transfer.unpackLimit=1",
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
];

/// Another repository, as Git would clone it.
#[derive(Clone)]
pub struct Remote {
    /// Its address.
    pub url: String,
    /// `Basic …`, for addresses of https. Goes to no other.
    pub authorization: Option<String>,
    /// A file of certificates that an address of https is held to, instead of those that the machine trusts.
    pub ca_file: Option<PathBuf>,
    /// Set when conversations with it are to end.
    pub stop: Arc<AtomicBool>,
}

/// Why a conversation with another repository came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Git says why.
    #[error("{0}")]
    Failed(String),
    /// A ref moved there meanwhile, or it is not to be moved so.
    #[error("{0}")]
    Rejected(String),
    /// It was given up, for the project closes.
    #[error("it was given up")]
    Stopped,
    /// It took longer than it may.
    #[error("it took more than {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// There is no Git on this machine, or no process could be started.
    #[error("git cannot be run: {0}")]
    Io(#[from] io::Error),
}

impl Repository {
    /// The branches of another repository, with their heads.
    pub fn remote_branches(&self, remote: &Remote) -> Result<BTreeMap<String, ObjectId>, RemoteError> {
        let printed = self.talk(remote, &["ls-remote", "--heads", "--", &remote.url])?;
        let lines = printed.lines().filter_map(|line| {
            let (id, name) = line.split_once('\t')?;
            Some((name.strip_prefix("refs/heads/")?.to_owned(), id.parse().ok()?))
        });
        Ok(lines.collect())
    }

    /// Fetches branches of another repository; each comes to the ref of the same name below `into`, whatever that was.
    pub fn fetch_from(&self, remote: &Remote, branches: &[&str], into: &str) -> Result<(), RemoteError> {
        let specs: Vec<String> =
            branches.iter().map(|branch| format!("+refs/heads/{branch}:{into}/{branch}")).collect();
        let mut arguments = [FETCH, &["--", &remote.url]].concat();
        arguments.extend(specs.iter().map(String::as_str));
        self.talk(remote, &arguments).map(drop)
    }

    /// Where one ref of another repository leads, by its full name.
    pub fn remote_ref(&self, remote: &Remote, name: &str) -> Result<Option<ObjectId>, RemoteError> {
        let printed = self.talk(remote, &["ls-remote", "--", &remote.url, name])?;
        let mut lines = printed.lines().filter_map(|line| line.split_once('\t'));
        Ok(lines.find(|(_, found)| *found == name).and_then(|(id, _)| id.parse().ok()))
    }

    /// Fetches a ref of another repository beside this one, to be looked at: it goes with the quarantine, and is not taken
    /// over.
    pub fn fetch_beside(
        &self,
        remote: &Remote,
        name: &str,
        limits: &ReceiveLimits,
    ) -> Result<Quarantine, RemoteError> {
        let quarantine = Quarantine::empty(self)?;
        let variables = quarantine.variables(self)?;
        // Every object is taken into memory, so that none is larger than that may be.
        let bounds = &["-c", "pack.threads=1", "-c", "core.bigFileThreshold=16g"];
        let arguments = [bounds, FETCH, &["--", &remote.url, name]].concat();
        self.talk_with(remote, &arguments, &variables, Some(limits))?;
        match quarantine.count()? {
            count if count > limits.objects => Err(RemoteError::Failed(format!(
                "{count} objects are more than the {} that may come",
                limits.objects
            ))),
            _ => Ok(quarantine),
        }
    }

    /// Moves a branch of another repository forward.
    pub fn push_to(&self, remote: &Remote, head: ObjectId, branch: &str) -> Result<(), RemoteError> {
        let spec = format!("{head}:refs/heads/{branch}");
        self.talk(remote, &["push", "--quiet", "--porcelain", "--", &remote.url, &spec]).map(drop).map_err(
            |error| match error {
                RemoteError::Failed(said)
                    if said.contains("[rejected]") || said.contains("[remote rejected]") =>
                {
                    RemoteError::Rejected(said)
                }
                error => error,
            },
        )
    }

    /// The last commit that one has in common with any of others; none where it has none.
    pub fn merge_base(&self, one: Revision, others: &[Revision]) -> Result<Option<Revision>, RemoteError> {
        let mut arguments = vec!["merge-base".to_owned(), one.to_string()];
        arguments.extend(others.iter().map(ToString::to_string));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = self.asked(&arguments)?;
        Ok(output.trim().parse().ok())
    }

    /// How many commits one has that the other has not, and the other way round.
    pub fn ahead_behind(&self, one: Revision, other: Revision) -> Result<(u64, u64), RemoteError> {
        let output = self.asked(&["rev-list", "--count", "--left-right", &format!("{one}...{other}")])?;
        let mut counts = output.split_whitespace().map(|count| count.parse().unwrap_or(0));
        Ok((counts.next().unwrap_or(0), counts.next().unwrap_or(0)))
    }

    /// What Git says of this repository alone.
    fn asked(&self, arguments: &[&str]) -> Result<String, RemoteError> {
        let mut command = program("git");
        command.args(["-c", "safe.directory=*"]).args(arguments);
        alone(&mut command);
        let output = command.env("GIT_DIR", self.dir()).stdin(Stdio::null()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn talk(&self, remote: &Remote, arguments: &[&str]) -> Result<String, RemoteError> {
        self.talk_with(remote, arguments, &[], None)
    }

    fn talk_with(
        &self,
        remote: &Remote,
        arguments: &[&str],
        variables: &[(&str, OsString)],
        limits: Option<&ReceiveLimits>,
    ) -> Result<String, RemoteError> {
        let mut command = match limits {
            Some(limits) => {
                let bytes = format!("ulimit -f {}", limits.pack_bytes.div_ceil(512));
                let mut command = program_within("nice", &format!("{bytes} && {}", limits.of_process()));
                command.args(["-n", "10", "git"]);
                command
            }
            None => program("git"),
        };
        // A redirect could carry the token to somewhere else; one that stalls is given up.
        command.args(["-c", "safe.directory=*", "-c", "http.followRedirects=false"]);
        command.args([
            "-c",
            "http.lowSpeedLimit=1000",
            "-c",
            "http.lowSpeedTime=30",
            "-c",
            "protocol.ext.allow=never",
        ]);
        command.args(arguments);
        alone(&mut command);
        // What ssh needs to find its keys and known hosts.
        for name in
            ["HOME", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"]
        {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if std::env::var_os("GIT_SSH_COMMAND").is_none() {
            command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20");
        }
        command.env("GIT_DIR", self.dir()).env("GIT_TERMINAL_PROMPT", "0");
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        if let Some(authorization) = remote.authorization.as_ref().filter(|_| remote.url.starts_with("http"))
        {
            // Not an argument: those are for everybody to see.
            command
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", format!("http.{}.extraHeader", remote.url))
                .env("GIT_CONFIG_VALUE_0", format!("Authorization: {authorization}"));
        }
        // Git takes what the machine trusts beside the file, unless it is told of another folder.
        let nothing = remote.ca_file.as_ref().map(|_| self.empty_folder()).transpose()?;
        if let (Some(file), Some(nothing)) = (&remote.ca_file, &nothing) {
            command.env("GIT_SSL_CAINFO", file).env("GIT_SSL_CAPATH", nothing.path());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what Git starts ends with it.
        let mut child = command.process_group(0).spawn()?;
        let printed = child.stdout.take().map(|stdout| thread::spawn(move || all_of(stdout)));
        let said = child.stderr.take().map(|stderr| thread::spawn(move || all_of(stderr)));
        let ended = wait(&mut child, &remote.stop);
        let text = |reading: Option<thread::JoinHandle<String>>| {
            reading.and_then(|reading| reading.join().ok()).unwrap_or_default()
        };
        let (printed, said) = (text(printed), text(said));
        if ended? {
            return Ok(printed);
        }
        Err(RemoteError::Failed(told(&format!("{printed}\n{said}"), remote)))
    }
}

impl Repository {
    /// A folder with nothing in it, which goes with what is answered; one that is left behind is swept up at the next start.
    fn empty_folder(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix(PREFIX).tempdir_in(self.dir().join("objects"))
    }
}

/// Waits for a process, which succeeds or not, for as long as it may take.
fn wait(child: &mut Child, stop: &AtomicBool) -> Result<bool, RemoteError> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        let why = match (stop.load(Ordering::Relaxed), begun.elapsed() > PATIENCE) {
            (true, _) => Some(RemoteError::Stopped),
            (false, true) => Some(RemoteError::TooSlow(PATIENCE)),
            (false, false) => None,
        };
        if let Some(why) = why {
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            // One that ended meanwhile needs no end.
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            child.wait()?;
            return Err(why);
        }
        thread::sleep(LOOK);
    }
}

fn all_of(stream: impl Read) -> String {
    let mut bytes = Vec::new();
    let mut stream = stream.take(MOST_PRINTED_BYTES);
    // What was read until it broke is all there is.
    let _ = stream.read_to_end(&mut bytes);
    let _ = io::copy(&mut stream.into_inner(), &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What Git says in one line, without the token.
fn told(said: &str, remote: &Remote) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "Done");
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with("hint:")).collect();
    let mut text: String =
        lines.join("; ").chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    if let Some(authorization) = &remote.authorization {
        text = text.replace(authorization.as_str(), "…");
    }
    if text.is_empty() {
        text = "git failed, and did not say why".to_owned();
    }
    text.chars().take(MOST_SAID_BYTES).collect()
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("url", &self.url).finish_non_exhaustive()
    }
}
