//! Clones and fetches: `git upload-pack` of this machine serves them.

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use tokio::process::Command;

use super::inflow::Inflow;
use super::{Service, advertisement_of, check_body, may_fetch, pkt_line, process, response, result_of};
use crate::api::http::App;
use crate::api::http::problem::Problem;
use crate::service::Which;

/// The header in which a client names the versions of the protocol that it speaks.
const PROTOCOL: &str = "git-protocol";

/// `GET …/info/refs?service=git-upload-pack`.
pub(super) async fn advertise(app: App, which: Which, request: Request) -> Result<Response, Problem> {
    may_fetch(&app, which, request.headers(), request.uri())?;
    let version = protocol(request.headers());
    let command = upload_pack(&app, which, version, true);
    let printed = process::printed(command).await?;
    let mut body = BytesMut::new();
    // The second version says itself what it is.
    if version != Some(2) {
        pkt_line::line(&mut body, b"# service=git-upload-pack\n");
        body.extend_from_slice(pkt_line::FLUSH);
    }
    body.extend_from_slice(&printed);
    Ok(response(advertisement_of(Service::Upload), Body::from(Bytes::from(body))))
}

/// `POST …/git-upload-pack`.
pub(super) async fn serve(app: App, which: Which, request: Request) -> Result<Response, Problem> {
    let account = may_fetch(&app, which, request.headers(), request.uri())?;
    check_body(request.headers(), Service::Upload)?;
    let told = app.clone();
    let what = match which {
        Which::Config => "git",
        Which::Meta => "git of the settings",
    };
    let tell = move || told.project.core().audit_trail().export(&account, (None, None), what);
    tokio::task::spawn_blocking(tell).await.map_err(Problem::stopped)??;
    let command = upload_pack(&app, which, protocol(request.headers()), false);
    let (head, body) = request.into_parts();
    let inflow = Inflow::new(&head.headers, body).map_err(|error| Problem::malformed(error.to_string()))?;
    let place = process::place().await?;
    let printing = process::conversation(command, inflow, place)?;
    Ok(response(result_of(Service::Upload), Body::new(printing)))
}

/// The version of the protocol that a client asks for: `version=N` among the parts of the header.
fn protocol(headers: &HeaderMap) -> Option<u8> {
    let text = headers.get(PROTOCOL)?.to_str().ok()?;
    let versions = text.split(':').filter_map(|part| part.strip_prefix("version="));
    versions.filter_map(|version| version.parse().ok()).filter(|version| *version <= 2).max()
}

fn upload_pack(app: &App, which: Which, version: Option<u8>, is_advertisement: bool) -> Command {
    let mut command = app.project.core().git_command(which);
    command.args([
        "-c",
        "uploadpack.allowFilter=true",
        "-c",
        "pack.threads=1",
        "-c",
        "transfer.hideRefs=refs/confgit",
        "upload-pack",
        "--strict",
        "--stateless-rpc",
    ]);
    if is_advertisement {
        command.arg("--advertise-refs");
    }
    command.arg(".");
    if let Some(version) = version {
        command.env("GIT_PROTOCOL", format!("version={version}"));
    }
    Command::from(command)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn versions_of_the_protocol() {
        for (text, version) in [
            ("version=2", Some(2)),
            ("version=1", Some(1)),
            ("agent=x:version=2", Some(2)),
            ("version=3", None),
            ("version=2;rm", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(PROTOCOL.parse().unwrap(), HeaderValue::from_static(text))]);
            assert_eq!(protocol(&headers), version, "{text}");
        }
    }
}
