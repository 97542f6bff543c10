use std::sync::Arc;

use super::convert::{given, page_size, path, point, raw, time_of};
use super::read::environment;
use super::service::Caller;
use crate::api::http::asked::blocking;
use crate::api::http::problem::Problem;
use crate::api::http::{App, diff as diff_pages, history as history_pages};
use crate::model::{Path, Version};
use crate::present;
use crate::service::{Cursor, Moment, PathPage, Reading, ServiceError};
use crate::wire;
use crate::wire::grpc::{
    Change, DiffRequest, DiffResponse, DiffSide, ExplainRequest, ExplainResponse, ExplainedLayer,
    ExplainedReference, HistoryItem, HistoryRequest, HistoryResponse,
};

pub(super) async fn history(
    app: &App,
    caller: Caller<'_>,
    request: HistoryRequest,
) -> Result<HistoryResponse, Problem> {
    let grant = caller.may_read(app)?;
    let core = app.project.core().clone();
    let env = environment(&core.reading(&grant), &request.env)?;
    let path = path(&request.path)?;
    let limit = page_size(request.page_size, history_pages::PAGE, history_pages::MOST_PER_PAGE)?;
    let token = given(&request.page_token).map(str::to_owned);
    let (items, next) = if core.is_object_history(&grant, &env, &path)? {
        let before: Option<Cursor> = token.as_deref().map(str::parse).transpose()?;
        blocking(move || {
            let found = core.object_history(&grant, &env, &path, before, limit)?;
            let items =
                found.versions.into_iter().map(|(path, version)| present::history_item(version, Some(&path)));
            Ok::<_, ServiceError>((items.collect::<Vec<_>>(), found.next.map(|next| next.to_string())))
        })
        .await??
    } else {
        let foreign =
            |_| Problem::foreign_cursor("`page_token` is the `next_page_token` of a page of this history");
        let before = token.map(|token| token.parse().map(Version)).transpose().map_err(foreign)?;
        blocking(move || {
            let found = core.history(&grant, &env, &path, before, limit)?;
            let items = found.versions.into_iter().map(|version| present::history_item(version, None));
            Ok::<_, ServiceError>((items.collect::<Vec<_>>(), found.next.map(|next| next.to_string())))
        })
        .await??
    };
    let items = items.into_iter().map(history_item).collect();
    Ok(HistoryResponse { items, next_page_token: next.unwrap_or_default() })
}

fn history_item(item: wire::HistoryItem) -> HistoryItem {
    let is_there = !item.deleted && item.value.get() != "null";
    HistoryItem {
        path: item.path.unwrap_or_default(),
        version: item.version,
        value: is_there.then(|| raw(Some(&item.value), item.encoding.as_deref())).flatten(),
        deleted: item.deleted,
        revision: item.revision,
        sequence: item.sequence,
        updated_at: time_of(Some(&item.updated_at)),
        updated_by: item.updated_by,
        message: item.message,
    }
}

pub(super) async fn diff(
    app: &App,
    caller: Caller<'_>,
    request: DiffRequest,
) -> Result<DiffResponse, Problem> {
    let grant = caller.may_read(app)?;
    let core = app.project.core().clone();
    let reading = core.reading(&grant);
    let at = path(&request.path)?;
    let moment = |side: Option<DiffSide>| -> Result<Moment, Problem> {
        let DiffSide { env, at } = side.unwrap_or_default();
        Ok(Moment { environment: environment(&reading, &env)?.into(), point: point(&at) })
    };
    let (from, to) = (moment(request.from)?, moment(request.to)?);
    if from.environment == to.environment && from.point.is_none() && to.point.is_none() {
        let detail = "name two sides: `from` (and `to`) with a moment `at`, or with another `env` each";
        return Err(Problem::contradiction(detail));
    }
    let after = match given(&request.page_token) {
        None => None,
        Some(token) => {
            Some(token.parse::<Path>().ok().filter(|after| at.is_prefix_of(after)).ok_or_else(|| {
                Problem::foreign_cursor("`page_token` is the `next_page_token` of a page of this comparison")
            })?)
        }
    };
    let limit = page_size(request.page_size, diff_pages::PAGE, diff_pages::MOST_PER_PAGE)?;
    let part = PathPage { after, limit };
    let found = blocking(move || core.diff(&grant, (&from, &to), &at, &part)).await??;
    let told = present::diff(&found);
    let changes = told.changes.into_iter().map(|change| Change {
        value: raw(change.value.as_ref(), change.encoding.as_deref()),
        old_value: raw(change.old_value.as_ref(), change.old_encoding.as_deref()),
        r#type: change.kind,
        path: change.path,
        version: change.version.unwrap_or(0),
        old_version: change.old_version.unwrap_or(0),
        origin: change.origin.unwrap_or_default(),
        old_origin: change.old_origin.unwrap_or_default(),
    });
    Ok(DiffResponse { changes: changes.collect(), next_page_token: told.next.unwrap_or_default() })
}

pub(super) async fn explain(
    app: &App,
    caller: Caller<'_>,
    request: ExplainRequest,
) -> Result<ExplainResponse, Problem> {
    let grant = caller.may_read(app)?;
    let core = app.project.core().clone();
    let present: Reading = core.reading(&grant);
    let env: Arc<str> = environment(&present, &request.env)?.into();
    let (path, point) = (path(&request.path)?, point(&request.at));
    let explained = blocking(move || match point {
        Some(point) => core.explain_at(&grant, &point, &env, &path).map(|(_, explained)| explained),
        None => core.explain(&present, &env, &path),
    });
    let told = present::explanation(&explained.await??);
    let encoding = told.encoding.as_deref();
    Ok(ExplainResponse {
        value: raw(told.value.as_ref(), encoding),
        resolved: raw(told.resolved.as_ref(), None),
        path: told.path,
        env: told.env,
        kind: told.kind,
        origin: told.origin.unwrap_or_default(),
        secrets: told.secrets,
        unresolved: told.unresolved.unwrap_or_default(),
        layers: told.layers.into_iter().map(layer).collect(),
        references: told.references.into_iter().map(reference).collect(),
    })
}

fn layer(layer: wire::ExplainedLayer) -> ExplainedLayer {
    ExplainedLayer {
        value: raw(layer.value.as_ref(), layer.encoding.as_deref()),
        updated_at: time_of(layer.updated_at.as_deref()),
        env: layer.env,
        branch: layer.branch,
        has: layer.has,
        outcome: layer.outcome,
        reason: layer.reason,
        file: layer.file.unwrap_or_default(),
        line: layer.line.unwrap_or(0),
        column: layer.column.unwrap_or(0),
        version: layer.version.unwrap_or(0),
        revision: layer.revision.unwrap_or_default(),
        sequence: layer.sequence.unwrap_or(0),
        updated_by: layer.updated_by.unwrap_or_default(),
        author: layer.author.unwrap_or_default(),
        message: layer.message.unwrap_or_default(),
    }
}

fn reference(reference: wire::ExplainedReference) -> ExplainedReference {
    ExplainedReference {
        value: raw(reference.value.as_ref(), None),
        of: reference.of,
        reference: reference.reference,
        leads_to: reference.leads_to,
        path: reference.path.unwrap_or_default(),
        origin: reference.origin.unwrap_or_default(),
        secret: reference.secret.unwrap_or_default(),
    }
}
