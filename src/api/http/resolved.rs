use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;

use super::answer::answer;
use super::asked::{Asked, blocking};
use super::problem::Problem;
use super::{App, caller};
use crate::auth::ReadGrant;
use crate::bundle::BundleFormat;
use crate::model::Path;
use crate::resolve::Found;
use crate::service::{Bundle, Content, Core, Point, Reading, ResolvedValue, Revealed, ServiceError, Wanted};

/// A value as services read it, on its way into an answer.
pub(in crate::api) struct Value {
    pub found: Found,
    pub json: Bytes,
    pub is_bytes: bool,
    pub tag: String,
}

/// What a request points at, once templates are merged and references followed. Secrets are read for those who may
/// see them, and for nobody else; and where they are wanted.
pub(super) async fn resolved(
    app: &App,
    grant: &ReadGrant,
    head: &Parts,
    asked: &Asked,
    reading: &mut Arc<Reading>,
    with_secrets: bool,
) -> Result<Value, Problem> {
    let wanted = wanted(asked);
    let core = app.project.core().clone();
    if let Some(value) = core.resolved_at_once(reading, &wanted)? {
        return Value::of(value);
    }
    let (point, grant) = (asked.at.clone(), grant.clone());
    let (of_all, wanted_here) = (reading.clone(), wanted.clone());
    let work = {
        let core = core.clone();
        move || {
            let of_all = whole(&core, &grant, point.as_ref(), of_all, &wanted_here.environment)?;
            let value = core.resolved(&of_all, &wanted_here)?;
            Ok::<_, ServiceError>((of_all, value))
        }
    };
    let (of_all, value) = blocking(work).await??;
    *reading = of_all.clone();
    let Content::Withheld(secrets) = value.content else { return Value::of(value) };
    if !with_secrets {
        return Err(blocking(move || core.withheld_keys(&of_all, &wanted)).await??.into());
    }
    let secret_grant =
        caller::may_read_secrets(app, (&head.headers, &head.uri), &wanted.environment, &secrets)?;
    let revealed = blocking(move || core.revealed(&secret_grant, &of_all, &wanted, &secrets)).await??;
    Value::of(revealed)
}

/// All that a request points at, as one text for another tool; secrets only where they are wanted.
pub(super) async fn bundled(
    app: &App,
    grant: &ReadGrant,
    head: &Parts,
    asked: &Asked,
    reading: &mut Arc<Reading>,
    (format, with_secrets): (BundleFormat, bool),
) -> Result<Response, Problem> {
    let wanted = wanted(asked);
    let core = app.project.core().clone();
    let (point, read, name) = (asked.at.clone(), grant.clone(), asked.query.get("name").map(str::to_owned));
    let of_all = reading.clone();
    let gather = {
        let (core, wanted, name) = (core.clone(), wanted.clone(), name.clone());
        move || {
            let of_all = whole(&core, &read, point.as_ref(), of_all, &wanted.environment)?;
            let found = core.bundle(&of_all, (&wanted, name.as_deref()), format)?;
            match found {
                Bundle::Withheld(_) if !with_secrets => Err(core.withheld_keys(&of_all, &wanted)?),
                found => Ok::<_, ServiceError>((found, of_all)),
            }
        }
    };
    let (found, of_all) = blocking(gather).await??;
    *reading = of_all.clone();
    app.project.core().audit_trail().bundle(grant.account(), (&wanted.environment, &wanted.path));
    let (text, tag) = match found {
        Bundle::Text(text) => (text, None),
        Bundle::Withheld(secrets) => {
            let allowed =
                caller::may_read_secrets(app, (&head.headers, &head.uri), &wanted.environment, &secrets)?;
            let revealed = blocking(move || {
                core.revealed_bundle(&allowed, &of_all, (&wanted, name.as_deref()), format, &secrets)
            });
            let text = revealed.await??;
            let tag = Revealed::tag_of(text.as_bytes());
            (text, Some(tag))
        }
    };
    let content_type = HeaderValue::from_static(format.media_type());
    answer(&head.headers, reading, &asked.target, tag, (content_type, text.into()))
}

fn wanted(asked: &Asked) -> Wanted {
    let target = &asked.target;
    Wanted {
        environment: target.environment.clone(),
        layer_only: target.layer_only,
        path: target.path.clone(),
    }
}

/// What references name may stand anywhere, and of the past only what was asked for is read at first.
fn whole(
    core: &Core,
    grant: &ReadGrant,
    point: Option<&Point>,
    reading: Arc<Reading>,
    environment: &str,
) -> Result<Arc<Reading>, ServiceError> {
    match point {
        None => Ok(reading),
        Some(point) => Ok(Arc::new(core.reading_at(grant, point, environment, &[Path::root()])?)),
    }
}

impl Value {
    /// The value of an answer.
    pub fn of(value: ResolvedValue) -> Result<Self, Problem> {
        let ResolvedValue { found, content } = value;
        match content {
            Content::Plain(body) => {
                Ok(Value { found, json: body.json.clone(), is_bytes: body.is_bytes, tag: body.tag.clone() })
            }
            Content::Revealed(revealed) => {
                let tag = revealed.tag();
                let (json, is_bytes) = revealed.expose();
                Ok(Value { found, json, is_bytes, tag })
            }
            // Whoever may see them was asked before.
            Content::Withheld(_) => Err(Problem::malformed("the secrets in this value changed; ask again")),
        }
    }
}
