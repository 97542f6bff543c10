//! REST: one router that lists every route, one file per resource, and the fast way for plain reads.

mod asked;
mod batch;
mod body;
mod caller;
mod commits;
mod diff;
mod docs;
mod entries;
mod environments;
mod fields;
mod format;
mod history;
mod hot;
mod links;
mod list;
#[cfg(test)]
mod openapi;
mod operations;
mod problem;
mod put_body;
mod query;
mod read;
mod reply;
mod routes;
mod site;
mod target;
mod write;

use std::sync::Arc;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use bytes::Bytes;
use tower::ServiceExt as _;

pub use self::body::BodyRoom;
use self::routes::Routes;
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
        if *request.method() == Method::GET
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
        .get("/api/diff", diff::of_project)
        .get("/api/commits", commits::list)
        .get("/api/commits/{revision}", commits::one)
        .get("/api/environments", environments::list)
        .post("/api/environments", environments::create)
        .get("/api/environments/{env}", environments::one)
        .post("/api/environments/{env}/rollback", environments::rollback)
        .get("/api/status", operations::status)
        .get("/api/whoami", operations::whoami)
        .get("/openapi.json", docs::description)
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
