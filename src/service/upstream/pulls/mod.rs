//! Pull requests of the upstream: those that are open are asked for, fetched beside the repository, checked as if they were
//! pushed, and told of it with one status of their commit and one comment. Webhooks are hints here, too: what is true is
//! what the forge answers.

mod board;
mod check;
mod text;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

pub(super) use self::board::PullBoard;
pub use self::board::{PullStatus, PullsStatus};
use super::{LOOK, now, pause, remote_of, secret_of, until_due};
use crate::forge::{ForgeApi, ForgeError, OwnComment, PullRequest, Verdict};
use crate::git::{Quarantine, Remote, RemoteError};
use crate::model::{Environment, Revision, Sequence};
use crate::service::ServiceError;
use crate::service::core::Core;
use crate::service::receive::PUSH_LIMITS;
use crate::settings::{ProjectSettings, PullRequestRules, Upstream};

/// How many pull requests are looked at in one round; others come with the next.
const MOST_CHECKED: usize = 20;

/// A pull request whose commits stay is checked anew when the configuration moved on, but only so often.
const RECHECK: Duration = Duration::from_secs(300);

/// What is known of a pull request that was looked at.
#[derive(Debug)]
struct Known {
    /// Its head as the forge lists it.
    head: String,
    /// The change set that it was checked after.
    sequence: Sequence,
    checked_at: Instant,
    /// What the forge was told last.
    status: Option<(Revision, Verdict)>,
    comment: Option<OwnComment>,
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
}

impl PullError {
    /// Whether others would end the same way.
    fn is_general(&self) -> bool {
        matches!(self, PullError::Forge(ForgeError::Unreachable(_) | ForgeError::Later(_)))
    }

    /// Whether it helps to try again.
    fn is_over(&self) -> bool {
        matches!(self, PullError::Elsewhere)
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
    let (mut least, mut has_more) = (Duration::ZERO, false);
    loop {
        let settings = core.settings.load_full();
        let wanted = settings.upstream.as_ref().filter(|upstream| upstream.pull_requests.is_some());
        let is_new = wanted != followed.as_ref();
        let next = match wanted {
            _ if is_new => Duration::ZERO,
            None => LOOK,
            Some(_) if has_more => super::LEAST_DISTANCE,
            Some(upstream) => pause(upstream, failures).max(least),
        };
        if !until_due((core, &core.upstream.pulls.news), news, next, &settings) {
            return;
        }
        if is_new {
            followed = wanted.cloned();
            core.upstream.pulls.begin(followed.is_some());
            known.clear();
            failures = 0;
        }
        let Some((upstream, rules)) =
            followed.as_ref().and_then(|upstream| Some((upstream, upstream.pull_requests.as_ref()?)))
        else {
            continue;
        };
        if core.require_history().is_err() {
            has_more = true;
            continue;
        }
        // A forge that wants to be left alone is, whatever its webhooks say.
        std::thread::sleep(super::LEAST_DISTANCE);
        let done = checker(core, &settings, upstream, rules).and_then(|checker| {
            checker.round(&mut known).map_err(|error| (error.to_string(), wait_of(&error)))
        });
        match done {
            Ok(round) => {
                (failures, least, has_more) = (0, Duration::ZERO, matches!(round, Round::More));
                core.upstream.pulls.reached(now());
            }
            Err((reason, wait)) => {
                (failures, least, has_more) = (failures + 1, wait, false);
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
    settings: &ProjectSettings,
    upstream: &Upstream,
    rules: &PullRequestRules,
) -> Result<Checker<'a>, (String, Duration)> {
    let opened = || {
        let token = secret_of(core, settings, &rules.token)?;
        let api = ForgeApi::new(rules.forge, &rules.api, &rules.repository, token, &rules.context);
        Ok(Checker { core, api, remote: remote_of(core, settings, upstream)? })
    };
    opened().map_err(|reason: String| (reason, Duration::ZERO))
}

struct Checker<'a> {
    core: &'a Core,
    api: ForgeApi,
    remote: Remote,
}

impl Checker<'_> {
    /// Looks at what is new. An error of one pull request is told with it; the last is answered when all were looked at.
    fn round(&self, known: &mut HashMap<u64, Known>) -> Result<Round, PullError> {
        let environments = self.core.environments();
        let open: Vec<(PullRequest, &Environment)> = self
            .api
            .pull_requests()?
            .into_iter()
            .filter_map(|pull| {
                let target = environments.iter().find(|environment| *environment.branch == *pull.target)?;
                Some((pull, target))
            })
            .collect();
        let numbers: HashSet<u64> = open.iter().map(|(pull, _)| pull.number).collect();
        known.retain(|number, _| numbers.contains(number));
        self.core.upstream.pulls.keep(&numbers);
        let (mut looked, mut failed) = (0, None);
        for (pull, environment) in open {
            if !self.is_due(&pull, known.get(&pull.number)) {
                continue;
            }
            if self.core.upstream.pulls.news.is_stopped() {
                break;
            }
            if looked == MOST_CHECKED {
                return failed.map_or(Ok(Round::More), Err);
            }
            looked += 1;
            let before = known.remove(&pull.number);
            let mut now = Known {
                head: pull.head.clone(),
                sequence: self.core.index.load().sequence,
                checked_at: Instant::now(),
                status: before.as_ref().and_then(|before| before.status.clone()),
                comment: before.and_then(|before| before.comment),
            };
            let told = self.look_at(&pull, environment, &mut now);
            self.core.upstream.pulls.note(&pull, now.status.as_ref(), told.as_ref().err());
            match told {
                Err(error) if error.is_general() => return Err(error),
                Err(error) if !error.is_over() => {
                    // It is looked at again; what the forge was told already stays known.
                    now.head.clear();
                    known.insert(pull.number, now);
                    failed = Some(error);
                }
                _ => {
                    known.insert(pull.number, now);
                }
            }
        }
        failed.map_or(Ok(Round::Done), Err)
    }

    fn is_due(&self, pull: &PullRequest, known: Option<&Known>) -> bool {
        known.is_none_or(|known| {
            known.head != pull.head
                || (known.sequence != self.core.index.load().sequence
                    && known.checked_at.elapsed() >= RECHECK)
        })
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
        let verdict = text::verdict(&checked);
        if known.status.as_ref() != Some(&(commit, verdict.clone())) {
            self.api.set_status(pull, &commit.to_string(), &verdict)?;
            tracing::info!(number = pull.number, %commit, is_good = verdict.is_good, "a pull request was checked");
            known.status = Some((commit, verdict));
        }
        let text = text::comment(&checked, &commit.to_string());
        if known.comment.is_none() {
            known.comment = self.api.find_comment(pull.number)?;
        }
        let written = match self.api.comment(pull.number, known.comment.as_ref(), &text) {
            // Somebody took it away.
            Err(error) if error.is_gone() && known.comment.is_some() => {
                self.api.comment(pull.number, None, &text)?
            }
            written => written?,
        };
        known.comment = written;
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
        let quarantine = repository.fetch_beside(&self.remote, name, &PUSH_LIMITS)?;
        let reader = quarantine.reader(repository).map_err(ServiceError::from)?;
        match reader.contains(commit).map_err(ServiceError::from)? {
            true => Ok((commit, quarantine)),
            false => Err(PullError::Moved),
        }
    }
}
