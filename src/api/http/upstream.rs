use std::sync::Arc;

use axum::extract::{Path as UrlPath, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::body::Body;
use super::operations::json;
use super::problem::Problem;
use super::query::Query;
use super::{App, caller};
use crate::forge::Forge;
use crate::model::Revision;
use crate::service::{Hint, ServiceError};
use crate::wire;

/// The largest message of a webhook, in bytes.
const MOST_MESSAGE_BYTES: usize = 8 << 20;

/// `POST /api/webhooks/{forge}`: the upstream has news. Needs no key: it is signed.
pub(super) async fn webhook(
    State(app): State<App>,
    UrlPath(forge): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let known = Forge::ALL.into_iter().find(|known| known.name() == forge);
    let forge = known.ok_or_else(|| {
        let names = Forge::ALL.map(Forge::name).join(", ");
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("there is no forge `{forge}`; there are: {names}"),
        )
    })?;
    Query::parse(request.uri().query(), &[])?;
    let (proof, id) = signed(forge, request.headers());
    let body = Body::read_within(&app, request, MOST_MESSAGE_BYTES).await?;
    let take = move || app.project.core().hint(forge, &proof, id.as_deref(), body.bytes());
    match tokio::task::spawn_blocking(take).await.map_err(Problem::stopped)? {
        Hint::Taken => Ok(json(StatusCode::ACCEPTED, &wire::WebhookTaken { taken: true })),
        Hint::Known => Ok(json(StatusCode::OK, &wire::WebhookTaken { taken: false })),
        Hint::Forged => {
            let detail = format!(
                "`{}` does not show that this comes from who knows the secret of the webhook",
                forge.proof()
            );
            Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
        }
        Hint::Unexpected => {
            let detail = "no webhook is expected: `upstream: { webhook: NAME }` in the settings names the secret that it is signed with";
            Err(Problem::new(StatusCode::NOT_FOUND, "not-found", detail))
        }
    }
}

/// What shows that a message comes from a forge, and its name.
fn signed(forge: Forge, headers: &HeaderMap) -> (String, Option<String>) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    (text(forge.proof()).unwrap_or_default(), forge.id().and_then(text))
}

/// `POST /api/upstream/accept`: takes in what the upstream has on a branch, though it lost commits.
pub(super) async fn accept(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_administer(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let body = Body::read(&app, request).await?;
    let wire::AcceptUpstream { branch, revision } = body.json()?;
    let revision: Option<Revision> = match revision.as_deref().map(str::parse) {
        None => None,
        Some(Ok(revision)) => Some(revision),
        Some(Err(_)) => {
            let reason = "`revision` is a commit's whole id, as /api/status shows it".to_owned();
            return Err(ServiceError::NoSuchPoint { reason }.into());
        }
    };
    let accepted = app.project.core().accept_upstream(&Arc::from(branch.as_str()), revision);
    accepted.map_err(|reason| ServiceError::NoSuchPoint { reason })?;
    tracing::info!(%branch, by = %grant.account(), "the upstream's branch is accepted as it is");
    Ok(json(
        StatusCode::ACCEPTED,
        &wire::AcceptUpstream { branch, revision: revision.map(|id| id.to_string()) },
    ))
}
