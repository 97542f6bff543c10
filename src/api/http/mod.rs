//! REST: one router that lists every route, one file per resource, and the fast way for plain reads.

mod asked;
mod batch;
mod body;
mod caller;
mod commits;
mod diff;
mod entries;
mod environments;
mod fields;
mod format;
mod history;
mod hot;
mod links;
mod list;
mod operations;
mod problem;
mod put_body;
mod query;
mod read;
mod reply;
mod site;
mod target;
mod write;

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{BoxError, Router};
use bytes::Bytes;
use tower::ServiceExt as _;

pub use self::body::BodyRoom;
use self::site::Site;
use crate::auth::Anonymous;
use crate::service::Project;
use crate::telemetry::Telemetry;

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
    /// Room for the bodies of requests.
    pub room: BodyRoom,
}

/// The HTTP side of a server; a clone is the same one.
#[derive(Clone)]
pub struct Http {
    site: Site,
}

impl Http {
    /// The routes of a server's projects, the first of which answers at the root as well.
    pub fn new(first: App, others: Vec<App>) -> Self {
        Http { site: Site::new(first, others) }
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: axum::http::Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if request.method() == Method::GET
            && let Some(response) = hot::read(self.site.default_app(), &request)
        {
            return response;
        }
        self.route(request.map(Body::new)).await
    }

    async fn route(&self, mut request: Request) -> Response {
        let Some(project) = self.site.project_of(&mut request) else {
            return self.counted(operations::no_route(request).await.into());
        };
        // At the root this was tried before.
        if *request.method() == Method::GET
            && links::is_prefixed(&request)
            && let Some(response) = hot::read(&project.app, &request)
        {
            return response;
        }
        if let Err(refusal) = caller::check_origin(&request) {
            return self.counted(refusal.into());
        }
        match project.router.clone().oneshot(request).await {
            Ok(response) => self.counted(response),
            Err(never) => match never {},
        }
    }

    fn counted(&self, response: Response) -> Response<Body> {
        let requests = &self.site.default_app().telemetry.requests;
        match response.status().as_u16() {
            500.. => requests.failed.inc(),
            400.. => requests.refused.inc(),
            _ => requests.others.inc(),
        };
        response
    }
}

/// What one project answers.
fn project_routes() -> Router<App> {
    Router::new()
        .route("/v1/config", get(read::bare))
        .route("/v1/config/", get(read::bare))
        .route("/v1/config/{*path}", get(read::bare))
        .route("/api/config", any(entries::dispatch))
        .route("/api/config/", any(entries::dispatch))
        .route("/api/config/{*path}", any(entries::dispatch))
        .route("/api/batch", post(batch::write))
        .route("/api/batch/get", post(batch::read))
        .route("/api/diff", get(diff::of_project))
        .route("/api/commits", get(commits::list))
        .route("/api/commits/{revision}", get(commits::one))
        .route("/api/environments", get(environments::list).post(environments::create))
        .route("/api/environments/{env}", get(environments::one))
        .route("/api/environments/{env}/rollback", post(environments::rollback))
        .route("/api/status", get(operations::status))
        .route("/api/whoami", get(operations::whoami))
}

/// What the server as a whole answers.
fn server_routes() -> Router<Site> {
    Router::new()
        .route("/healthz", get(operations::healthz))
        .route("/readyz", get(operations::readyz))
        .route("/metrics", get(operations::metrics))
}
