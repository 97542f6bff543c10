use axum::extract::{Request, State};
use axum::response::Response;

use super::asked::blocking;
use super::batch::read_batch;
use super::body::Body;
use super::page::Page;
use super::problem::Problem;
use super::query::Query;
use super::reply::Moment;
use super::{App, caller};
use crate::{present, wire};

/// `POST /api/preview`: what a batch of edits would come to in every environment; nothing is written.
pub(super) async fn preview(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let grant = caller::may_read(&app, request.headers(), request.uri())?;
    Query::parse(request.uri().query(), &[])?;
    let headers = request.headers().clone();
    let limit = wire::MOST_BATCH_BYTES.max(app.project.core().limits().document_bytes);
    let body = Body::read_within(&app, request, limit).await?;
    let core = app.project.core().clone();
    let (page, moment) = blocking(move || {
        let reading = core.reading(&grant);
        let (_, edits) = read_batch(&body, reading.environments())?;
        let preview = core.preview(&reading, &edits)?;
        let page = Page::json(&present::preview(&preview), None)?;
        Ok::<_, Problem>((page, Moment::of(&reading, reading.environments().default_name())))
    })
    .await??;
    Ok(page.answer_whole(&headers, moment))
}
