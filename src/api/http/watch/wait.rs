use std::future::poll_fn;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::IF_NONE_MATCH;
use axum::http::request::Parts;
use axum::response::Response;
use tokio::time::{Instant, timeout_at};

use super::{Family, subscribe};
use crate::api::http::problem::Problem;
use crate::api::http::query::Query;
use crate::api::http::target::Target;
use crate::api::http::{App, caller, read};
use crate::service::{FeedKey, Heard, Subscription, Watch};

/// The longest wait.
pub(in crate::api::http) const MOST_WAIT: Duration = Duration::from_secs(300);

/// How long a read waits for another answer than the one its caller has: `30s`, `500ms`, `2m`, or a number of seconds.
pub(in crate::api::http) fn wait_of(query: &Query) -> Result<Option<Duration>, Problem> {
    let Some(text) = query.get("wait") else { return Ok(None) };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        _ => 0,
    };
    let number = digits.parse::<u64>().ok().filter(|_| unit_ms > 0);
    let wait = number.map(|number| Duration::from_millis(number.saturating_mul(unit_ms)));
    match wait {
        Some(wait) if wait <= MOST_WAIT => Ok(Some(wait)),
        _ => {
            let most = MOST_WAIT.as_secs();
            Err(Problem::malformed(format!(
                "`wait` is how long to wait, such as 30s, at most {most}s; not `{text}`"
            )))
        }
    }
}

/// Reads until the answer is another than the one the caller has, or the time is over.
pub(in crate::api::http) async fn until_changed(
    app: &App,
    head: &Parts,
    (family, query): (Family, &Query),
    wait: Duration,
) -> Result<Response, Problem> {
    if let Some(name) = ["at", "version", "q"].iter().find(|name| query.get(name).is_some()) {
        let detail = format!("`wait` waits for what one path comes to now to change: leave out `{name}`");
        return Err(Problem::contradiction(detail));
    }
    if !head.headers.contains_key(IF_NONE_MATCH) {
        return Err(Problem::contradiction(
            "`wait` waits until the answer is another than the one you have: send its ETag as If-None-Match",
        ));
    }
    let deadline = Instant::now() + wait;
    let grant = caller::may_read(app, &head.headers, &head.uri)?;
    let reading = app.project.core().reading(&grant);
    let target = Target::parse(&head.uri, family.prefix(), query, reading.environments())?;
    let facet = family.facet(&target, query.flag("resolve")?);
    let key = FeedKey { environment: target.environment.clone(), facet };
    let watch = Watch { key, prefixes: vec![target.path], since: None, initial: false, introduction: None };
    // First the watch, then the look: nothing happens in between unnoticed.
    let mut subscription = subscribe(app, head, grant, watch).await?;
    loop {
        let response = read::now(app, head, family).await?;
        if response.status() != StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        match timeout_at(deadline, has_changed(&mut subscription)).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return Ok(response),
        }
    }
}

/// Waits for a change; false where there will be none.
async fn has_changed(subscription: &mut Subscription) -> bool {
    loop {
        match poll_fn(|context| subscription.poll_next(context)).await {
            Some(Heard::Changed(_)) => return true,
            Some(Heard::Ended(_)) | None => return false,
            Some(Heard::Initial(_) | Heard::Ready(_) | Heard::Heartbeat(_)) => {}
        }
    }
}
