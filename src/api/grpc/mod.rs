//! gRPC: the same use cases as HTTP, on the same port; errors come from the same table.

mod convert;
mod health;
mod look_back;
mod read;
mod service;
mod status;
mod watch;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Uri, Version};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::pb::health_server::HealthServer;
use tower::{Service as _, ServiceExt as _};
use tracing::Span;

use self::health::Health;
use self::service::Service;
use super::http::problem::Problem;
use super::http::{App, Peer, StreamFlag, caller, observe};
use crate::wire::grpc::DESCRIPTORS;
use crate::wire::grpc::config_service_server::ConfigServiceServer;

/// The largest request, in bytes: a document of the usual limit, and what is around it.
const MOST_REQUEST_BYTES: usize = 8 << 20;

/// How many requests are read and answered at once, watches aside, and how long another one waits for its turn.
const AT_ONCE: usize = 256;
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a call may take whose caller gives it longer.
const LONGEST_CALL: Duration = Duration::from_secs(60);

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
    projects: Arc<[Mounted]>,
    turns: Arc<Semaphore>,
}

/// A project and what it answers.
struct Mounted {
    app: App,
    /// Configuration, found without looking for its route.
    service: ConfigServiceServer<Service>,
    /// Everything else.
    router: Router,
}

/// Where the methods of configuration are.
const SERVICE: &str = "/confgit.v1.ConfigService/";

/// The path of the method that is called most.
const GET: &str = "/confgit.v1.ConfigService/Get";

/// Whether a request is one of gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

impl Grpc {
    /// The services of these projects, the first of which is meant where none is named.
    pub fn new(apps: &[App]) -> Self {
        let projects = apps.iter().map(|app| {
            let service = ConfigServiceServer::new(Service { app: app.clone() })
                .max_decoding_message_size(MOST_REQUEST_BYTES)
                .max_encoding_message_size(usize::MAX);
            Mounted { app: app.clone(), router: routes(app), service }
        });
        Grpc { projects: projects.collect(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The project that a request is for.
    fn find(&self, headers: &HeaderMap) -> Option<&Mounted> {
        match headers.get(PROJECT) {
            None => self.projects.first(),
            Some(name) => self.projects.iter().find(|found| name.as_bytes() == found.app.name.as_bytes()),
        }
    }

    /// Answers one request, measures and logs it.
    pub async fn answer(
        &self,
        (peer, flag): (SocketAddr, &StreamFlag),
        (begun, span): (Instant, Option<Span>),
        request: Request,
    ) -> Response {
        let Some(project) = self.find(request.headers()) else {
            return Status::not_found(format!("there is no such project; `{PROJECT}` names it")).into_http();
        };
        let app = &project.app;
        if span.is_none() && request.uri().path() == GET {
            let response = self.answer_of(project, (peer, flag), request).await;
            observe::grpc_read(app, begun, http_status(&response));
            return response;
        }
        let span = span.unwrap_or_else(|| observe::span_of(&request));
        let answer = |request| async move { self.answer_of(project, (peer, flag), request).await };
        observe::observed(app, (begun, span), request, answer).await
    }

    async fn answer_of(
        &self,
        project: &Mounted,
        (peer, flag): (SocketAddr, &StreamFlag),
        request: Request,
    ) -> Response {
        if request.version() != Version::HTTP_2 {
            let problem =
                Problem::wrong_version("gRPC needs HTTP/2 from the first byte on (prior knowledge)");
            return problem.into_response();
        }
        let app = &project.app;
        let (mut head, body) = request.into_parts();
        let (deadline, is_endless) = (deadline(&head.headers), is_endless(&head.uri));
        let request_id = caller::request_id(&head.headers);
        let let_in = self.let_in(app, (&head.headers, &head.uri), is_endless).await;
        // What few need is not put where all others would pay for it.
        if is_endless {
            head.extensions.insert(Peer(peer));
            head.extensions.insert(flag.clone());
            if let Some(deadline) = deadline {
                head.extensions.insert(Deadline(deadline));
            }
        }
        if caller::key(&head.headers).is_none() {
            head.extensions.insert(SentTo(head.uri.clone()));
        }
        let answer = project.call(Request::from_parts(head, body));
        // A request that never comes to its end must not keep its turn for ever.
        let longest = Instant::now() + LONGEST_CALL;
        let until = deadline.map_or(longest, |deadline| deadline.min(longest));
        let response = match let_in {
            Err(problem) => status::of(problem).into_http(),
            Ok(_turn) if is_endless => answer.await,
            Ok(_turn) => timeout_at(until.into(), answer).await.unwrap_or_else(|_| {
                Status::deadline_exceeded("the answer took longer than the caller waits").into_http()
            }),
        };
        if let Some(denied) = response.extensions().get::<Status>().and_then(status::denied) {
            app.project.core().audit_trail().denied(&denied, &caller::origin_of(Some(peer), request_id));
        }
        response
    }

    /// Checks who calls, at which pace, and whether it is its turn. Nothing of the request is read before.
    async fn let_in(
        &self,
        app: &App,
        (headers, uri): (&HeaderMap, &Uri),
        is_endless: bool,
    ) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        if !is_open(uri) {
            caller::check_token(app, headers).await?;
            caller::admit_known(app, headers, uri)?;
        }
        if is_endless {
            return Ok(None);
        }
        if let Ok(turn) = self.turns.clone().try_acquire_owned() {
            return Ok(Some(turn));
        }
        let busy = || Problem::busy("too many requests are being answered; try again");
        let turn = timeout(PATIENCE, self.turns.clone().acquire_owned()).await.map_err(|_| busy())?;
        turn.map(Some).map_err(|_| busy())
    }
}

impl Mounted {
    async fn call(&self, request: Request) -> Response {
        if request.uri().path().starts_with(SERVICE) {
            return match self.service.clone().call(request).await {
                Ok(response) => response.map(Body::new),
                Err(never) => match never {},
            };
        }
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// What one project answers beside its configuration.
fn routes(app: &App) -> Router {
    let reflection =
        || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let mut routes = Routes::new(HealthServer::new(Health { app: app.clone() }));
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
