use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::auth::{Denied, EditAccessError, Object, Refused};
use crate::git::ReadError;
use crate::model::{Diagnostic, PathError};
use crate::present::{finding_item, problem_item};
use crate::proposal::ActError;
use crate::service::ServiceError;
use crate::wire;

/// A request that is not answered as asked: RFC 9457, `application/problem+json`.
#[derive(Debug)]
pub(in crate::api) struct Problem {
    status: StatusCode,
    /// After how many seconds to try again, where that is told.
    retry_after: u16,
    name: &'static str,
    detail: Box<str>,
    errors: Box<[wire::ProblemItem]>,
    current: Option<Box<str>>,
    conflicts: Box<[wire::PromotionConflict]>,
    /// What the audit log is told.
    denied: Option<Box<Denied>>,
    allow: Option<Cow<'static, str>>,
    /// The proposal that was made of a write.
    proposal: Option<NonZeroU32>,
}

impl Problem {
    pub fn new(status: StatusCode, name: &'static str, detail: impl Into<String>) -> Self {
        Problem {
            status,
            retry_after: 1,
            name,
            detail: detail.into().into_boxed_str(),
            errors: Box::default(),
            current: None,
            conflicts: Box::default(),
            denied: None,
            allow: None,
            proposal: None,
        }
    }

    /// 400: the request cannot be understood.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// 400: each part of the request can be understood, but they cannot hold together, or one needs another.
    pub fn contradiction(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "contradiction", detail)
    }

    /// 400: a page that begins where no page of this list ends.
    pub fn foreign_cursor(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "foreign-cursor", detail)
    }

    /// 400: what stands there cannot be written in the format that is asked for.
    pub fn not_expressible(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "not-expressible", detail)
    }

    /// 400: a text that names no path; `context` begins what is said of it.
    pub fn no_path(context: impl std::fmt::Display, error: &PathError) -> Self {
        let name = match error {
            PathError::TooLong { .. } | PathError::TooDeep { .. } => "path-too-long",
            _ => "malformed",
        };
        Problem::new(StatusCode::BAD_REQUEST, name, format!("{context}: {error}"))
    }

    /// 500: what worked on the request ended without an answer; the log has its panic.
    pub fn stopped(_: tokio::task::JoinError) -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server could not answer this")
    }

    /// 403: the account may not do this.
    pub fn forbidden(refused: Refused) -> Self {
        let item = wire::ProblemItem {
            path: match &refused.object {
                Object::Path(path) => Some(path.to_string()),
                _ => None,
            },
            env: refused.environment.as_ref().map(ToString::to_string),
            rule: Some("access".to_owned()),
            message: refused.to_string(),
            ..Default::default()
        };
        let (errors, denied) = (Box::new([item]), Some(Box::new(Denied::from(refused.clone()))));
        Problem { errors, denied, ..Problem::new(StatusCode::FORBIDDEN, "forbidden", refused.to_string()) }
    }

    /// 429: the account asks faster than it may.
    pub fn too_fast(wait: Duration) -> Self {
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        let detail = format!(
            "the account asks faster than `requests_per_second` in the settings lets it; wait {seconds} s"
        );
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-fast", detail);
        Problem { retry_after: seconds as u16, ..problem }
    }

    /// 405: the resource takes these methods only.
    pub fn wrong_method(allow: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail);
        Problem { allow: Some(allow.into()), ..problem }
    }

    /// 409: both environments changed entries, each in its way.
    pub fn merge_conflict(
        (from, to): (&str, &str),
        count: usize,
        conflicts: Vec<wire::PromotionConflict>,
    ) -> Self {
        let detail = format!(
            "{from} and {to} both changed {}; say with `take` which side counts, or decide one by one with \
             `resolutions`",
            match &conflicts[..] {
                [only] if count == 1 => only.path.clone(),
                listed if listed.len() < count =>
                    format!("{count} entries, the first {} are listed", listed.len()),
                _ => format!("{count} entries"),
            }
        );
        let errors = conflicts.iter().map(|conflict| wire::ProblemItem {
            path: Some(conflict.path.clone()),
            env: Some(to.to_owned()),
            rule: Some("conflict".to_owned()),
            message: format!("{from} says another thing than {to}, and both another than they did"),
            ..Default::default()
        });
        let errors = errors.collect();
        let conflicts = conflicts.into_boxed_slice();
        Problem { errors, conflicts, ..Problem::new(StatusCode::CONFLICT, "merge-conflict", detail) }
    }

    /// 415: gRPC over a version of HTTP that it does not have.
    pub fn wrong_version(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    }

    /// A write that others have to agree to, where that is a refusal: a proposal was made of it.
    pub fn proposed(number: u64, url: &str) -> Self {
        let detail = format!("others have to agree first: proposal {number} was made of it; see GET {url}");
        // A larger one is told by the detail alone.
        let proposal = u32::try_from(number).ok().and_then(NonZeroU32::new);
        Problem { proposal, ..Self::new(StatusCode::CONFLICT, "needs-approval", detail) }
    }

    /// The proposal that was made of a write.
    pub fn proposal(&self) -> Option<u32> {
        self.proposal.map(NonZeroU32::get)
    }

    /// 429: too much is being done at once.
    pub fn busy(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail)
    }

    /// 413: an answer that would be too large.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    }

    /// What the audit log is to be told.
    pub fn denied(&self) -> Option<Arc<Denied>> {
        self.denied.as_ref().map(|denied| Arc::new(Denied::clone(denied)))
    }

    /// 503: not possible at present.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// 413: the body is larger than anything this server takes.
    pub fn body_too_large(limit: usize) -> Self {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("the body is larger than {limit} bytes"),
        )
    }

    /// Whether nothing stands at the path that was asked for, so that a default may be the answer.
    pub fn is_missing_value(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.name == "not-found"
    }

    fn about(mut self, diagnostics: &[Diagnostic]) -> Self {
        self.errors = diagnostics.iter().map(problem_item).collect();
        self
    }

    fn at_path(mut self, path: &crate::model::Path) -> Self {
        let item = wire::ProblemItem {
            path: Some(path.to_string()),
            message: self.detail.to_string(),
            ..Default::default()
        };
        self.errors = Box::new([item]);
        self
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let detail = denied.to_string();
        match denied {
            Denied::Forbidden(refused) => Problem::forbidden(*refused),
            Denied::TokenKeysUnavailable => Problem {
                denied: Some(Box::new(denied)),
                ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            },
            denied => Problem {
                denied: Some(Box::new(denied)),
                ..Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
            },
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let detail = error.to_string();
        match error {
            ServiceError::UnknownEnvironment { .. } => {
                Problem::new(StatusCode::NOT_FOUND, "unknown-environment", detail)
            }
            ServiceError::NotFound { path, .. } => {
                Problem::new(StatusCode::NOT_FOUND, "not-found", detail).at_path(&path)
            }
            ServiceError::Forbidden(refused) => Problem::forbidden(*refused),
            ServiceError::Denied(denied) => (*denied).into(),
            ServiceError::Account(error) => match *error {
                EditAccessError::Exists { .. } | EditAccessError::LastAdministrator { .. } => {
                    Problem::new(StatusCode::CONFLICT, "conflict", detail)
                }
                EditAccessError::Unknown { .. } => {
                    Problem::new(StatusCode::NOT_FOUND, "unknown-account", detail)
                }
                EditAccessError::NoName { .. } => Problem::new(StatusCode::BAD_REQUEST, "invalid", detail),
                EditAccessError::File(_) => {
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
                }
            },
            ServiceError::NoProposal { .. } => {
                Problem::new(StatusCode::NOT_FOUND, "unknown-proposal", detail)
            }
            ServiceError::NeedsApproval { .. } => {
                Problem::new(StatusCode::FORBIDDEN, "needs-approval", detail)
            }
            ServiceError::NotApproved { .. } => Problem::new(StatusCode::CONFLICT, "needs-approval", detail),
            ServiceError::Proposal(ActError::Text { .. }) => {
                Problem::new(StatusCode::BAD_REQUEST, "invalid", detail)
            }
            ServiceError::Proposal(_) => Problem::new(StatusCode::CONFLICT, "conflict", detail),
            ServiceError::Unmergeable { faults, .. } => {
                Problem::new(StatusCode::CONFLICT, "merge-conflict", detail).about(&faults)
            }
            ServiceError::NothingToPropose => {
                let item = wire::ProblemItem { message: detail.clone(), ..Default::default() };
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", detail);
                Problem { errors: Box::new([item]), ..problem }
            }
            ServiceError::NoClient { .. } => Problem::new(StatusCode::NOT_FOUND, "unknown-client", detail),
            ServiceError::NoVersion { path, .. } | ServiceError::NoEntry { path, .. } => {
                Problem::new(StatusCode::NOT_FOUND, "no-version", detail).at_path(&path)
            }
            ServiceError::Gone { path, .. } | ServiceError::Pruned { path, .. } => {
                Problem::new(StatusCode::GONE, "gone", detail).at_path(&path)
            }
            ServiceError::NotKept { .. } => Problem::new(StatusCode::GONE, "gone", detail),
            ServiceError::NoSuchPoint { .. } => {
                Problem::new(StatusCode::BAD_REQUEST, "no-such-moment", detail)
            }
            ServiceError::Cursor { .. } => Problem::foreign_cursor(detail),
            ServiceError::EnvironmentExists { .. } => Problem::new(StatusCode::CONFLICT, "conflict", detail),
            ServiceError::Settings(mistakes) => {
                Problem::new(StatusCode::BAD_REQUEST, "invalid", detail).about(&mistakes)
            }
            ServiceError::Patch { path, .. } => {
                Problem::new(StatusCode::BAD_REQUEST, "patch-does-not-apply", detail).at_path(&path)
            }
            ServiceError::PreconditionFailed(unmet) => {
                let problem = Problem::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", detail)
                    .at_path(&unmet.path);
                Problem { current: unmet.current.map(String::into_boxed_str), ..problem }
            }
            ServiceError::Invalid { path, .. } => {
                Problem::new(StatusCode::BAD_REQUEST, "invalid", detail).at_path(&path)
            }
            ServiceError::Conflict(diagnostic) => {
                Problem::new(StatusCode::CONFLICT, "conflict", detail).about(&[diagnostic])
            }
            ServiceError::Problems(diagnostics) => {
                let problem = if diagnostics.iter().any(|diagnostic| diagnostic.rule.is_conflict()) {
                    Problem::new(StatusCode::CONFLICT, "conflict", detail)
                } else {
                    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", detail)
                };
                problem.about(&diagnostics)
            }
            ServiceError::Findings(findings) => {
                let errors = findings.iter().map(finding_item).collect();
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", detail);
                Problem { errors, ..problem }
            }
            ServiceError::Unresolvable(diagnostics) => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unresolvable", detail).about(&diagnostics)
            }
            ServiceError::NotExpressible(diagnostics) => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-expressible", detail).about(&diagnostics)
            }
            ServiceError::Secret(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail),
            ServiceError::TooLarge { path, .. } => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail).at_path(&path)
            }
            ServiceError::Busy
            | ServiceError::TooManyWatchers { .. }
            | ServiceError::TooManyProposals { .. } => {
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail)
            }
            ServiceError::WritesUnavailable { .. }
            | ServiceError::NotReady { .. }
            | ServiceError::NotUpstream { .. }
            | ServiceError::AuditUnavailable { .. } => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            }
            ServiceError::Repository(error) => repository_problem(&error),
            ServiceError::Io(_) => internal(&detail),
        }
    }
}

fn repository_problem(error: &ReadError) -> Problem {
    match error {
        ReadError::TooLarge { .. } | ReadError::TooDeep { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", error.to_string())
        }
        other => internal(&other.to_string()),
    }
}

/// What went wrong inside is for the log; the caller learns that it did.
pub(in crate::api) fn internal(reason: &str) -> Problem {
    tracing::error!(%reason, "a request failed");
    let detail = "the server could not answer this; its log says why";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}

fn title(name: &str) -> &'static str {
    match name {
        "malformed" => "The request cannot be understood",
        "contradiction" => "Parts of the request contradict each other",
        "foreign-cursor" => "No page of this list begins there",
        "path-too-long" => "The path has more bytes, or segments, than one may have",
        "no-such-moment" => "There is no such moment",
        "not-expressible" => "This format cannot say what stands there",
        "invalid" => "No configuration can be so",
        "unauthorized" => "A valid key is needed",
        "patch-does-not-apply" => "The patch cannot be applied",
        "forbidden" => "Not allowed",
        "foreign-origin" => "A page of another origin may not change anything",
        "foreign-host" => "Without a key only loopback hosts are served",
        "unknown-proposal" => "There is no such proposal",
        "needs-approval" => "Others have to agree first",
        "unknown-client" => "There is no such client",
        "unknown-account" => "There is no such account",
        "unknown-environment" => "There is no such environment",
        "not-found" => "Nothing stands at this path",
        "no-version" => "There is no such version",
        "gone" => "This is not there any more",
        "method-not-allowed" => "This resource does not take this method",
        "precondition-failed" => "The precondition does not hold",
        "conflict" => "The change does not fit what is there",
        "merge-conflict" => "Both sides changed the same entries",
        "unprocessable" => "The configuration would not be valid any more",
        "unresolvable" => "References or templates lead nowhere",
        "too-large" => "Too large",
        "unsupported-media-type" => "The body is of a type that is not taken here",
        "busy" => "Too much is waiting",
        "too-fast" => "Too many requests",
        "too-slow" => "The request took too long to arrive",
        "unavailable" => "Not possible at present",
        _ => "The server failed",
    }
}

impl Problem {
    /// The body that tells it.
    pub fn to_wire(&self) -> wire::Problem {
        wire::Problem {
            kind: format!("/problems/{}", self.name),
            title: title(self.name).to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.to_string(),
            errors: self.errors.to_vec(),
            current: self.current.as_ref().map(ToString::to_string),
            conflicts: self.conflicts.to_vec(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.to_wire();
        let mut response = Response::new(Body::from(serde_json::to_vec(&body).unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(&*allow).ok()) {
            headers.insert(ALLOW, allow);
        }
        let denied = self.denied;
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after));
        }
        if let Some(denied) = denied {
            response.extensions_mut().insert(Arc::<Denied>::from(denied));
        }
        response
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        problem.into_response()
    }
}
