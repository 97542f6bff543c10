//! Changes as they happen: event streams, and reads that wait for one.

mod event_stream;
mod renewal;
mod wait;

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, USER_AGENT, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

use self::event_stream::EventStream;
pub(super) use self::wait::{until_changed, wait_of};
use super::problem::Problem;
use super::query::Query;
use super::reply::{REVISION, SEQUENCE, VARIES};
use super::target::Target;
use super::{App, Peer, caller, clients};
use crate::auth::ReadGrant;
use crate::model::{Path, Sequence};
use crate::service::{Facet, FeedKey, Point, Subscription, Watch};
use crate::watch::{Introduction, Transport};

pub use self::event_stream::StreamFlag;
pub(in crate::api) use self::event_stream::problem_of;
pub(in crate::api) use self::renewal::of as renewal;

/// What only a watch takes.
pub(super) const OF_WATCH: [&str; 4] = ["prefix", "since", "initial", "client"];

/// The parameters of a watch.
const PARAMETERS: [&str; 7] = ["env", "literal", "watch", "prefix", "since", "initial", "client"];

/// How many prefixes one watch has.
const MOST_PREFIXES: usize = 100;

/// The header in which an event stream is told where it broke off.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Whose answers are watched: those of `/v1/config`, or of `/api/config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Bare,
    Described,
}

impl Family {
    fn prefix(self) -> &'static str {
        match self {
            Family::Bare => "/v1/config",
            Family::Described => "/api/config",
        }
    }

    /// How who reads from here looks at an environment.
    fn facet(self, target: &Target, is_resolved: bool) -> Facet {
        match (self, target.layer_only, is_resolved) {
            (Family::Bare, ..) | (_, _, true) => Facet::Resolved,
            (Family::Described, true, false) => Facet::Layer,
            (Family::Described, false, false) => Facet::View,
        }
    }
}

/// Whether a request is for a stream of changes. What only that takes is refused elsewhere.
pub(super) fn is_watch(query: &Query) -> Result<bool, Problem> {
    let is_watch = query.flag("watch")?;
    let is_asked = |name: &str| query.get(name).is_some_and(|value| (name, value) != ("initial", "false"));
    match OF_WATCH.iter().find(|name| !is_watch && is_asked(name)) {
        Some(name) => Err(Problem::contradiction(format!("`{name}` belongs to a watch: add watch=true"))),
        None => Ok(is_watch),
    }
}

/// `GET …?watch=true`: changes as an event stream, as HTML describes it (server-sent events).
pub(super) async fn stream(app: &App, head: &Parts, family: Family) -> Result<Response, Problem> {
    let grant = caller::may_read(app, &head.headers, &head.uri)?;
    let (query, target) = asked(app, &grant, head, family)?;
    let key = FeedKey { environment: target.environment.clone(), facet: family.facet(&target, false) };
    // A client that goes on where it broke off sends the same URL again: the header says more than that.
    let last = head.headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default().trim());
    let since = match last.filter(|id| !id.is_empty()) {
        Some(id) => Some(Point::Sequence(Sequence(id.parse().map_err(|_| no_event_id(id))?))),
        None => query.get("since").map(Point::parse),
    };
    let initial = query.flag("initial")? && since.is_none();
    let prefixes = prefixes(&query, &target)?;
    let peer = head.extensions.get::<Peer>().map(|Peer(peer)| *peer);
    let introduction = Some(introduction(&grant, &head.headers, peer, query.get("client"))?);
    let watch = Watch { key, prefixes, since, initial, introduction };
    let subscription = subscribe(app, head, grant, watch).await?;
    if let Some(flag) = head.extensions.get::<StreamFlag>() {
        flag.set();
    }
    Ok(answer(app, &target, subscription))
}

/// The header in which a client names itself.
const CLIENT: HeaderName = HeaderName::from_static("x-confgit-client");

/// The longest text that is kept of what a client says it is built with.
const MOST_SDK_BYTES: usize = 128;

/// Who watches, as the request says and as it is seen.
pub(in crate::api) fn introduction(
    grant: &ReadGrant,
    headers: &HeaderMap,
    peer: Option<SocketAddr>,
    named: Option<&str>,
) -> Result<Introduction, Problem> {
    let named = named.or_else(|| headers.get(CLIENT).map(|name| name.to_str().unwrap_or_default()));
    let name = named.map(clients::name).transpose()?.map(Into::into);
    let sdk = headers.get(USER_AGENT).and_then(|text| text.to_str().ok());
    Ok(Introduction {
        name,
        account: grant.account().clone(),
        address: peer.map(|peer| peer.to_string().into()),
        // Visible ASCII alone, which is one byte a character.
        sdk: sdk.map(|text| text[..text.len().min(MOST_SDK_BYTES)].into()),
        transport: Transport::EventStream,
    })
}

/// Begins a watch that renews its grant the way the request was let in.
async fn subscribe(app: &App, head: &Parts, grant: ReadGrant, watch: Watch) -> Result<Subscription, Problem> {
    let renew = renewal::of(app, &head.headers);
    Ok(app.project.core().watch(grant, watch, renew).await?)
}

fn asked(app: &App, grant: &ReadGrant, head: &Parts, family: Family) -> Result<(Query, Target), Problem> {
    // Every other one was found to be known before.
    let only =
        |_| Problem::contradiction(format!("a watch takes {}, and nothing else", PARAMETERS.join(", ")));
    let query = Query::parse(head.uri.query(), &PARAMETERS).map_err(only)?;
    let reading = app.project.core().reading(grant);
    let target = Target::parse(&head.uri, family.prefix(), &query, reading.environments())?;
    reading.check_environment(&target.environment)?;
    if query.get("since").is_some() && query.flag("initial")? {
        return Err(Problem::contradiction("`since` goes on from a moment, `initial` begins anew: give one"));
    }
    Ok((query, target))
}

fn no_event_id(id: &str) -> Problem {
    Problem::malformed(format!("Last-Event-ID is the number of a change set, not `{id}`"))
}

/// What is watched: the path of the URL, or what `prefix` names below it.
fn prefixes(query: &Query, target: &Target) -> Result<Vec<Path>, Problem> {
    let mut prefixes: Vec<Path> = Vec::new();
    for text in query.all("prefix") {
        let path: Path = text.parse().map_err(|error| Problem::no_path("`prefix` is a path", &error))?;
        if !target.path.is_prefix_of(&path) {
            let detail = format!("`prefix` names a path at or below {}, and {path} is not", target.path);
            return Err(Problem::contradiction(detail));
        }
        prefixes.push(path);
    }
    if prefixes.is_empty() {
        prefixes.push(target.path.clone());
    }
    sorted(prefixes)
}

/// Prefixes in order, each once, and not too many.
pub(in crate::api) fn sorted(mut prefixes: Vec<Path>) -> Result<Vec<Path>, Problem> {
    prefixes.sort();
    prefixes.dedup();
    match prefixes.len() > MOST_PREFIXES {
        true => Err(Problem::malformed(format!("a watch has at most {MOST_PREFIXES} prefixes"))),
        false => Ok(prefixes),
    }
}

fn answer(app: &App, target: &Target, subscription: Subscription) -> Response {
    let state = app.project.core().heads(&target.environment);
    let mut response = Response::new(Body::new(EventStream::new(subscription)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Nothing between may keep, change or gather it.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    headers.insert(VARY, VARIES);
    if let Some(Ok(revision)) = state.1.map(|revision| HeaderValue::try_from(revision.to_string())) {
        headers.insert(REVISION, revision);
    }
    headers.insert(SEQUENCE, HeaderValue::from(state.0.0));
    response
}
