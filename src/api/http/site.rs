use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use axum::middleware::from_fn;

use super::links::SentUri;
use super::{App, observe, operations, project_routes, server_routes};

/// The projects of a server: the first answers at the root, each at `/p/{name}/…`.
#[derive(Clone)]
pub(super) struct Site {
    apps: Arc<[App]>,
    projects: Arc<[Mounted]>,
}

/// A project and its routes.
pub(super) struct Mounted {
    pub app: App,
    pub router: Router,
}

impl Site {
    pub fn new(first: App, others: Vec<App>) -> Self {
        let apps: Arc<[App]> = std::iter::once(first).chain(others).collect();
        let mut site = Site { apps: apps.clone(), projects: Arc::new([]) };
        // The handlers for the whole server know the apps alone, so that nothing refers to itself.
        let projects = apps.iter().map(|app| {
            let router = project_routes()
                .into_router()
                .with_state(app.clone())
                .merge(server_routes().into_router().with_state(site.clone()))
                .route_layer(from_fn(observe::note_route))
                .fallback(operations::no_route);
            Mounted { app: app.clone(), router }
        });
        site.projects = projects.collect();
        site
    }

    /// The projects, the one at the root first.
    pub fn apps(&self) -> &[App] {
        &self.apps
    }

    /// The project that answers at the root.
    pub fn default_app(&self) -> &App {
        &self.apps[0]
    }

    /// The project that a request is for; its prefix is taken off. None where there is no such project.
    pub fn project_of(&self, request: &mut Request) -> Option<&Mounted> {
        let Some(rest) = request.uri().path().strip_prefix("/p/") else { return self.projects.first() };
        let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let project = self.projects.iter().find(|project| *project.app.name == *name)?;
        let path = if path.is_empty() { "/" } else { path };
        let target = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(target.parse::<PathAndQuery>().ok()?);
        let sent = std::mem::replace(request.uri_mut(), Uri::from_parts(parts).ok()?);
        request.extensions_mut().insert(SentUri(sent));
        Some(project)
    }
}
