use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::problem::Problem;
use super::query::Query;
use super::target::Target;
use super::{App, caller, diff, history, list, read, write};

/// The parameters of any request below `/api/config`.
const PARAMETERS: [&str; 17] = [
    "env",
    "default",
    "format",
    "literal",
    "version",
    "at",
    "recursive",
    "after",
    "limit",
    "hide",
    "before",
    "list",
    "q",
    "fields",
    "message",
    "from",
    "to",
];

/// Everything below `/api/config`: the method, and the last segment where it names an operation, say what.
pub(super) async fn dispatch(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let operation = operation(&app, &request)?;
    let method = request.method().clone();
    match (operation, &method) {
        (None, &Method::GET | &Method::HEAD) => read::described(app, request).await,
        (None, &Method::PUT) => write::put(app, request).await,
        (None, &Method::PATCH) => write::patch(app, request).await,
        (None, &Method::DELETE) => write::delete(app, request).await,
        (None, method) if method.as_str() == "LIST" => list::list(app, request).await,
        (Some("history"), &Method::GET | &Method::HEAD) => history::list(app, request).await,
        (Some("diff"), &Method::GET | &Method::HEAD) => diff::of_path(app, request).await,
        (Some("rollback"), &Method::POST) => write::rollback(app, request).await,
        // A key of that name can be written: only reading it needs `literal=true`.
        (Some(_), &Method::PUT | &Method::PATCH | &Method::DELETE) => Err(Problem::malformed(
            "the last segment names an operation; to write a key of that name add ?literal=true",
        )),
        (Some(name @ "explain"), &Method::GET) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!(
                "`{name}` is an operation that this version does not have; to read a key of that name add ?literal=true"
            ),
        )),
        (Some("rollback"), &Method::GET) => Err(Problem::wrong_method(
            "POST",
            "`rollback` takes POST; to read a key of that name add ?literal=true",
        )),
        (operation, method) => Err(Problem::wrong_method(
            match operation {
                None => "GET, HEAD, LIST, PUT, PATCH, DELETE",
                Some("rollback") => "POST",
                Some(_) => "GET, HEAD",
            },
            format!(
                "{method} is not taken here; there are GET, LIST, PUT, PATCH, DELETE, GET …/history, GET …/diff and POST …/rollback"
            ),
        )),
    }
}

fn operation(app: &App, request: &Request) -> Result<Option<&'static str>, Problem> {
    // Who may not even read learns nothing about environments, not that one exists.
    let grant = caller::may_read(app, request.headers(), request.uri())?;
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let reading = app.project.core().reading(&grant);
    Ok(Target::parse(request.uri(), "/api/config", &query, reading.environments())?.operation)
}
