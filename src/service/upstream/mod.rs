//! Following a forge: its branches are fetched and taken in like pushes, what is written here is pushed there. While it is
//! away everything goes on; afterwards both sides are brought together. Its pull requests are checked.

mod branch;
mod hint;
pub(super) mod pulls;
mod state;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::branch::Follower;
pub use self::hint::Hint;
pub use self::pulls::{PullStatus, PullsStatus};
pub(super) use self::state::{Overruling, UpstreamBoard};
pub use self::state::{UpstreamBranch, UpstreamState, UpstreamStatus};
use super::ServiceError;
use super::committer::{QueueWatch, Written};
use super::core::Core;
use super::signal::Signal;
use crate::git::{Remote, RemoteError};
use crate::model::{Revision, Timestamp};
use crate::resolve::Secrets as _;
use crate::settings::{ProjectSettings, Upstream};

/// How often it is looked whether there is an upstream now.
const LOOK: Duration = Duration::from_secs(1);

/// Who takes in what the upstream has, as the journal names it.
const ACCOUNT: &str = "upstream";

/// Rounds begin at least so far apart, however many writes there are to push.
const LEAST_DISTANCE: Duration = Duration::from_millis(250);

/// The first pause after a failure; each further one doubles it, up to the most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MOST_PAUSE: Duration = Duration::from_secs(300);

/// How often one round is begun again because somebody else was quicker.
const MOST_RACES: usize = 5;

/// Follows the upstream of a project for as long as it is open. `news` are hints of webhooks, and writes.
pub(super) fn run(core: &Arc<Core>, committer: &QueueWatch, news: &Receiver<()>) {
    let mut failures = 0;
    let mut followed: Option<Upstream> = None;
    let mut begun = None::<Instant>;
    loop {
        let settings = core.settings.load_full();
        let is_new = settings.upstream != followed;
        let pause = match &settings.upstream {
            _ if is_new => Duration::ZERO,
            None => LOOK,
            Some(upstream) => pause(upstream, failures),
        };
        if !until_due((core, &core.upstream.news), news, pause, &settings) {
            return;
        }
        if is_new {
            followed = settings.upstream.clone();
            core.upstream.begin(followed.as_ref().map(|upstream| upstream.url.clone()));
            failures = 0;
        }
        let Some(upstream) = &followed else { continue };
        if core.writable().is_err() {
            failures = failures.max(1);
            continue;
        }
        let early = begun.map(|begun| LEAST_DISTANCE.saturating_sub(begun.elapsed()));
        std::thread::sleep(early.unwrap_or_default());
        begun = Some(Instant::now());
        match round(core, committer, &settings, upstream) {
            Ok(()) => {
                failures = 0;
                core.upstream.reached(now());
            }
            Err(reason) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(%reason, "the upstream cannot be followed; everything else goes on");
                }
                core.upstream.failed(now(), reason);
            }
        }
    }
}

/// Waits until there is something to do; false when the project closes.
fn until_due(
    (core, signal): (&Core, &Signal),
    news: &Receiver<()>,
    pause: Duration,
    settings: &Arc<ProjectSettings>,
) -> bool {
    let until = Instant::now() + pause;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match news.recv_timeout(left.min(LOOK)) {
            Err(RecvTimeoutError::Disconnected) => return false,
            _ if signal.is_stopped() => return false,
            Ok(()) if settings.upstream.is_some() => return true,
            _ if left.is_zero() || !Arc::ptr_eq(settings, &core.settings.load_full()) => return true,
            _ => {}
        }
    }
}

/// How long it is until the upstream is asked again: some time sooner or later, so that not all ask at once.
fn pause(upstream: &Upstream, failures: u32) -> Duration {
    let pause = match failures {
        0 => upstream.poll,
        failures => (FIRST_PAUSE * 2_u32.saturating_pow((failures - 1).min(16))).min(MOST_PAUSE),
    };
    pause.mul_f64(0.8 + 0.4 * fastrand::f64())
}

/// Where the settings require it, waits until the upstream has a write.
pub(super) async fn until_it_has(core: &Core, written: &Written) -> Result<(), ServiceError> {
    let waits = core.settings.load().upstream.as_ref().is_some_and(|upstream| upstream.writes_wait);
    if !waits || core.upstream.until_it_has(written.sequence).await {
        return Ok(());
    }
    let reason = core.upstream.status().and_then(|status| status.last_error).map(|(_, reason)| reason);
    let reason = reason.unwrap_or_else(|| "see `upstream` in /api/status".to_owned());
    Err(ServiceError::NotUpstream { sequence: written.sequence, reason })
}

impl Core {
    /// Takes in what the upstream has on a branch, though it lost commits; the error says why that cannot be.
    pub fn accept_upstream(&self, branch: &Arc<str>, head: Option<Revision>) -> Result<(), String> {
        let status = self.upstream.status().ok_or_else(|| "the project follows no upstream".to_owned())?;
        let found = status.branches.iter().find(|followed| followed.branch == *branch);
        let followed = found.ok_or_else(|| format!("no environment has the branch `{branch}`"))?;
        if followed.state != UpstreamState::Rewritten {
            return Err(format!("the upstream did not rewrite `{branch}`: it is {}", followed.state.name()));
        }
        if followed.head != head {
            let there = followed.head.map_or_else(|| "gone".to_owned(), |head| format!("at {head}"));
            return Err(format!("the upstream's `{branch}` is {there}; give that as `revision`"));
        }
        self.upstream.accept(branch, head);
        self.upstream.news.add(1);
        Ok(())
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Brings both sides together once.
fn round(
    core: &Arc<Core>,
    committer: &QueueWatch,
    settings: &ProjectSettings,
    upstream: &Upstream,
) -> Result<(), String> {
    let remote = remote_of(core, settings, upstream)?;
    for _ in 0..MOST_RACES {
        let follower = Follower { core, committer, remote: &remote };
        match follower.round() {
            // Somebody else was quicker: what they did is taken in first.
            Err(RemoteError::Rejected(reason)) => {
                tracing::info!(%reason, "the upstream moved on meanwhile");
                core.upstream.note_race(reason);
            }
            Err(error) => return Err(error.to_string()),
            Ok(()) => return Ok(()),
        }
    }
    Err(core.upstream.last_race())
}

/// The upstream as Git reaches it.
fn remote_of(core: &Core, settings: &ProjectSettings, upstream: &Upstream) -> Result<Remote, String> {
    let authorization = match &upstream.token {
        None => None,
        Some(name) => {
            let token = secret_of(core, settings, name)?;
            Some(format!("Basic {}", STANDARD.encode(format!("{}:{token}", upstream.user))))
        }
    };
    let ca_file = match &upstream.ca_file {
        None => None,
        Some(file) => Some(certificates(&core.dir.join(file))?),
    };
    Ok(Remote { url: upstream.url.clone(), authorization, ca_file, stop: core.upstream.stop.clone() })
}

/// A file of certificates that has to be there.
fn certificates(file: &Path) -> Result<PathBuf, String> {
    let found = std::fs::metadata(file).and_then(|found| match found.is_file() {
        true => File::open(file).and_then(|_| std::path::absolute(file)),
        false => Err(io::Error::other("it is no file")),
    });
    found.map_err(|error| format!("`ca_file` {} cannot be read: {error}", file.display()))
}

/// A secret that has to be there.
fn secret_of(core: &Core, settings: &ProjectSettings, name: &String) -> Result<String, String> {
    let values =
        settings.secrets.read_all(std::iter::once(name), &core.dir).map_err(|error| error.to_string())?;
    let secret = values.secret(name).ok().flatten().filter(|secret| !secret.is_empty());
    secret.ok_or_else(|| format!("no provider has the secret `{name}`, or it is empty"))
}
