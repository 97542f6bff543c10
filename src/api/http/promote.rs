use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::asked::blocking;
use super::body::Body;
use super::problem::{Problem, internal};
use super::query::Query;
use super::reply::Reply;
use super::{App, caller, put_body, write};
use crate::model::Path;
use crate::present;
use crate::service::{AskedPromotion, Choice, Promoted, Resolution, Take};
use crate::wire;

/// `POST /api/promote`: what the layer of one environment says comes over to that of another, as one change set.
pub(super) async fn promote(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let read = caller::may_read(&app, request.headers(), request.uri())?;
    let may_write = caller::may_write(&app, request.headers(), request.uri());
    Query::parse(request.uri().query(), &[])?;
    let request_id = write::request_id(request.headers());
    let body = Body::read(&app, request).await?;
    let asked: wire::Promote = body.json()?;
    let (is_dry, message) = (asked.dry_run, asked.message.clone());
    let asked = read_asked(asked)?;
    let project = app.project.clone();
    if is_dry {
        let planned = blocking(move || project.core().preview_promotion(&read, &asked));
        let (plan, preview) = planned.await??;
        return answer(&present::promotion_preview(&plan, &preview), preview.sequence.0);
    }
    let write = may_write?;
    // A client that hangs up ends its request, but not this.
    let promoting = tokio::spawn(async move {
        blocking(move || project.promote((&read, &write), &asked, (message, request_id))).await
    });
    let Promoted { plan, written } = promoting.await.map_err(Problem::stopped)???;
    match written {
        Some(written) => answer(&present::promoted(&plan, &written), written.sequence.0),
        None => {
            let conflicts: Vec<_> = plan.open().map(present::conflict).collect();
            Err(Problem::merge_conflict(&plan.from, &plan.to, conflicts))
        }
    }
}

fn read_asked(asked: wire::Promote) -> Result<AskedPromotion, Problem> {
    let path_of = |text: &str| {
        text.parse::<Path>().map_err(|error| Problem::no_path(format!("`{text}` is no path"), &error))
    };
    if asked.resolutions.len() > wire::MOST_RESOLUTIONS {
        let detail = format!("`resolutions` has more than {} members", wire::MOST_RESOLUTIONS);
        return Err(Problem::malformed(detail));
    }
    let mut resolutions = BTreeMap::new();
    for (text, resolution) in asked.resolutions {
        if resolutions.insert(path_of(&text)?, read_resolution(&text, resolution)?).is_some() {
            return Err(Problem::contradiction(format!("`resolutions` names {text} twice")));
        }
    }
    Ok(AskedPromotion {
        from: Arc::from(asked.from),
        to: Arc::from(asked.to),
        path: asked.path.as_deref().map_or_else(|| Ok(Path::root()), path_of)?,
        take: asked.take.map(take),
        resolutions,
    })
}

fn read_resolution(path: &str, resolution: wire::Resolution) -> Result<Resolution, Problem> {
    let wire::Resolution { id, take: side, value, delete } = resolution;
    let choice = match (side, value, delete) {
        (Some(side), None, None) => Choice::Take(take(side)),
        (None, Some(value), None) => Choice::Value(put_body::value_of(&value, "value")?),
        (None, None, Some(true)) => Choice::Delete,
        _ => {
            let detail = format!("the resolution of {path} has one of `take`, `value` and `delete`");
            return Err(Problem::malformed(detail));
        }
    };
    Ok(Resolution { id, choice })
}

fn take(side: wire::Side) -> Take {
    match side {
        wire::Side::Ours => Take::Ours,
        wire::Side::Theirs => Take::Theirs,
    }
}

fn answer(promoted: &wire::Promoted, sequence: u64) -> Result<Response, Problem> {
    let body = serde_json::to_vec(promoted).map_err(|error| internal(&error.to_string()))?;
    let reply = Reply { tag: None, revision: None, sequence: crate::model::Sequence(sequence) };
    Ok(reply.with(StatusCode::OK, HeaderValue::from_static("application/json"), body.into()))
}
