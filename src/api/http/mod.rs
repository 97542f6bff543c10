//! REST: one router that lists every route, one file per resource, and the fast way for plain reads.

mod backup;
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

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{BoxError, Router};
use bytes::Bytes;
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

/// The HTTP side of a server; a clone is the same one.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
}

struct Inner {
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
            .route("/api/backup", get(backup::backup))
            .route("/healthz", get(operations::healthz))
            .route("/readyz", get(operations::readyz))
            .route("/metrics", get(operations::metrics))
            .method_not_allowed_fallback(operations::wrong_method)
            .fallback(operations::no_route)
            .with_state(app.clone());
        Http { inner: Arc::new(Inner { app, router }) }
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: axum::http::Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if request.method() == Method::GET
            && let Some(response) = hot::read(&self.inner.app, &request)
        {
            return response;
        }
        self.route(request.map(Body::new)).await
    }

    async fn route(&self, request: Request) -> Response {
        if let Err(refusal) = caller::check_origin(&request) {
            return self.counted(refusal.into());
        }
        match self.inner.router.clone().oneshot(request).await {
            Ok(response) => self.counted(response),
            Err(never) => match never {},
        }
    }

    fn counted(&self, response: Response) -> Response<Body> {
        let requests = &self.inner.app.telemetry.requests;
        match response.status().as_u16() {
            500.. => requests.failed.inc(),
            400.. => requests.refused.inc(),
            _ => requests.others.inc(),
        };
        response
    }
}
