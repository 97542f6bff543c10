use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Response;

use super::problem::Problem;
use super::query::Query;
use super::target::{OPERATIONS, PATH, ROOT, Target};
use super::{App, caller, diff, explain, history, list, read, write};

/// The parameters of any request below `/api/config`.
const PARAMETERS: [&str; 25] = [
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
    "resolve",
    "name",
    "message",
    "from",
    "to",
    "wait",
    "watch",
    "prefix",
    "since",
    "initial",
    "client",
];

/// Everything below `/api/config`: the method, and the last segment where it names an operation, say what.
pub(super) async fn dispatch(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let Asked { operation, is_root } = asked(&app, &request)?;
    let method = request.method().clone();
    match (operation, &method) {
        (None, &Method::GET | &Method::HEAD) => read::described(app, request).await,
        (None, &Method::PUT) if !is_root => write::put(app, request).await,
        (None, &Method::PATCH) if !is_root => write::patch(app, request).await,
        (None, &Method::DELETE) if !is_root => write::delete(app, request).await,
        (None, method) if method.as_str() == "LIST" => list::list(app, request).await,
        (Some("history"), &Method::GET | &Method::HEAD) => history::list(app, request).await,
        (Some("diff"), &Method::GET | &Method::HEAD) => diff::of_path(app, request).await,
        (Some("explain"), &Method::GET | &Method::HEAD) => explain::explain(app, request).await,
        (Some("rollback"), &Method::POST) => write::rollback(app, request).await,
        (operation, method) => Err(refusal(operation, is_root, method)),
    }
}

fn refusal(operation: Option<&str>, is_root: bool, method: &Method) -> Problem {
    let (allow, hint) = match operation {
        None if is_root => (ROOT, "the root cannot be written as a whole; name a path"),
        None => (PATH, "operations are GET …/history, …/diff, …/explain and POST …/rollback"),
        Some(name) => {
            let found = OPERATIONS.iter().find(|(other, _)| *other == name);
            let allow = found.map_or(&[][..], |(_, allow)| allow);
            (allow, "the last segment names an operation; for a key of that name add ?literal=true")
        }
    };
    Problem::wrong_method(allow.join(", "), format!("{method} is not taken here: {hint}"))
}

/// What the URL is about, as far as it decides who answers.
struct Asked {
    operation: Option<&'static str>,
    is_root: bool,
}

fn asked(app: &App, request: &Request) -> Result<Asked, Problem> {
    // Who may not even read learns nothing about environments, not that one exists.
    let grant = caller::may_read(app, request.headers(), request.uri())?;
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let reading = app.project.core().reading(&grant);
    let target = Target::parse(request.uri(), "/api/config", &query, reading.environments())?;
    Ok(Asked { operation: target.operation, is_root: target.path.is_root() })
}
