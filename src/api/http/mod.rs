//! REST: one router that lists every route, one file per resource, and the fast way for plain reads.

mod batch;
mod body;
mod caller;
mod entries;
mod format;
mod history;
mod hot;
mod observe;
mod operations;
mod problem;
mod query;
mod read;
mod reply;
mod target;
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{BoxError, Router};
use bytes::Bytes;
use tower::ServiceExt as _;
use tracing::Span;

pub use self::body::BodyRoom;
use crate::auth::Anonymous;
use crate::service::Project;
use crate::telemetry::{HttpMetrics, Telemetry, trace};

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
    /// A request that takes so long is logged at the level `info`.
    pub slow_request: Duration,
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
            .route("/healthz", get(operations::healthz))
            .route("/readyz", get(operations::readyz))
            .route("/metrics", get(operations::metrics))
            .method_not_allowed_fallback(operations::wrong_method)
            .route_layer(from_fn(observe::note_route))
            .fallback(operations::no_route)
            .with_state(app.clone());
        Http { inner: Arc::new(Inner { app, router }) }
    }

    /// What is measured of requests and connections.
    pub fn metrics(&self) -> &HttpMetrics {
        self.inner.app.telemetry.http()
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: axum::http::Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let begun = Instant::now();
        let app = &self.inner.app;
        // A plain read is traced only when its caller wants this very one to be.
        let is_traced = trace::is_on() && observe::trace_context(request.headers()).is_sampled();
        let span = if is_traced { observe::span_of(&request) } else { Span::none() };
        if request.method() == Method::GET
            && let Some(response) = hot::read(app, &request)
        {
            observe::plain_read(app, (begun, &span), response.status());
            return response;
        }
        let span = if is_traced { span } else { observe::span_of(&request) };
        observe::observed(app, (begun, span), request.map(Body::new), |request| self.route(request)).await
    }

    async fn route(&self, request: Request) -> Response {
        if let Err(refusal) = caller::check_origin(&request) {
            return refusal.into();
        }
        match self.inner.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
