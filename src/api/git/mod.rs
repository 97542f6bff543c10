//! Git's smart HTTP protocol: gitprotocol-http(5), gitprotocol-pack(5), gitprotocol-v2(5).
//!
//! Clones and fetches are served by the `git` of this machine. Pushes are received here: only the committer moves refs.

mod inflow;
mod pkt_line;
mod process;
mod receive;
mod report;
mod upload;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use super::http::App;
use super::http::caller;
use super::http::problem::Problem;
use crate::service::Which;

/// Where the repositories of a project are, from its root.
const CONFIG: &str = "/config.git";
const META: &str = "/meta.git";

/// What a Git client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    /// Clone or fetch.
    Upload,
    /// Push.
    Receive,
}

impl Service {
    fn of(name: &str) -> Option<Self> {
        match name {
            "git-upload-pack" => Some(Service::Upload),
            "git-receive-pack" => Some(Service::Receive),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Service::Upload => "git-upload-pack",
            Service::Receive => "git-receive-pack",
        }
    }
}

/// Whether a path belongs to a repository: there, a password is a key.
pub(super) fn is_repository(path: &str) -> bool {
    let below =
        |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below(CONFIG) || below(META)
}

/// `/config.git/…`: the configuration.
pub(super) async fn config(State(app): State<App>, request: Request) -> Response {
    answered(serve(app, Which::Config, CONFIG, request).await)
}

/// `/meta.git/…`: settings and access, for administrators.
pub(super) async fn meta(State(app): State<App>, request: Request) -> Response {
    answered(serve(app, Which::Meta, META, request).await)
}

async fn serve(app: App, which: Which, root: &str, request: Request) -> Result<Response, Problem> {
    let path = request.uri().path();
    let rest = path.strip_prefix(root).unwrap_or_default().trim_start_matches('/').to_owned();
    match (request.method(), rest.as_str()) {
        (&Method::GET, "info/refs") => match service_of(request.uri()) {
            Some(Service::Upload) => upload::advertise(app, which, request).await,
            Some(Service::Receive) => receive::advertise(app, which, request).await,
            None => Err(dumb()),
        },
        (&Method::POST, "git-upload-pack") => upload::serve(app, which, request).await,
        (&Method::POST, "git-receive-pack") => receive::serve(app, which, request).await,
        (_, "git-upload-pack" | "git-receive-pack" | "info/refs") => {
            let allow = if rest == "info/refs" { "GET" } else { "POST" };
            Err(Problem::wrong_method(allow.to_owned(), format!("{path} takes {allow}")))
        }
        _ => Err(dumb()),
    }
}

/// What `info/refs` is asked for.
fn service_of(uri: &Uri) -> Option<Service> {
    let query = uri.query()?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "service")
        .and_then(|(_, name)| Service::of(&name))
}

fn dumb() -> Problem {
    let detail = "this is a Git repository, served by the smart HTTP protocol alone: `git clone` its address, which ends with .git";
    Problem::new(StatusCode::NOT_FOUND, "not-found", detail)
}

/// Who clones or fetches may read all of it.
fn may_fetch(app: &App, which: Which, headers: &HeaderMap, uri: &Uri) -> Result<Arc<str>, Problem> {
    match which {
        Which::Meta => Ok(caller::may_administer(app, headers, uri)?.account().clone()),
        Which::Config => {
            let grant = caller::may_read(app, headers, uri)?;
            grant.demand_everything(&app.project.core().environments()).map_err(Problem::forbidden)?;
            Ok(grant.account().clone())
        }
    }
}

/// A refusal as Git clients show it.
pub(super) fn refused(problem: Problem) -> Response {
    answered(Err(problem))
}

/// An answer as Git clients show it: what goes wrong as plain text, and a 401 that makes them ask for a password.
fn answered(result: Result<Response, Problem>) -> Response {
    let problem = match result {
        Ok(response) => return response,
        Err(problem) => problem,
    };
    let text = report::lines_of(&problem).join("\n");
    let mut response = problem.into_response();
    let is_unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    *response.body_mut() = Body::from(text + "\n");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if is_unauthorized {
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"confgit; the password is a key\", charset=\"UTF-8\""),
        );
    }
    response
}

/// The head of an answer, which no cache keeps.
fn response(kind: String, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::try_from(kind) {
        headers.insert(CONTENT_TYPE, kind);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0, must-revalidate"));
    headers.insert(EXPIRES, HeaderValue::from_static("Fri, 01 Jan 1980 00:00:00 GMT"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn advertisement_of(service: Service) -> String {
    format!("application/x-{}-advertisement", service.name())
}

fn result_of(service: Service) -> String {
    format!("application/x-{}-result", service.name())
}

/// That a body is what it should be.
fn check_body(headers: &HeaderMap, service: Service) -> Result<(), Problem> {
    let expected = format!("application/x-{}-request", service.name());
    if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == expected.as_bytes()) {
        return Ok(());
    }
    let detail = format!("the body has to be of the type {expected}");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail))
}
