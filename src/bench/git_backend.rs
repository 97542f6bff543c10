//! `git http-backend` as a server has it: a process for each request (RFC 3875).

use std::path::PathBuf;
use std::process::Stdio;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// What a client may send.
const MOST_BODY_BYTES: usize = 64 << 20;

/// Serves a repository at the root.
pub fn router(repository: PathBuf) -> Router {
    Router::new().fallback(serve).with_state(repository)
}

async fn serve(State(repository): State<PathBuf>, request: Request) -> Response {
    match answer(repository, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn answer(repository: PathBuf, request: Request) -> std::io::Result<Response> {
    let (head, body) = request.into_parts();
    let text =
        |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = to_bytes(body, MOST_BODY_BYTES).await.map_err(std::io::Error::other)?;
    let mut child = Command::new("git")
        .args(["-c", "safe.directory=*", "http-backend"])
        .env("GIT_PROJECT_ROOT", repository)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", head.method.as_str())
        .env("CONTENT_TYPE", text(header::CONTENT_TYPE))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text(header::CONTENT_ENCODING))
        .env("GIT_PROTOCOL", text(HeaderName::from_static("git-protocol")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        tokio::spawn(async move { stdin.write_all(&body).await });
    }
    let stdout = child.stdout.take().ok_or_else(|| std::io::Error::other("git has no output"))?;
    let mut stdout = BufReader::with_capacity(64 << 10, stdout);
    let mut response = Response::new(Body::empty());
    loop {
        let mut line = String::new();
        stdout.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("status") {
            let code = value.trim().split(' ').next().and_then(|code| code.parse().ok());
            *response.status_mut() = code.unwrap_or(StatusCode::OK);
        } else if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name), HeaderValue::try_from(value.trim()))
        {
            response.headers_mut().insert(name, value);
        }
    }
    *response.body_mut() = Body::from_stream(futures_util::stream::unfold((child, stdout), next));
    Ok(response)
}

/// The next piece of what the process prints.
async fn next(
    (child, mut stdout): (Child, BufReader<ChildStdout>),
) -> Option<(std::io::Result<Bytes>, (Child, BufReader<ChildStdout>))> {
    let mut piece = vec![0; 64 << 10];
    match stdout.read(&mut piece).await {
        Ok(0) => None,
        Ok(taken) => {
            piece.truncate(taken);
            Some((Ok(piece.into()), (child, stdout)))
        }
        Err(error) => Some((Err(error), (child, stdout))),
    }
}
