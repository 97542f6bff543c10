//! REST: one router that lists every route, one file per resource, and the fast way for plain reads.

mod accounts;
mod answer;
pub(in crate::api) mod asked;
mod audit;
mod backup;
pub(in crate::api) mod batch;
mod body;
pub(in crate::api) mod caller;
pub(in crate::api) mod clients;
mod commits;
pub(in crate::api) mod diff;
mod docs;
mod entries;
mod environments;
mod explain;
mod fields;
mod format;
pub(in crate::api) mod history;
mod hot;
mod links;
mod list;
pub(in crate::api) mod observe;
#[cfg(test)]
mod openapi;
mod operations;
mod page;
mod preview;
pub(in crate::api) mod problem;
mod promote;
mod proposals;
pub(in crate::api) mod put_body;
mod query;
mod read;
mod reply;
pub(in crate::api) mod resolved;
mod routes;
mod shield;
mod site;
mod target;
mod upstream;
pub(in crate::api) mod watch;
pub(in crate::api) mod write;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::BoxError;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use bytes::Bytes;
use tower::{Layer as _, ServiceExt as _};
use tracing::Span;

pub use self::body::BodyRoom;
use self::problem::Problem;
use self::routes::Routes;
pub use self::shield::{CorsOrigins, MalformedOrigin};
use self::site::{Mounted, Site};
pub use self::watch::StreamFlag;
use crate::api::git;
use crate::api::grpc::{self, Grpc};
use crate::auth::{Anonymous, Denied};
use crate::service::Project;
use crate::telemetry::{HttpMetrics, Telemetry, trace};

/// What every handler works with.
#[derive(Clone)]
pub struct App {
    /// The project.
    pub project: Arc<Project>,
    /// Its name.
    pub name: Arc<str>,
    /// What callers without a credential may do.
    pub anonymous: Anonymous,
    /// What is counted.
    pub telemetry: Telemetry,
    /// A request that takes so long is logged at the level `info`.
    pub slow_request: Duration,
    /// Room for the bodies of requests.
    pub room: BodyRoom,
    /// Pages of which other origins may call.
    pub cors: CorsOrigins,
}

/// The HTTP side of a server; a clone is the same one.
#[derive(Clone)]
pub struct Http {
    site: Site,
    grpc: Grpc,
}

impl Http {
    /// The routes of a server's projects, the first of which answers at the root as well.
    pub fn new(first: App, others: Vec<App>) -> Self {
        let site = Site::new(first, others);
        let grpc = Grpc::new(site.apps());
        Http { site, grpc }
    }

    /// What is measured of requests and connections.
    pub fn metrics(&self) -> &HttpMetrics {
        self.site.default_app().telemetry.http()
    }

    /// Answers one request.
    ///
    /// The flag tells its connection that the answer has no end.
    pub async fn answer<B>(
        &self,
        (peer, flag): (SocketAddr, &StreamFlag),
        request: axum::http::Request<B>,
    ) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let begun = Instant::now();
        let app = self.site.default_app();
        // A plain read is traced only when its caller wants this very one to be.
        let is_traced = trace::is_on() && observe::trace_context(request.headers()).is_sampled();
        let span = if is_traced { observe::span_of(&request) } else { Span::none() };
        if request.method() == Method::GET
            && let Some(response) = hot::read(app, &request)
        {
            observe::plain_read(app, (begun, &span), response.status());
            return response;
        }
        // What all others take is not kept by each connection, least of all while a watch lasts.
        Box::pin(self.answer_other((peer, flag), (begun, is_traced.then_some(span)), request.map(Body::new)))
            .await
    }

    /// Answers what is no plain read at the root.
    async fn answer_other(
        &self,
        (peer, flag): (SocketAddr, &StreamFlag),
        (begun, span): (Instant, Option<Span>),
        mut request: Request,
    ) -> Response {
        let app = self.site.default_app();
        if *request.method() == Method::POST && grpc::is_grpc(request.headers()) {
            return self.grpc.answer((peer, flag), (begun, span), request).await;
        }
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(flag.clone());
        let project = self.site.project_of(&mut request);
        let app = project.map_or(app, |project| &project.app);
        // At the root this was tried before.
        if *request.method() == Method::GET
            && links::is_prefixed(&request)
            && let Some(response) = hot::read(app, &request)
        {
            observe::plain_read(app, (begun, &span.unwrap_or_else(Span::none)), response.status());
            return response;
        }
        let span = span.unwrap_or_else(|| observe::span_of(&request));
        let answer = |request| async move {
            let mut response = match project {
                Some(mounted) if !mounted.app.cors.is_empty() => with_cors(mounted, request).await,
                _ => route(project, request).await,
            };
            shield::harden(&mut response);
            response
        };
        observe::observed(app, (begun, span), request, answer).await
    }
}

/// The same for browsers, which are told what pages of other origins may do.
async fn with_cors(project: &Mounted, request: Request) -> Response {
    let answer =
        tower::service_fn(|request| async { Ok::<_, Infallible>(route(Some(project), request).await) });
    match project.app.cors.layer().layer(answer).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Peer(pub SocketAddr);

/// Lets a project answer; where there is none, says so.
async fn route(project: Option<&Mounted>, mut request: Request) -> Response {
    let Some(project) = project else { return operations::no_route(request).await.into() };
    let app = &project.app;
    if let Err(refusal) = caller::check_host(&request).and_then(|()| caller::check_origin(app, &request)) {
        return refusal.into();
    }
    let is_git = git::is_repository(request.uri().path());
    if is_git {
        caller::take_password(request.headers_mut());
    }
    let refused = |refusal: Problem| if is_git { git::refused(refusal) } else { refusal.into() };
    let origin = caller::origin(&request);
    let response = match caller::check_token(app, request.headers()).await {
        Ok(()) => match caller::admit(app, request.headers()) {
            Ok(()) => routed(project, request).await,
            Err(refusal) => refused(refusal),
        },
        Err(refusal) => refused(refusal),
    };
    if let Some(denied) = response.extensions().get::<Arc<Denied>>() {
        app.project.core().audit_trail().denied(denied, &origin);
    }
    response
}

async fn routed(project: &Mounted, request: Request) -> Response {
    match project.router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// What one project answers.
fn project_routes() -> Routes<App> {
    Routes::new()
        .get("/v1/config", read::bare)
        .get("/v1/config/", read::bare)
        .get("/v1/config/{*path}", read::bare)
        .any("/api/config", entries::dispatch)
        .any("/api/config/", entries::dispatch)
        .any("/api/config/{*path}", entries::dispatch)
        .post("/api/batch", batch::write)
        .post("/api/batch/get", batch::read)
        .post("/api/preview", preview::preview)
        .post("/api/promote", promote::promote)
        .get("/api/diff", diff::of_project)
        .get("/api/commits", commits::list)
        .get("/api/commits/{revision}", commits::one)
        .get("/api/environments", environments::list)
        .post("/api/environments", environments::create)
        .get("/api/environments/{env}", environments::one)
        .post("/api/environments/{env}/rollback", environments::rollback)
        .get("/api/accounts", accounts::list)
        .post("/api/accounts", accounts::create)
        .post("/api/accounts/{account}/rotate", accounts::rotate)
        .post("/api/accounts/{account}/disable", accounts::disable)
        .post("/api/accounts/{account}/enable", accounts::enable)
        .get("/api/access/explain", accounts::explain)
        .get("/api/audit", audit::stream)
        .get("/api/audit/verify", audit::verify)
        .get("/api/clients", clients::list)
        .post("/api/clients/{client}/acknowledge", clients::acknowledge)
        .delete("/api/clients/{client}", clients::leave)
        .post("/api/webhooks/{forge}", upstream::webhook)
        .post("/api/upstream/accept", upstream::accept)
        .get("/api/proposals", proposals::list)
        .post("/api/proposals", proposals::open)
        .get("/api/proposals/{number}", proposals::one)
        .post("/api/proposals/{number}/{act}", proposals::act)
        .get("/api/status", operations::status)
        .get("/api/backup", backup::backup)
        .get("/api/whoami", operations::whoami)
        .get("/openapi.json", docs::description)
        .any("/config.git", git::config)
        .any("/config.git/{*path}", git::config)
        .any("/meta.git", git::meta)
        .any("/meta.git/{*path}", git::meta)
}

/// What the server as a whole answers.
fn server_routes() -> Routes<Site> {
    Routes::new()
        .get("/healthz", operations::healthz)
        .get("/readyz", operations::readyz)
        .get("/metrics", operations::metrics)
        .get("/docs", docs::page)
        .get("/docs/{file}", docs::asset)
}
