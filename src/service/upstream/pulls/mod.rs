//! Pull requests of the upstream: those that are open are asked for, fetched beside the repository, checked as if they were
//! pushed, and told of it with one status of their commit and one comment. Webhooks are hints here, too: what is true is
//! what the forge answers.

mod board;
mod check;
mod text;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

pub(super) use self::board::PullBoard;
pub use self::board::{PullStatus, PullsStatus};
use super::{LOOK, now, pause, remote_of, secret_of, until_due};
use crate::forge::{ForgeApi, ForgeError, OwnComment, PullRequest, Verdict};
use crate::git::{Quarantine, ReceiveLimits, Remote, RemoteError};
use crate::model::{Environment, Revision, Sequence};
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::settings::{ProjectSettings, PullRequestRules, Upstream};

/// How many pull requests are checked that go to an environment: those that were touched last.
const MOST_PULLS: usize = 100;

/// How many of them are looked at in one round; others come with the next.
const MOST_CHECKED: usize = 20;

/// A pull request whose commits stay is checked anew when the configuration moved on, but only so often.
const RECHECK: Duration = Duration::from_secs(300);

/// The pause after a pull request could not be checked; each further failure doubles it, up to the most.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const MOST_RETRY: Duration = Duration::from_secs(3_600);

/// How much one pull request may bring: less than somebody who may push.
const PULL_LIMITS: ReceiveLimits = ReceiveLimits {
    pack_bytes: 64 << 20,
    objects: 200_000,
    memory_bytes: 256 << 20,
    cpu: Duration::from_secs(60),
};

/// What is known of a pull request that was looked at.
#[derive(Debug)]
struct Known {
    /// Its head and its branch as the forge lists them.
    head: String,
    target: String,
    /// What it was checked with: change set and settings.
    sequence: Sequence,
    settings: Arc<ProjectSettings>,
    tried_at: Instant,
    /// How often it could not be checked, one after the other.
    failures: u32,
    /// What the forge was told last.
    status: Option<(Revision, Verdict)>,
    comment: Option<OwnComment>,
    /// What the comment says, but for what changes with every client that comes and goes.
    told: String,
}

/// Why a pull request was not looked at.
#[derive(Debug, thiserror::Error)]
enum PullError {
    #[error("{0}")]
    Forge(#[from] ForgeError),
    #[error("its commits cannot be fetched: {0}")]
    Remote(#[from] RemoteError),
    #[error("{0}")]
    Service(#[from] ServiceError),
    #[error("its commits are in another repository, which this forge does not let be fetched from here")]
    Elsewhere,
    #[error("its head moved meanwhile")]
    Moved,
    #[error("looking at it failed in a way that nobody thought of; see the log of the server")]
    Panicked,
}

impl PullError {
    /// Whether all others would end the same way.
    fn is_general(&self) -> bool {
        matches!(self, PullError::Forge(ForgeError::Unreachable(_) | ForgeError::Later(_)))
    }
}

/// What a round came to.
enum Round {
    /// All was looked at.
    Done,
    /// There is more to look at.
    More,
}

/// Checks the pull requests of a project's upstream for as long as it is open.
pub(in crate::service) fn run(core: &Arc<Core>, news: &Receiver<()>) {
    let mut failures = 0;
    let mut followed: Option<Upstream> = None;
    let mut known = HashMap::new();
    // A forge that wants to be left alone is, whatever its webhooks say.
    let mut quiet_until = Instant::now();
    let mut is_soon = false;
    loop {
        let settings = core.settings.load_full();
        let wanted = settings.upstream.as_ref().filter(|upstream| upstream.pull_requests.is_some());
        let is_new = wanted != followed.as_ref();
        let next = match wanted {
            _ if is_new => Duration::ZERO,
            None => LOOK,
            Some(_) if is_soon => super::LEAST_DISTANCE,
            Some(upstream) => pause(upstream, failures),
        };
        let quiet = quiet_until.saturating_duration_since(Instant::now());
        if !until_due((core, &core.upstream.pulls.news), news, next.max(quiet), &settings) {
            return;
        }
        if is_new {
            followed = wanted.cloned();
            core.upstream.pulls.begin(followed.is_some());
            known.clear();
            (failures, quiet_until) = (0, Instant::now());
        }
        let Some((upstream, rules)) =
            followed.as_ref().and_then(|upstream| Some((upstream, upstream.pull_requests.as_ref()?)))
        else {
            continue;
        };
        if Instant::now() < quiet_until {
            continue;
        }
        is_soon = core.require_history().is_err();
        if is_soon {
            continue;
        }
        std::thread::sleep(super::LEAST_DISTANCE);
        let done = checker(core, &settings, upstream, rules).and_then(|checker| {
            checker.round(&mut known).map_err(|error| (error.to_string(), wait_of(&error)))
        });
        match done {
            Ok(round) => {
                (failures, is_soon) = (0, matches!(round, Round::More));
                core.upstream.pulls.reached(now());
            }
            Err((reason, wait)) => {
                failures += 1;
                quiet_until = Instant::now() + wait;
                if failures == 1 {
                    tracing::warn!(%reason, "pull requests of the upstream cannot be checked");
                }
                core.upstream.pulls.failed(now(), reason);
            }
        }
    }
}

/// How long the forge wants to be left alone.
fn wait_of(error: &PullError) -> Duration {
    match error {
        PullError::Forge(ForgeError::Later(wait)) => *wait,
        _ => Duration::ZERO,
    }
}

fn checker<'a>(
    core: &'a Core,
    settings: &Arc<ProjectSettings>,
    upstream: &Upstream,
    rules: &PullRequestRules,
) -> Result<Checker<'a>, (String, Duration)> {
    let opened = || {
        let token = secret_of(core, settings, &rules.token)?;
        let remote = remote_of(core, settings, upstream)?;
        let api = ForgeApi::new(
            rules.forge,
            (&rules.api, &rules.repository),
            token,
            &rules.context,
            remote.ca_file.as_deref(),
        );
        let api = api.map_err(|error| error.to_string())?;
        Ok(Checker { core, settings: settings.clone(), api, remote })
    };
    opened().map_err(|reason: String| (reason, Duration::ZERO))
}

struct Checker<'a> {
    core: &'a Core,
    settings: Arc<ProjectSettings>,
    api: ForgeApi,
    remote: Remote,
}

impl Checker<'_> {
    /// Looks at what is new, those first that were not tried for longest. What goes wrong with one is told with it, and
    /// stops no other.
    fn round(&self, known: &mut HashMap<u64, Known>) -> Result<Round, PullError> {
        let environments = self.core.environments();
        let target =
            |pull: &PullRequest| environments.iter().find(|environment| *environment.branch == *pull.target);
        let open = self.api.pull_requests(MOST_PULLS, |pull| target(pull).is_some())?;
        let numbers: HashSet<u64> = open.iter().map(|pull| pull.number).collect();
        known.retain(|number, _| numbers.contains(number));
        self.core.upstream.pulls.keep(&numbers);
        let mut due: Vec<&PullRequest> =
            open.iter().filter(|pull| self.is_due(pull, known.get(&pull.number))).collect();
        due.sort_by_key(|pull| known.get(&pull.number).map(|known| known.tried_at));
        for (looked, pull) in due.into_iter().enumerate() {
            let Some(environment) = target(pull) else { continue };
            if looked == MOST_CHECKED || self.core.upstream.pulls.news.is_stopped() {
                return Ok(Round::More);
            }
            let mut now = self.known(pull, known.remove(&pull.number));
            // A panic at what a stranger made must not end all checks.
            let looked_at = catch_unwind(AssertUnwindSafe(|| self.look_at(pull, environment, &mut now)));
            let told = looked_at.unwrap_or(Err(PullError::Panicked));
            self.core.upstream.pulls.note(pull, now.status.as_ref(), told.as_ref().err());
            now.failures = if told.is_err() { now.failures + 1 } else { 0 };
            known.insert(pull.number, now);
            if let Some(error) = told.err().filter(PullError::is_general) {
                return Err(error);
            }
        }
        Ok(Round::Done)
    }

    /// A pull request that is looked at now, with what is known of it.
    fn known(&self, pull: &PullRequest, before: Option<Known>) -> Known {
        let (head, target, sequence) =
            (pull.head.clone(), pull.target.clone(), self.core.index.load().sequence);
        let (settings, tried_at) = (self.settings.clone(), Instant::now());
        match before {
            Some(before) => {
                // Another branch has a status of its own.
                let status = before.status.filter(|_| before.target == target);
                let failures = if before.head == head { before.failures } else { 0 };
                Known { head, target, sequence, settings, tried_at, failures, status, ..before }
            }
            None => Known {
                head,
                target,
                sequence,
                settings,
                tried_at,
                failures: 0,
                status: None,
                comment: None,
                told: String::new(),
            },
        }
    }

    fn is_due(&self, pull: &PullRequest, known: Option<&Known>) -> bool {
        let Some(known) = known else { return true };
        if known.head != pull.head || known.target != pull.target {
            return true;
        }
        let age = known.tried_at.elapsed();
        if known.failures > 0 {
            let doubled = FIRST_RETRY * 2_u32.saturating_pow((known.failures - 1).min(16));
            return age >= doubled.min(MOST_RETRY);
        }
        let is_elsewhere = known.sequence != self.core.index.load().sequence;
        !Arc::ptr_eq(&known.settings, &self.settings) || (is_elsewhere && age >= RECHECK)
    }

    /// Checks a pull request, and tells the forge what it does not know yet.
    fn look_at(
        &self,
        pull: &PullRequest,
        environment: &Environment,
        known: &mut Known,
    ) -> Result<(), PullError> {
        let (commit, quarantine) = self.fetch(pull)?;
        let checked = check::check(self.core, environment, commit, &quarantine)?;
        drop(quarantine);
        let verdict = text::verdict(&checked);
        let mut status = Ok(());
        // Who gave the status is who wrote the comment that is looked for.
        if known.comment.is_none() || known.status.as_ref() != Some(&(commit, verdict.clone())) {
            status = self.api.set_status(pull, &commit.to_string(), &verdict);
            if status.is_ok() {
                tracing::info!(number = pull.number, %commit, is_good = verdict.is_good, "a pull request was checked");
                known.status = Some((commit, verdict));
            }
        }
        // A status that is refused does not keep the comment from being made.
        if let Err(error @ (ForgeError::Unreachable(_) | ForgeError::Later(_))) = status {
            return Err(error.into());
        }
        let steady = text::comment(&checked, &commit.to_string(), false);
        if known.comment.is_none() || known.told != steady {
            self.comment(pull, &text::comment(&checked, &commit.to_string(), true), known)?;
            known.told = steady;
        }
        Ok(status?)
    }

    fn comment(&self, pull: &PullRequest, text: &str, known: &mut Known) -> Result<(), PullError> {
        if known.comment.is_none() {
            known.comment = self.api.find_comment(pull.number)?;
        }
        known.comment = match self.api.comment(pull.number, known.comment.as_ref(), text) {
            // Somebody took it away.
            Err(error) if error.is_gone() && known.comment.is_some() => {
                self.api.comment(pull.number, None, text)?
            }
            written => written?,
        };
        Ok(())
    }

    /// Fetches the commits of a pull request to where they can be looked at, and nothing else finds them.
    fn fetch(&self, pull: &PullRequest) -> Result<(Revision, Quarantine), PullError> {
        let name = pull.head_ref.as_ref().ok_or(PullError::Elsewhere)?;
        let repository = &self.core.repository;
        let commit = repository.remote_ref(&self.remote, name)?.ok_or(PullError::Moved)?;
        if !commit.to_string().starts_with(&pull.head) {
            return Err(PullError::Moved);
        }
        let quarantine = repository.fetch_beside(&self.remote, name, &PULL_LIMITS)?;
        let reader = quarantine.reader(repository).map_err(ServiceError::from)?;
        match reader.contains(commit).map_err(ServiceError::from)? {
            true => Ok((commit, quarantine)),
            false => Err(PullError::Moved),
        }
    }
}
