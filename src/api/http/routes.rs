use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::routing::{MethodRouter, any, delete, get, post};
use indexmap::IndexMap;

use super::problem::Problem;

/// Routes that know which methods they take: a 405 names them, and a test compares them with `openapi.json`.
pub(super) struct Routes<S>(IndexMap<&'static str, Route<S>>);

struct Route<S> {
    methods: Vec<&'static str>,
    router: MethodRouter<S>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub fn new() -> Self {
        Routes(IndexMap::new())
    }

    /// A path that can be read: `GET`, and `HEAD` with it.
    pub fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.add(path, &["GET", "HEAD"], get(handler))
    }

    /// A path that takes `POST`, perhaps besides `GET`.
    pub fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.add(path, &["POST"], post(handler))
    }

    /// A path that can be deleted.
    pub fn delete<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.add(path, &["DELETE"], delete(handler))
    }

    /// A path below which one handler tells by the method and the last segment what is meant, and refuses the
    /// others itself.
    pub fn any<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.add(path, &[], any(handler))
    }

    fn add(mut self, path: &'static str, methods: &[&'static str], router: MethodRouter<S>) -> Self {
        let Route { methods: mut all, router: before } = self
            .0
            .shift_remove(path)
            .unwrap_or_else(|| Route { methods: Vec::new(), router: MethodRouter::new() });
        all.extend_from_slice(methods);
        self.0.insert(path, Route { methods: all, router: before.merge(router) });
        self
    }

    /// Every path with its methods, in the order of the code; none for those of [`Routes::any`].
    #[cfg(test)]
    pub fn list(&self) -> impl Iterator<Item = (&'static str, &[&'static str])> {
        self.0.iter().map(|(path, route)| (*path, &route.methods[..]))
    }

    /// The router; a method that a path does not take is answered with those that it does.
    pub fn into_router(self) -> Router<S> {
        self.0.into_iter().fold(Router::new(), |router, (path, Route { methods, router: route })| {
            if methods.is_empty() {
                return router.route(path, route);
            }
            let allow = methods.join(", ");
            let refuse = move |request: Request| async move {
                let detail =
                    format!("{} does not take {}; it takes {allow}", request.uri().path(), request.method());
                Problem::wrong_method(allow, detail)
            };
            router.route(path, route.fallback(refuse))
        })
    }
}
