use std::sync::Arc;

use super::events::Shown;
use super::scene::Scene;
use super::subscription::sees;
use super::{Facet, FeedKey};
use crate::auth::ReadGrant;
use crate::model::Path;
use crate::resolve::{Found, View};
use crate::service::core::Core;
use crate::service::{ServiceError, page as page_of};
use crate::watch::Event;

/// How many values one page has.
const PAGE: usize = 500;

/// Present values, for who begins to watch.
pub(super) struct Page {
    pub events: Vec<Event>,
    /// The path after which the next page begins; none at the end.
    pub next: Option<Path>,
}

/// The values at and below a path that come after `after`, as somebody sees them.
pub(super) async fn page(
    look: (Arc<Core>, FeedKey, ReadGrant, Arc<Scene>),
    prefix: Path,
    after: Option<Path>,
) -> Result<Page, ServiceError> {
    let work = tokio::task::spawn_blocking(move || {
        let (core, key, grant, scene) = look;
        read(&core, (&key, &grant), &scene, &prefix, after.as_ref())
    });
    Ok(work.await.map_err(|error| std::io::Error::other(error.to_string()))?)
}

fn read(
    core: &Core,
    (key, grant): (&FeedKey, &ReadGrant),
    scene: &Scene,
    prefix: &Path,
    after: Option<&Path>,
) -> Page {
    let nothing = Page { events: Vec::new(), next: None };
    let Some(view) = scene.view(&key.environment) else { return nothing };
    let view = match key.facet {
        Facet::Layer => View::new(view.own().cloned().into_iter().collect(), Arc::default()),
        Facet::View | Facet::Resolved => view,
    };
    let sees_it = |event: &Event| sees(grant, &key.environment, event);
    let limits = core.limits();
    let is_derived = view.is_derived_above(prefix)
        || match view.find(prefix) {
            Some(Found::Object(object)) => object.is_derived(),
            Some(Found::Entry(_)) => true,
            None => false,
        };
    if key.facet == Facet::Resolved && is_derived {
        // Templates make members that are nowhere written, so this is one page.
        let lines = Shown::of(&view, &limits).resolved(prefix);
        let hidden = |path: &Path| prefix.is_root() && path.as_str().starts_with("/.confgit/");
        let events = lines.into_iter().filter(|line| !hidden(&line.path)).map(|line| line.into_initial());
        return Page { events: events.filter(sees_it).collect(), next: None };
    }
    match view.seen_by(grant.sight(&key.environment)).find(prefix) {
        None => nothing,
        Some(Found::Entry(found)) => {
            Page { events: vec![super::events::initial(prefix.clone(), found)], next: None }
        }
        Some(Found::Object(object)) => {
            let found = page_of(&object, prefix, after, PAGE, None);
            let events = found.entries.into_iter().map(|(path, found)| super::events::initial(path, found));
            Page { events: events.collect(), next: found.next }
        }
    }
}
