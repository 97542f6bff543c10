mod file;
mod list;

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use self::file::{Kept, Reaction, Written};
use self::list::{FileList, Wanted};
use super::CliError;
use super::export::ExportFormat;
use super::options::Options;
use super::path_argument::path;
use super::signal_argument::SignalArgument;
use super::voice::{say, say_lost};
use crate::client::{Client, Settled, WatchQuestion};

/// After a change it is waited so long for more of them: a push and its follow-up are one.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// What could not be read or written is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);

/// Keep files up to date with configuration
///
/// Writes each file as a whole, or not at all, whenever what services read there changes; then a program is told by a
/// signal or a command. While the server is away the files stay as they are: programs start with the last good copy.
/// What is to be written is said by options for one file, or by a list in YAML for several.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit agent --env prod --path /myapp --format yaml --to /etc/myapp.yaml --exec 'systemctl reload myapp'\n  \
    confgit agent --env prod --path /nginx --format text --to /etc/nginx.conf --signal HUP --pid-file /run/nginx.pid\n  \
    confgit agent --list /etc/confgit-agent.yaml --cache /var/lib/confgit-agent\n  \
    confgit agent --list /etc/confgit-agent.yaml --once\n\n\
A list:\n  \
    client: payments-1              # what `confgit client list` calls it\n  \
    files:\n    \
    - path: /payments\n      \
      env: prod\n      \
      format: yaml                # env properties json yaml toml text k8s-configmap k8s-secret\n      \
      to: /etc/payments.yaml\n      \
      mode: \"0640\"                # 0600 when not given\n      \
      secrets: true               # the values of secrets, too\n      \
      exec: systemctl reload payments\n    \
    - { path: /certs/tls.crt, format: text, to: /etc/tls.crt, signal: HUP, pid_file: /run/nginx.pid }")]
pub struct Agent {
    /// The list of files
    #[arg(long, value_name = "FILE", conflicts_with_all = ["path", "format", "to", "mode", "secrets", "exec", "signal", "pid_file"])]
    list: Option<PathBuf>,
    /// The path of what is written
    #[arg(long, value_name = "PATH", requires = "to")]
    path: Option<String>,
    /// What it is written as
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    format: ExportFormat,
    /// The file that is written
    #[arg(long, value_name = "FILE", requires = "path")]
    to: Option<PathBuf>,
    /// Who may read it, as chmod has it
    #[arg(long, value_name = "MODE", default_value = "0600")]
    mode: String,
    /// The values of secrets, too
    #[arg(long)]
    secrets: bool,
    /// A command for the shell that runs after a change
    #[arg(long, value_name = "COMMAND", conflicts_with = "signal")]
    exec: Option<String>,
    /// A signal that is sent after a change
    #[arg(long, value_name = "SIGNAL", requires = "pid_file")]
    signal: Option<SignalArgument>,
    /// The file that holds the number of the process to which
    #[arg(long, value_name = "FILE", requires = "signal")]
    pid_file: Option<PathBuf>,
    /// A folder for copies, from which files that are gone come back while the server is away
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// What this agent calls itself in `confgit client list`
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Write the files once, and end
    #[arg(long)]
    once: bool,
}

/// What the agent hears.
enum News {
    /// Something changed in an environment; this is the change set.
    Changed { env: Option<String>, sequence: u64 },
    /// The server refuses a watch.
    Refused(CliError),
    /// It is to end.
    Stop,
}

impl Agent {
    /// Runs the command.
    pub fn run(self, options: &Options) -> Result<(), CliError> {
        let client = options.server_client("agent")?;
        let (wanted, listed_name) = self.wanted(options)?;
        let name = self.client.clone().or(listed_name);
        let mut files: Vec<Kept> = Vec::new();
        for wanted in wanted {
            files.push(Kept::new(wanted, self.cache.as_deref())?);
        }
        let (sender, news) = mpsc::channel();
        if self.once {
            return once(&client, &mut files);
        }
        stop_on_signals(sender.clone())?;
        // Files are written anew once their watch has begun: what changed before that is noticed then.
        let mut environments: Vec<Option<String>> =
            files.iter().map(|file| file.wanted.env.clone()).collect();
        environments.sort();
        environments.dedup();
        let watches = environments.len();
        for env in environments {
            watch(&client, &files, env, name.clone(), sender.clone());
        }
        let result = keep(&client, &mut files, (&news, watches), name.as_deref());
        if let Some(name) = &name
            && let Err(error) = client.take_leave(name)
        {
            say(format_args!("leave could not be taken: {error}"));
        }
        result
    }

    fn wanted(&self, options: &Options) -> Result<(Vec<Wanted>, Option<String>), CliError> {
        if let Some(file) = &self.list {
            let FileList { client, files } = FileList::read(file, options.env.as_deref())?;
            return Ok((files, client));
        }
        let (Some(text), Some(to)) = (&self.path, &self.to) else {
            return Err(CliError::Usage("say what to write: --path and --to, or --list".to_owned()));
        };
        let mode = list::mode(&self.mode).ok_or_else(|| {
            CliError::Usage(format!("`{}` is no mode: three octal digits, such as 0640", self.mode))
        })?;
        let reaction = match (&self.exec, self.signal, &self.pid_file) {
            (Some(command), ..) => Some(Reaction::Command(command.clone())),
            (None, Some(SignalArgument(signal)), Some(pid_file)) => {
                Some(Reaction::Signal { signal, pid_file: pid_file.clone() })
            }
            _ => None,
        };
        let wanted = Wanted {
            path: path(text)?,
            env: options.env.clone(),
            format: self.format,
            to: to.clone(),
            mode,
            with_secrets: self.secrets,
            reaction,
        };
        Ok((vec![wanted], None))
    }
}

/// Writes every file once; fails where one could not be written and is not there either.
fn once(client: &Client, files: &mut [Kept]) -> Result<(), CliError> {
    let mut failure = None;
    let mut written = Vec::new();
    for file in files.iter_mut() {
        match file.refresh(client) {
            Ok(refreshed) => written.push(refreshed),
            Err(error) if file.is_there_or_comes_back() => {
                say(format_args!("{}: {error}; the last good copy stays", file.wanted.to.display()));
            }
            Err(error) => {
                say(format_args!("{}: {error}", file.wanted.to.display()));
                failure = Some(error);
            }
        }
    }
    react(files, &written);
    failure.map_or(Ok(()), Err)
}

/// Keeps the files up to date until it is to end.
fn keep(
    client: &Client,
    files: &mut [Kept],
    (news, mut watches): (&Receiver<News>, usize),
    name: Option<&str>,
) -> Result<(), CliError> {
    // All of them at the start.
    files.iter_mut().for_each(|file| file.is_due = true);
    let mut newest = None::<u64>;
    loop {
        if files.iter().any(|file| file.is_due) {
            let (written, is_complete) = refresh_due(client, files);
            let is_done = react(files, &written);
            if let (Some(name), Some(sequence), true, true) = (name, newest, is_complete, is_done)
                && let Err(error) = client.acknowledge(name, sequence)
            {
                say(format_args!("it could not be acknowledged: {error}"));
            }
        }
        let patience = if files.iter().any(|file| file.is_due) { AGAIN } else { Duration::from_secs(3_600) };
        match news.recv_timeout(patience) {
            Ok(first) => {
                // One change may show in several environments, and each tells it.
                let until = Instant::now() + DEBOUNCE;
                let more = std::iter::from_fn(|| {
                    news.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
                });
                for news in std::iter::once(first).chain(more) {
                    match news {
                        News::Changed { env, sequence } => {
                            newest = Some(newest.map_or(sequence, |newest| newest.max(sequence)));
                            let here = files.iter_mut().filter(|file| file.wanted.env == env);
                            here.for_each(|file| file.is_due = true);
                        }
                        News::Refused(error) => {
                            watches -= 1;
                            say(format_args!("changes are not followed: {error}"));
                            // The files stay: whoever uses them is better off with old values than with none.
                            if watches == 0 {
                                return Err(error);
                            }
                        }
                        News::Stop => return Ok(()),
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Writes what is due; which files changed, and whether all could be read and written.
fn refresh_due(client: &Client, files: &mut [Kept]) -> (Vec<Written>, bool) {
    let mut written = Vec::new();
    for file in files.iter_mut().filter(|file| file.is_due) {
        match file.refresh(client) {
            Ok(refreshed) => {
                file.is_due = false;
                written.push(refreshed);
            }
            Err(error) => {
                let stays = if file.is_there_or_comes_back() { "; the last good copy stays" } else { "" };
                say(format_args!("{}: {error}{stays}", file.wanted.to.display()));
            }
        }
    }
    let is_complete = !files.iter().any(|file| file.is_due);
    (written, is_complete)
}

/// Tells programs of changed files, each once; whether all of it went well.
fn react(files: &[Kept], written: &[Written]) -> bool {
    let mut done: Vec<&Reaction> = Vec::new();
    let mut is_well = true;
    for Written { to, .. } in written.iter().filter(|written| written.is_changed) {
        let reaction =
            files.iter().find(|file| file.wanted.to == *to).and_then(|file| file.wanted.reaction.as_ref());
        say(format_args!("{} was written", to.display()));
        let Some(reaction) = reaction.filter(|reaction| !done.contains(reaction)) else { continue };
        if let Err(reason) = reaction.run() {
            say(reason);
            is_well = false;
        }
        done.push(reaction);
    }
    is_well
}

/// Watches what the files of one environment are made of.
fn watch(client: &Client, files: &[Kept], env: Option<String>, name: Option<String>, news: Sender<News>) {
    let of_env = files.iter().filter(|file| file.wanted.env == env);
    let mut prefixes: Vec<_> = of_env.map(|file| file.wanted.path.clone()).collect();
    prefixes.sort();
    prefixes.dedup();
    let mut watching = client.watch(WatchQuestion {
        resolved: true,
        prefixes,
        env: env.clone(),
        since: None,
        initial: false,
        client: name,
    });
    std::thread::spawn(move || {
        while let Some(settled) = watching.settled(DEBOUNCE) {
            let told = match settled {
                Settled::Changed(sequence) => News::Changed { env: env.clone(), sequence },
                Settled::Refused(error) => News::Refused(error.into()),
                Settled::Lost(error, pause) => {
                    say_lost(error, pause);
                    continue;
                }
            };
            if news.send(told).is_err() {
                return;
            }
        }
    });
}

/// Lets the agent end in good order when it is asked to.
fn stop_on_signals(news: Sender<News>) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("signals cannot be listened for: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (mut terminate, mut interrupt) = {
        let _entered = runtime.enter();
        let listen = |kind| signal(kind).map_err(failed);
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        let _ = news.send(News::Stop);
    });
    Ok(())
}
