use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ring::hmac;
use serde_json::Value;
use ureq::http::{Request, Response, StatusCode};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::Forge;
use super::bitbucket::Bitbucket;
use super::dialect::{A_PAGE, Call, Comment, Dialect, Page, PullRequest, Verdict};
use super::gitea::Gitea;
use super::github::GitHub;
use super::gitlab::GitLab;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes.
const MOST_ANSWER_BYTES: u64 = 32 << 20;

/// The largest file of certificates that is read, in bytes.
const MOST_CERTIFICATE_BYTES: u64 = 4 << 20;

/// How many pages of a list are looked through.
const MOST_PAGES: usize = 30;

/// How long a forge is left alone that is asked too often and does not say for how long.
const PAUSE: Duration = Duration::from_secs(60);

/// For how long a forge may ask to be left alone.
const MOST_PAUSE: Duration = Duration::from_secs(3_600);

/// Why a forge did not do what it was asked. Holds nothing of the token, and no text of an answer but its `message`.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// It did not answer.
    #[error("the forge cannot be asked: {0}")]
    Unreachable(String),
    /// It answered with more than is read.
    #[error("the answer of the forge to {what} is too large")]
    TooLarge {
        /// What was asked.
        what: String,
    },
    /// It wants to be asked later.
    #[error("the forge wants to be asked again in {} seconds", .0.as_secs())]
    Later(Duration),
    /// It answered that this is not possible.
    #[error("the forge answered {status} to {what}{}", message.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// What was asked: method and path.
        what: String,
        /// The status of the answer.
        status: u16,
        /// Why, as it says.
        message: Option<String>,
    },
    /// It answered something else than its documentation says.
    #[error("the answer of the forge to {what} is no JSON")]
    NotJson {
        /// What was asked.
        what: String,
    },
}

/// Why certificates cannot be held to.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// The file cannot be read.
    #[error("`ca_file` {name} cannot be read: {error}")]
    Io {
        /// The file.
        name: String,
        /// Why not.
        error: io::Error,
    },
    /// The file has none.
    #[error("`ca_file` {name} holds no certificate (PEM, at most {MOST_CERTIFICATE_BYTES} bytes)")]
    None {
        /// The file.
        name: String,
    },
}

impl ForgeError {
    /// Whether there is nothing at the address.
    pub fn is_gone(&self) -> bool {
        matches!(self, ForgeError::Refused { status: 404 | 410, .. })
    }
}

/// The comment that was made on a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnComment {
    id: u64,
    text: String,
}

/// The API of a forge, about one repository.
pub struct ForgeApi {
    agent: Agent,
    dialect: &'static dyn Dialect,
    /// Its address, without a slash at the end.
    base: String,
    /// Such as `acme/config`.
    repository: String,
    token: String,
    /// What our status is called, before the branch.
    context: String,
    /// Who we are, as the forge says of our status.
    own: Mutex<Option<String>>,
}

impl ForgeApi {
    /// The API at an address, about a repository. Nothing is asked yet. Where there is a file of certificates (PEM), the address
    /// is held to those.
    pub fn new(
        forge: Forge,
        (base, repository): (&str, &str),
        token: String,
        context: &str,
        ca_file: Option<&Path>,
    ) -> Result<Self, CertificatesError> {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // The token goes where the settings say, and nowhere else.
            .max_redirects(0)
            .user_agent(concat!("confgit/", env!("CARGO_PKG_VERSION")));
        let config = match ca_file {
            Some(file) => config.tls_config(trusting(file)?),
            None => config,
        };
        Ok(ForgeApi {
            agent: Agent::new_with_config(config.build()),
            dialect: match forge {
                Forge::GitHub => &GitHub,
                Forge::GitLab => &GitLab,
                Forge::Gitea => &Gitea,
                Forge::Bitbucket => &Bitbucket,
            },
            base: base.trim_end_matches('/').to_owned(),
            repository: repository.to_owned(),
            token,
            context: context.to_owned(),
            own: Mutex::default(),
        })
    }

    /// The open pull requests that are wanted, those first that were touched last: so many at most, of the first pages.
    pub fn pull_requests(
        &self,
        most: usize,
        is_wanted: impl Fn(&PullRequest) -> bool,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let mut found: Vec<PullRequest> = Vec::new();
        for page in 1..=MOST_PAGES {
            let answer = self.ask(self.dialect.pull_requests(&self.repository, page))?;
            let Page { read, items } = self.dialect.read_pull_requests(&answer);
            for pull in read.into_iter().filter(&is_wanted) {
                // One that is touched meanwhile moves to another page.
                if found.len() < most && found.iter().all(|other| other.number != pull.number) {
                    found.push(pull);
                }
            }
            if items < A_PAGE || found.len() == most {
                break;
            }
        }
        Ok(found)
    }

    /// Gives the commit of a pull request its status. It is called after the branch as well: a commit can be good for one
    /// and not for another.
    pub fn set_status(&self, pull: &PullRequest, commit: &str, verdict: &Verdict) -> Result<(), ForgeError> {
        let context = format!("{}/{}", self.context, pull.target);
        let answer = self.ask(self.dialect.status(&self.repository, pull, commit, &context, verdict))?;
        if let Some(author) = self.dialect.author_of_status(&answer) {
            *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(author);
        }
        Ok(())
    }

    /// Finds the comment that was made before: the first that ends with a line that nobody makes who does not have the token,
    /// and that is of whoever gave the status, where the forge says who that was.
    pub fn find_comment(&self, number: u64) -> Result<Option<OwnComment>, ForgeError> {
        let mark = self.mark(number);
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut seen = None;
        for page in 1..=MOST_PAGES {
            let answer = self.ask(self.dialect.comments(&self.repository, number, page))?;
            let Page { read, items } = self.dialect.read_comments(&answer);
            let is_ours = |comment: &&Comment| {
                let is_marked = comment.text.trim_end().ends_with(&mark);
                is_marked && own.as_ref().is_none_or(|own| comment.author.as_ref() == Some(own))
            };
            if let Some(comment) = read.iter().find(is_ours) {
                return Ok(Some(OwnComment { id: comment.id, text: comment.text.replace("\r\n", "\n") }));
            }
            let first = read.first().map(|comment| comment.id);
            // Where there are no pages, each is the first one.
            if items < A_PAGE || first == seen {
                break;
            }
            seen = first;
        }
        Ok(None)
    }

    /// Makes the comment, or changes what it says where it says something else.
    pub fn comment(
        &self,
        number: u64,
        before: Option<&OwnComment>,
        text: &str,
    ) -> Result<Option<OwnComment>, ForgeError> {
        let text = format!("{}\n\n{}", text.trim(), self.mark(number));
        if let Some(same) = before.filter(|before| before.text.trim() == text) {
            return Ok(Some(same.clone()));
        }
        let id = before.map(|before| before.id);
        let answer = self.ask(self.dialect.comment(&self.repository, number, id, &text))?;
        let id = answer.get("id").and_then(Value::as_u64).or(id);
        Ok(id.map(|id| OwnComment { id, text }))
    }

    /// A line that Markdown does not show.
    fn mark(&self, number: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.token.as_bytes());
        let about = format!("comment of {} on {} {number}", self.context, self.repository);
        let tag = hmac::sign(&key, about.as_bytes());
        let digits: String = tag.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("[//]: # (confgit {digits})")
    }

    fn ask(&self, call: Call) -> Result<Value, ForgeError> {
        let path = call.path.split('?').next().unwrap_or_default();
        let what = format!("{} {path}", call.method);
        let mut response = self.send(&call)?;
        let pause = pause_of(&response);
        let body = response.body_mut().with_config().limit(MOST_ANSWER_BYTES).read_to_vec();
        let body = body.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => ForgeError::TooLarge { what: what.clone() },
            error => ForgeError::Unreachable(error.to_string()),
        })?;
        let status = response.status();
        let pause = pause.or((status == StatusCode::TOO_MANY_REQUESTS).then_some(PAUSE));
        if let Some(pause) = pause.filter(|_| status == 429 || status == 403 || status == 503) {
            return Err(ForgeError::Later(pause));
        }
        // A change that is made may be answered with nothing.
        let answer = match body.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice::<Value>(&body),
        };
        if !status.is_success() {
            let message = answer.ok().as_ref().and_then(message_of);
            return Err(ForgeError::Refused { what, status: status.as_u16(), message });
        }
        answer.map_err(|_| ForgeError::NotJson { what })
    }

    fn send(&self, call: &Call) -> Result<Response<Body>, ForgeError> {
        let mut request = Request::builder().method(call.method).uri(format!("{}{}", self.base, call.path));
        for (name, value) in self.dialect.headers(&self.token) {
            request = request.header(name, value);
        }
        let sent = match &call.body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_string())
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request)),
        };
        sent.map_err(|error| ForgeError::Unreachable(error.to_string()))
    }
}

/// How long a forge asks to be left alone: `Retry-After` (RFC 9110, 10.2.3) in seconds, or when its quota begins anew.
fn pause_of(response: &Response<Body>) -> Option<Duration> {
    let number = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let is_used_up =
        number("x-ratelimit-remaining") == Some(0) || response.status() == StatusCode::TOO_MANY_REQUESTS;
    let seconds = match number("retry-after") {
        Some(seconds) => Some(seconds),
        None if is_used_up => number("x-ratelimit-reset").map(|at| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            at.saturating_sub(now.unwrap_or_default().as_secs())
        }),
        None => None,
    };
    seconds.map(|seconds| Duration::from_secs(seconds.max(1)).min(MOST_PAUSE))
}

/// What the error of a forge says, in a line.
fn message_of(answer: &Value) -> Option<String> {
    let said = ["/message", "/error/message", "/error"].iter().find_map(|at| answer.pointer(at)?.as_str())?;
    Some(said.chars().map(|char| if char.is_control() { ' ' } else { char }).take(200).collect())
}

impl std::fmt::Debug for ForgeApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForgeApi")
            .field("base", &self.base)
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}

/// What takes nobody for the forge whom the certificates of a file do not vouch for.
fn trusting(file: &Path) -> Result<TlsConfig, CertificatesError> {
    let name = || file.display().to_string();
    let mut pem = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MOST_CERTIFICATE_BYTES).read_to_end(&mut pem));
    read.map_err(|error| CertificatesError::Io { name: name(), error })?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    if certificates.is_empty() {
        return Err(CertificatesError::None { name: name() });
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build())
}
