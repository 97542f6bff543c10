use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::asked::blocking;
use super::body::Body;
use super::problem::{Problem, internal};
use super::query::Query;
use super::reply::Reply;
use super::{App, caller};
use crate::present::{self, PromotionError};
use crate::service::Promoted;
use crate::wire;

/// `POST /api/promote`: what the layer of one environment says comes over to that of another, as one change set.
pub(super) async fn promote(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let read = caller::may_read(&app, request.headers(), request.uri())?;
    let may_write = caller::may_write(&app, request.headers(), request.uri());
    Query::parse(request.uri().query(), &[])?;
    let request_id = caller::request_id(request.headers());
    let body = Body::read(&app, request).await?;
    let asked: wire::Promote = body.json()?;
    let (is_dry, message) = (asked.dry_run, asked.message.clone());
    let asked = present::asked_promotion(asked).map_err(Problem::from)?;
    let project = app.project.clone();
    if is_dry {
        let planned = blocking(move || project.preview_promotion(&read, &asked));
        let (plan, preview) = planned.await??;
        return answer(&present::promotion_preview(&plan, &preview), preview.sequence.0);
    }
    let write = may_write?;
    // A client that hangs up ends its request, but not this.
    let promoting = tokio::spawn(async move {
        blocking(move || project.promote((&read, &write), &asked, (message, request_id))).await
    });
    let Promoted { plan, written } = promoting.await.map_err(Problem::stopped)???;
    if let Some(written) = written.as_ref().filter(|written| written.proposal.is_some()) {
        return super::accounts::answer(StatusCode::ACCEPTED, &present::promoted(&plan, written));
    }
    match written {
        Some(written) => answer(&present::promoted(&plan, &written), written.sequence.0),
        None => {
            let conflicts: Vec<_> = plan.undecided().map(present::conflict).collect();
            Err(Problem::merge_conflict((&plan.from, &plan.to), plan.open, conflicts))
        }
    }
}

fn answer(promoted: &wire::Promoted, sequence: u64) -> Result<Response, Problem> {
    let body = serde_json::to_vec(promoted).map_err(|error| internal(&error.to_string()))?;
    let reply = Reply { tag: None, revision: None, sequence: crate::model::Sequence(sequence) };
    Ok(reply.with(StatusCode::OK, HeaderValue::from_static("application/json"), body.into()))
}

impl From<PromotionError> for Problem {
    fn from(error: PromotionError) -> Self {
        match error {
            PromotionError::Path { text, reason } => {
                Problem::no_path(format!("`{text}` is no path"), &reason)
            }
            PromotionError::Twice { .. } => Problem::contradiction(error.to_string()),
            PromotionError::Resolution { .. } | PromotionError::TooMany => {
                Problem::malformed(error.to_string())
            }
        }
    }
}
