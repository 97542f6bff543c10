use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::api::http::problem::Problem;
use crate::auth::Denied;

/// Who answers for the reasons of refusals.
const DOMAIN: &str = "confgit";

/// How many places a refusal names: what they take travels in headers, which have a bound.
const MOST_PLACES: usize = 20;

/// A refusal as gRPC has it: the code by the status of HTTP, the name of the problem as reason, a violation for each place.
pub(super) fn of(problem: Problem) -> Status {
    let denied = problem.denied();
    let proposed = problem.proposal();
    let told = problem.to_wire();
    let name = told.kind.trim_start_matches("/problems/").replace('-', "_").to_ascii_uppercase();
    let proposal = proposed.map(|number| ("proposal".to_owned(), number.to_string()));
    let metadata = std::iter::once(("status".to_owned(), told.status.to_string())).chain(proposal);
    let mut details = ErrorDetails::with_error_info(name, DOMAIN, metadata.collect::<HashMap<_, _>>());
    for item in told.errors.iter().take(MOST_PLACES) {
        details.add_bad_request_violation(item.path.clone().unwrap_or_default(), item.message.clone());
    }
    let mut status = Status::with_error_details(code_of(told.status), told.detail, details);
    if let Some(denied) = denied {
        status.set_source(Arc::new(Told(denied)));
    }
    status
}

/// What the audit log is to be told of a refusal.
pub(super) fn denied(status: &Status) -> Option<Arc<Denied>> {
    let source = std::error::Error::source(status)?;
    source.downcast_ref::<Told>().map(|told| told.0.clone())
}

/// What goes with a status to the audit log, and not to the client.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(Arc<Denied>);

fn code_of(status: u16) -> Code {
    match status {
        400 | 413 | 415 | 422 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        405 => Code::Unimplemented,
        409 => Code::Aborted,
        410 => Code::OutOfRange,
        412 => Code::FailedPrecondition,
        429 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        _ => Code::Internal,
    }
}

/// The status of HTTP that a code counts as.
pub(super) fn http_of(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::OutOfRange | Code::Cancelled | Code::AlreadyExists => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Aborted => StatusCode::CONFLICT,
        Code::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::METHOD_NOT_ALLOWED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        of(problem)
    }
}
