use axum::extract::Request;
use axum::response::Response;

use super::asked::blocking;
use super::page::Page;
use super::problem::Problem;
use super::query::Query;
use super::reply::Moment;
use super::target::Target;
use super::{App, caller};
use crate::present;
use crate::service::Point;

/// The parameters of an explanation.
pub(super) const PARAMETERS: [&str; 2] = ["env", "at"];

/// `GET /api/config/{path}/explain`: what each layer of the environment has there, which is shown, and why.
pub(super) async fn explain(app: App, request: Request) -> Result<Response, Problem> {
    let (head, _) = request.into_parts();
    let grant = caller::may_read(&app, &head.headers, &head.uri)?;
    let query = Query::parse(head.uri.query(), &PARAMETERS)?;
    let core = app.project.core().clone();
    let present = core.reading(&grant);
    let Target { environment, path, .. } =
        Target::parse(&head.uri, "/api/config", &query, present.environments())?;
    present.check_environment(&environment)?;
    let point = query.get("at").map(Point::parse);
    let (moment, explained) = blocking(move || {
        let (reading, explained) = match point {
            Some(point) => core.explain_at(&grant, &point, &environment, &path)?,
            None => {
                let explained = core.explain(&present, &environment, &path)?;
                (present, explained)
            }
        };
        Ok::<_, crate::service::ServiceError>((Moment::of(&reading, &environment), explained))
    })
    .await??;
    Ok(Page::json(&present::explanation(&explained), None)?.answer_whole(&head.headers, moment))
}
