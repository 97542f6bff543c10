//! gRPC: the same use cases as HTTP, on the same port; errors come from the same table.

mod convert;
mod health;
mod look_back;
mod read;
mod service;
mod status;
mod watch;
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Uri, Version};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::pb::health_server::HealthServer;
use tower::ServiceExt as _;

use self::health::Health;
use self::service::Service;
use super::http::problem::Problem;
use super::http::{App, caller};
use crate::wire::grpc::DESCRIPTORS;
use crate::wire::grpc::config_service_server::ConfigServiceServer;

/// The largest request, in bytes: a document of the usual limit, and what is around it.
const MOST_REQUEST_BYTES: usize = 8 << 20;

/// How many requests are read and answered at once, watches aside, and how long another one waits for its turn.
const AT_ONCE: usize = 256;
const PATIENCE: Duration = Duration::from_secs(10);

/// The metadata that names one of several projects.
const PROJECT: &str = "confgit-project";

/// Whom a request was sent to; the host of callers without a credential is looked at.
#[derive(Debug, Clone)]
pub(super) struct SentTo(pub Uri);

/// When a caller expects an answer at the latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub Instant);

/// The gRPC side of a server; a clone is the same one.
#[derive(Clone)]
pub(super) struct Grpc {
    projects: Arc<[(App, Router)]>,
    turns: Arc<Semaphore>,
}

/// Whether a request is one of gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

impl Grpc {
    /// The services of these projects, the first of which is meant where none is named.
    pub fn new(apps: &[App]) -> Self {
        let projects = apps.iter().map(|app| (app.clone(), routes(app)));
        Grpc { projects: projects.collect(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The project that a request is for.
    pub fn app_of(&self, headers: &HeaderMap) -> Option<&App> {
        self.find(headers).map(|(app, _)| app)
    }

    fn find(&self, headers: &HeaderMap) -> Option<&(App, Router)> {
        match headers.get(PROJECT) {
            None => self.projects.first(),
            Some(name) => self.projects.iter().find(|(app, _)| name.as_bytes() == app.name.as_bytes()),
        }
    }

    /// Answers one request.
    pub async fn answer(&self, mut request: Request) -> Response {
        if request.version() != Version::HTTP_2 {
            let problem =
                Problem::wrong_version("gRPC needs HTTP/2 from the first byte on (prior knowledge)");
            return problem.into_response();
        }
        let Some((app, router)) = self.find(request.headers()) else {
            return Status::not_found(format!("there is no such project; `{PROJECT}` names it")).into_http();
        };
        let origin = caller::origin(&request);
        let (deadline, is_endless) = (deadline(request.headers()), is_endless(request.uri()));
        let uri = request.uri().clone();
        request.extensions_mut().insert(SentTo(uri));
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(Deadline(deadline));
        }
        let (head, body) = request.into_parts();
        let let_in = self.let_in(app, (&head.headers, &head.uri), is_endless).await;
        let request = Request::from_parts(head, body);
        let response = match let_in {
            Err(problem) => status::of(problem).into_http(),
            Ok(_turn) => {
                let answer = router.clone().oneshot(request);
                let patience = deadline
                    .filter(|_| !is_endless)
                    .map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
                match timeout(patience, answer).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(never)) => match never {},
                    Err(_) => {
                        Status::deadline_exceeded("the answer took longer than the caller waits").into_http()
                    }
                }
            }
        };
        if let Some(denied) = response.extensions().get::<Status>().and_then(status::denied) {
            app.project.core().audit_trail().denied(&denied, &origin);
        }
        response
    }

    /// Checks who calls, at which pace, and whether it is its turn. Nothing of the request is read before.
    async fn let_in(
        &self,
        app: &App,
        (headers, uri): (&HeaderMap, &Uri),
        is_endless: bool,
    ) -> Result<Option<tokio::sync::OwnedSemaphorePermit>, Problem> {
        caller::check_token(app, headers).await?;
        caller::admit(app, headers)?;
        if !is_open(uri) {
            caller::principal(app, headers, uri)?;
        }
        if is_endless {
            return Ok(None);
        }
        let busy = || Problem::busy("too many requests are being answered; try again");
        let turn = timeout(PATIENCE, self.turns.clone().acquire_owned()).await.map_err(|_| busy())?;
        turn.map(Some).map_err(|_| busy())
    }
}

/// What one project answers.
fn routes(app: &App) -> Router {
    let service = ConfigServiceServer::new(Service { app: app.clone() })
        .max_decoding_message_size(MOST_REQUEST_BYTES)
        .max_encoding_message_size(usize::MAX);
    let reflection =
        || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let mut routes = Routes::new(service).add_service(HealthServer::new(Health { app: app.clone() }));
    // What was compiled in is what it was compiled from.
    if let (Ok(current), Ok(older)) = (reflection().build_v1(), reflection().build_v1alpha()) {
        routes = routes.add_service(current).add_service(older);
    }
    routes.prepare().into_axum_router()
}

/// What anybody may ask: health, and what there is.
fn is_open(uri: &Uri) -> bool {
    uri.path().starts_with("/grpc.")
}

/// Whether an answer has no end.
fn is_endless(uri: &Uri) -> bool {
    matches!(uri.path(), "/confgit.v1.ConfigService/Watch" | "/grpc.health.v1.Health/Watch")
        || uri.path().starts_with("/grpc.reflection.")
}

/// When the caller expects an answer at the latest: `grpc-timeout`, a number of up to eight digits and a unit.
fn deadline(headers: &HeaderMap) -> Option<Instant> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 =
        digits.parse().ok().filter(|_| digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_digit()))?;
    let wait = match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    };
    Instant::now().checked_add(wait)
}

/// What a status is as HTTP has it, for measures.
pub(super) fn http_status(response: &Response) -> axum::http::StatusCode {
    let code = response.extensions().get::<Status>().map_or(Code::Ok, Status::code);
    status::http_of(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        for (text, seconds) in [
            ("1S", Some(1)),
            ("2M", Some(120)),
            ("1500m", Some(1)),
            ("1H", Some(3_600)),
            ("99999999H", Some(99_999_999 * 3_600)),
            ("999999999S", None),
            ("S", None),
            ("", None),
            ("1", None),
            ("-1S", None),
            ("1s", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            let found = deadline(&headers).map(|at| (at - Instant::now()).as_secs_f64().round() as u64);
            assert_eq!(
                found.map(|found| found.abs_diff(seconds.unwrap_or(0)) <= 1),
                seconds.map(|_| true),
                "{text}"
            );
        }
    }
}
