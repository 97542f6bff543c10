//! REST: one router that lists every route, one file per resource, and the fast way for plain reads.

mod batch;
mod body;
mod caller;
mod entries;
mod format;
mod history;
mod hot;
mod operations;
mod problem;
mod query;
mod read;
mod reply;
mod target;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{any, get, post};
use tower::ServiceExt as _;

pub use self::body::BodyRoom;
use crate::auth::Anonymous;
use crate::service::Project;
use crate::telemetry::Telemetry;

/// What every handler works with.
#[derive(Clone)]
pub struct App {
    /// The project that answers at the root.
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

/// The HTTP side of a server.
#[derive(Clone)]
pub struct Http {
    app: App,
    router: Router,
}

impl Http {
    /// The routes of a server.
    pub fn new(app: App) -> Self {
        let router = Router::new()
            .route("/v1/config", get(read::bare))
            .route("/v1/config/", get(read::bare))
            .route("/v1/config/{*path}", get(read::bare))
            .route("/api/config", any(entries::dispatch))
            .route("/api/config/", any(entries::dispatch))
            .route("/api/config/{*path}", any(entries::dispatch))
            .route("/api/batch", post(batch::write))
            .route("/api/batch/get", post(batch::read))
            .route("/api/status", get(operations::status))
            .route("/healthz", get(operations::healthz))
            .route("/readyz", get(operations::readyz))
            .route("/metrics", get(operations::metrics))
            .method_not_allowed_fallback(operations::wrong_method)
            .fallback(operations::no_route)
            .with_state(app.clone());
        Http { app, router }
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request) -> Response {
        if request.method() == Method::GET
            && let Some(response) = hot::read(&self.app, &request)
        {
            return response;
        }
        if let Err(refusal) = caller::check_origin(&request) {
            return self.counted(refusal.into());
        }
        match self.router.clone().oneshot(request).await {
            Ok(response) => self.counted(response),
            Err(never) => match never {},
        }
    }

    fn counted(&self, response: Response) -> Response<Body> {
        let requests = &self.app.telemetry.requests;
        match response.status().as_u16() {
            500.. => requests.failed.inc(),
            400.. => requests.refused.inc(),
            _ => requests.others.inc(),
        };
        response
    }
}
