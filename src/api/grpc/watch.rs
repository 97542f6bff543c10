use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Sleep;
use tonic::Status;
use tonic::codegen::tokio_stream::Stream;

use super::Deadline;
use super::convert::{given, number, path, point, timestamp, value};
use super::read::environment;
use super::service::Caller;
use crate::api::http::problem::Problem;
use crate::api::http::{App, watch as streams};
use crate::model::{Path, Sequence};
use crate::service::{Facet, FeedKey, Heard, Subscription, Watch};
use crate::watch::{Delivery, Event, EventKind, Introduction, Side, Transport};
use crate::wire::grpc::event::Type;
use crate::wire::grpc::watch_response::Heard as Told;
use crate::wire::grpc::{
    AcknowledgeRequest, AcknowledgeResponse, ChangeSet, Event as ToldEvent, Position, Value, WatchRequest,
    WatchResponse,
};

/// Changes as they happen.
pub(super) struct Changes {
    subscription: Subscription,
    /// When the caller wants it to end.
    deadline: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

pub(super) async fn watch(app: &App, caller: Caller<'_>, request: WatchRequest) -> Result<Changes, Problem> {
    let grant = caller.may_read(app)?;
    let core = app.project.core();
    let environment = environment(&core.reading(&grant), &request.env)?.into();
    let facet = if request.resolve { Facet::Resolved } else { Facet::View };
    let prefixes = request.prefixes.iter().map(|text| path(text)).collect::<Result<Vec<_>, _>>()?;
    let prefixes = streams::sorted(if prefixes.is_empty() { vec![Path::root()] } else { prefixes })?;
    let since = point(&request.since);
    if since.is_some() && request.initial {
        return Err(Problem::contradiction("`since` goes on from a moment, `initial` begins anew: give one"));
    }
    let introduction = Introduction {
        transport: Transport::Grpc,
        ..streams::introduction(&grant, caller.headers, caller.peer(), given(&request.client))?
    };
    let key = FeedKey { environment, facet };
    let watch = Watch { key, prefixes, since, initial: request.initial, introduction: Some(introduction) };
    let renew = streams::renewal(app, caller.headers);
    let subscription = core.watch(grant, watch, renew).await?;
    if let Some(flag) = caller.extensions.get::<streams::StreamFlag>() {
        flag.set();
    }
    let deadline = caller
        .extensions
        .get::<Deadline>()
        .map(|Deadline(at)| Box::pin(tokio::time::sleep_until((*at).into())));
    Ok(Changes { subscription, deadline, is_over: false })
}

pub(super) fn acknowledge(
    app: &App,
    caller: &Caller<'_>,
    request: &AcknowledgeRequest,
) -> Result<AcknowledgeResponse, Problem> {
    let grant = caller.may_read(app)?;
    let name = crate::api::http::clients::name(&request.client)?;
    app.project.core().acknowledge(grant.account(), name, Sequence(request.sequence))?;
    Ok(AcknowledgeResponse {})
}

impl Stream for Changes {
    type Item = Result<WatchResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            self.is_over = true;
            return Poll::Ready(Some(Err(Status::deadline_exceeded(
                "the watch lasted as long as was asked for",
            ))));
        }
        let heard = match self.subscription.poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(heard)) => heard,
        };
        let position = |sequence: Sequence| Position { sequence: sequence.0 };
        let told = match heard {
            Heard::Initial(delivery) => Told::Initial(change_set(&delivery)),
            Heard::Changed(delivery) => Told::ChangeSet(change_set(&delivery)),
            Heard::Ready(sequence) => Told::Ready(position(sequence)),
            Heard::Heartbeat(sequence) => Told::Heartbeat(position(sequence)),
            Heard::Ended(ended) => {
                self.is_over = true;
                return Poll::Ready(Some(Err(streams::problem_of(ended).into())));
            }
        };
        Poll::Ready(Some(Ok(WatchResponse { heard: Some(told) })))
    }
}

fn change_set(delivery: &Delivery) -> ChangeSet {
    let batch = delivery.batch();
    ChangeSet {
        sequence: batch.sequence.0,
        env: batch.environment.to_string(),
        coalesced: batch.is_coalesced,
        events: delivery.events().map(event).collect(),
    }
}

fn event(event: &Event) -> ToldEvent {
    let kind = match event.kind {
        EventKind::Update => Type::Update,
        EventKind::Delete => Type::Delete,
        EventKind::Initial => Type::Initial,
    };
    let shown = |side: &Option<Side>| -> Option<Value> {
        let side = side.as_ref()?;
        Some(value(side.json.clone()?, side.is_bytes))
    };
    let version = |side: &Option<Side>| number(side.as_ref().and_then(|side| side.version));
    ToldEvent {
        r#type: kind.into(),
        path: event.path.to_string(),
        value: shown(&event.new),
        old_value: shown(&event.old),
        version: version(&event.new),
        old_version: version(&event.old),
        origin: event.origin.to_string(),
        revision: event.revision.map(|revision| revision.to_string()).unwrap_or_default(),
        updated_at: event.updated.as_ref().map(|(time, _)| timestamp(*time)),
        updated_by: event.updated.as_ref().map(|(_, account)| account.to_string()).unwrap_or_default(),
        secret_changed: event.secret_changed,
        unresolvable: event.is_unresolvable,
    }
}
