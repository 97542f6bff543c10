use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use clap::Args;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::CliError;
use super::options::Options;
use super::path_argument::path;
use super::signal_argument::SignalArgument;
use super::voice::{say, say_lost};
use crate::client::{Client, Export, Moment, Place, Settled, WatchQuestion};
use crate::import::{EnvKeys, Texts, read_env};
use crate::model::{Path, Value};

/// After a change it is waited so long for more of them: a push and its follow-up are one restart.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// How long to wait until values that could not be read are read again.
const PAUSE: Duration = Duration::from_secs(2);

/// Run a command with configuration as its variables
///
/// All that services read below the prefix becomes variables: `/myapp/database/host` of `--prefix /myapp` is
/// `DATABASE_HOST`, as `confgit export --format env` writes it. When a value changes, the command is asked to end, and
/// started anew with the values of now; with --signal it gets that signal instead, and goes on. The command's exit code
/// is that of this one, and signals are passed on to it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit run --env prod --prefix /myapp -- ./myapp --port 8080\n  \
    confgit run --env prod --prefix /myapp --prefix /shared -- sh -c 'echo $DATABASE_HOST; sleep 60'\n  \
    confgit run --env prod --prefix /myapp --signal HUP -- nginx -g 'daemon off;'")]
pub struct Run {
    /// What becomes variables; the later one wins where two come to the same name
    #[arg(long, value_name = "PATH", default_value = "/")]
    prefix: Vec<String>,
    /// Send this signal after a change, rather than starting the command anew; its variables stay as they were
    #[arg(long, value_name = "SIGNAL")]
    signal: Option<SignalArgument>,
    /// How long the command may take to end when it is asked to, in seconds; then it is killed
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u64,
    /// Without the values of secrets: where the prefix holds any, that is refused
    #[arg(long)]
    no_secrets: bool,
    /// Start the command once, and leave it alone afterwards
    #[arg(long)]
    once: bool,
    /// What this watcher calls itself in `confgit client list`
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// What the command is to be told of.
enum News {
    /// A value changed; this is the change set.
    Changed(u64),
    /// The server refuses the watch.
    Refused(CliError),
}

impl Run {
    /// Runs the command, and answers its exit code.
    pub fn run(self, options: &Options) -> Result<u8, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CliError::Failed(format!("cannot start: {error}")))?;
        let result = runtime.block_on(self.supervise(options));
        // A thread that waits for the server must not keep a command's end waiting.
        runtime.shutdown_background();
        result
    }

    async fn supervise(self, options: &Options) -> Result<u8, CliError> {
        let client = options.server_client("run")?;
        let prefixes = self.prefix.iter().map(|text| path(text)).collect::<Result<Vec<_>, _>>()?;
        let env = options.env.clone();
        let mut signals = Signals::listen()?;
        // Values are read anew once the watch has begun: what changed before that is noticed then.
        let mut news = if self.once { None } else { Some(self.watch(&client, &prefixes, env.clone())) };
        let read = || {
            let (client, prefixes, env) = (client.clone(), prefixes.clone(), env.clone());
            let with_secrets = !self.no_secrets;
            apart(move || variables(&client, &prefixes, env.as_deref(), with_secrets))
        };
        let mut variables = read().await?;
        let mut child = self.start(&variables)?;
        loop {
            tokio::select! {
                ended = child.wait() => {
                    self.take_leave(&client).await;
                    return Ok(code_of(ended.map_err(cannot_wait)?));
                }
                signal = signals.next() => send(&child, signal),
                changed = next(&mut news) => {
                    let sequence = match changed {
                        News::Changed(sequence) => sequence,
                        News::Refused(error) => {
                            // The command goes on with what it has.
                            say(format_args!("changes are not followed any more: {error}"));
                            news = None;
                            continue;
                        }
                    };
                    let fresh = loop {
                        tokio::select! {
                            result = read() => match result {
                                Ok(fresh) => break fresh,
                                Err(error) => {
                                    say(format_args!("the values of now cannot be read; the command keeps those it has: {error}"));
                                }
                            },
                            signal = signals.next() => {
                                send(&child, signal);
                                continue;
                            }
                            ended = child.wait() => {
                                self.take_leave(&client).await;
                                return Ok(code_of(ended.map_err(cannot_wait)?));
                            }
                        }
                        tokio::select! {
                            () = tokio::time::sleep(PAUSE) => {}
                            signal = signals.next() => send(&child, signal),
                            _ = child.wait() => {}
                        }
                    };
                    if fresh != variables {
                        let names = names_of_changes(&variables, &fresh);
                        say(format_args!("change set {sequence} changed {names}"));
                        variables = fresh;
                        match self.signal {
                            Some(SignalArgument(signal)) => send(&child, signal),
                            None => {
                                if let Some(status) = self.end(&mut child, &mut signals).await? {
                                    self.take_leave(&client).await;
                                    return Ok(code_of(status));
                                }
                                child = self.start(&variables)?;
                            }
                        }
                    }
                    if let Some(name) = self.client.clone() {
                        let client = client.clone();
                        let told = apart(move || Ok(client.acknowledge(&name, sequence)?)).await;
                        if let Err(error) = told {
                            say(format_args!("it could not be acknowledged: {error}"));
                        }
                    }
                }
            }
        }
    }

    fn watch(&self, client: &Client, prefixes: &[Path], env: Option<String>) -> mpsc::Receiver<News> {
        let mut watching = client.watch(WatchQuestion {
            resolved: true,
            prefixes: prefixes.to_vec(),
            env,
            since: None,
            initial: false,
            client: self.client.clone(),
        });
        let (sender, receiver) = mpsc::channel(1);
        std::thread::spawn(move || {
            while let Some(settled) = watching.settled(DEBOUNCE) {
                let news = match settled {
                    Settled::Changed(sequence) => News::Changed(sequence),
                    Settled::Refused(error) => News::Refused(error.into()),
                    Settled::Lost(error, pause) => {
                        say_lost(error, pause);
                        continue;
                    }
                };
                if sender.blocking_send(news).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    fn start(&self, variables: &BTreeMap<String, String>) -> Result<Child, CliError> {
        let [program, arguments @ ..] = &self.command[..] else {
            return Err(CliError::Usage("name a command after `--`".to_owned()));
        };
        // The key of this process is none of the command's business.
        let child = Command::new(program).args(arguments).envs(variables).env_remove("CONFGIT_TOKEN").spawn();
        child.map_err(|error| CliError::Failed(format!("`{program}` cannot be run: {error}")))
    }

    /// Asks the command to end, and kills it when that takes too long; its status where this process is to end as well.
    async fn end(&self, child: &mut Child, signals: &mut Signals) -> Result<Option<ExitStatus>, CliError> {
        send(child, rustix::process::Signal::TERM);
        let grace = tokio::time::sleep(Duration::from_secs(self.grace));
        tokio::pin!(grace);
        let mut is_asked = false;
        loop {
            tokio::select! {
                ended = child.wait() => {
                    let status = ended.map_err(cannot_wait)?;
                    return Ok(is_asked.then_some(status));
                }
                signal = signals.next() => {
                    is_asked = true;
                    send(child, signal);
                }
                () = &mut grace => {
                    say("the command does not end, and is killed");
                    child.kill().await.map_err(cannot_wait)?;
                }
            }
        }
    }

    async fn take_leave(&self, client: &Client) {
        if let Some(name) = self.client.clone() {
            let client = client.clone();
            // Whoever is missed for a moment is no reason to fail.
            let _ = apart(move || Ok(client.take_leave(&name)?)).await;
        }
    }
}

/// Does what waits for the server on a thread of its own: signals are heard meanwhile.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    let stopped = |error: tokio::task::JoinError| CliError::Failed(error.to_string());
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}

/// What is heard next; nothing where nobody listens.
async fn next(news: &mut Option<mpsc::Receiver<News>>) -> News {
    if let Some(receiver) = news
        && let Some(heard) = receiver.recv().await
    {
        return heard;
    }
    std::future::pending().await
}

/// The variables that the prefixes come to.
fn variables(
    client: &Client,
    prefixes: &[Path],
    env: Option<&str>,
    with_secrets: bool,
) -> Result<BTreeMap<String, String>, CliError> {
    let mut all = BTreeMap::new();
    for prefix in prefixes {
        let place = Place { path: prefix.clone(), env: env.map(str::to_owned) };
        let wanted = Export { format: "env", with_secrets, name: None, moment: Moment::Now };
        let text = client.export(&place, &wanted)?;
        let read = read_env(&text, &Path::root(), &EnvKeys::default(), Texts::AsStrings);
        let read =
            read.map_err(|error| CliError::Failed(format!("the server's answer cannot be read: {error}")))?;
        for (path, value) in read.values {
            if let (Some(name), Value::String(value)) = (path.name(), value) {
                all.insert(name.into_owned(), value);
            }
        }
    }
    Ok(all)
}

/// Names of variables that are others, never their values.
fn names_of_changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> String {
    let changed = new.iter().filter(|(name, value)| old.get(*name) != Some(value)).map(|(name, _)| name);
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    let mut names: Vec<&str> = changed.chain(gone).map(String::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}

/// The signals that are passed on.
struct Signals([(rustix::process::Signal, Signal); 4]);

impl Signals {
    fn listen() -> Result<Self, CliError> {
        use rustix::process::Signal as Number;
        let listen = |number, kind| {
            let listening = signal(kind);
            let failed = |error| CliError::Failed(format!("signals cannot be listened for: {error}"));
            listening.map(|signal| (number, signal)).map_err(failed)
        };
        Ok(Signals([
            listen(Number::TERM, SignalKind::terminate())?,
            listen(Number::INT, SignalKind::interrupt())?,
            listen(Number::HUP, SignalKind::hangup())?,
            listen(Number::USR1, SignalKind::user_defined1())?,
        ]))
    }

    async fn next(&mut self) -> rustix::process::Signal {
        std::future::poll_fn(|context| {
            for (number, signal) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

fn send(child: &Child, signal: rustix::process::Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = rustix::process::kill_process(pid, signal)
    {
        say(format_args!("the command cannot be signalled: {error}"));
    }
}

/// The exit code of a command; of one that a signal ended, 128 and its number, as shells have it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

fn cannot_wait(error: std::io::Error) -> CliError {
    CliError::Failed(format!("the command cannot be waited for: {error}"))
}
