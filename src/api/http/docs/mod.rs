//! What the server says of itself: `openapi.json`, and pages that show it without any network but this server.
//!
//! The pages are Swagger UI 5.35.0 (npm `swagger-ui-dist`, Apache-2.0), two files as published, compressed.

use std::io::Read as _;
use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::Value;

use super::links::SentUri;
use super::problem::Problem;
use super::query::Query;
use super::{App, operations};

/// The description as it is committed; a test keeps it true.
pub(super) const DESCRIPTION: &str = include_str!("../../../../schemas/openapi.json");

/// Nothing comes from elsewhere and nothing runs inline. Swagger UI's icons are `data:` images, and its
/// components set style attributes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the pages.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
    is_gzip: bool,
}

const ASSETS: [Asset; 4] = [
    Asset {
        name: "swagger-ui-bundle.js",
        media_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("swagger-ui-bundle.js.gz"),
        is_gzip: true,
    },
    Asset {
        name: "swagger-ui.css",
        media_type: "text/css; charset=utf-8",
        bytes: include_bytes!("swagger-ui.css.gz"),
        is_gzip: true,
    },
    Asset {
        name: "docs.js",
        media_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("docs.js"),
        is_gzip: false,
    },
    Asset {
        name: "LICENSE",
        media_type: "text/plain; charset=utf-8",
        bytes: include_bytes!("LICENSE"),
        is_gzip: false,
    },
];

/// `GET /openapi.json`. Below `/p/{project}` it names that project's address first, so that a client made from
/// it does not speak to another one.
pub(super) async fn description(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    let body = if request.extensions().get::<SentUri>().is_some() {
        Bytes::from(description_of(&app.name))
    } else {
        Bytes::from_static(DESCRIPTION.as_bytes())
    };
    Ok(answer("application/json", body))
}

fn description_of(project: &str) -> String {
    static PARSED: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(DESCRIPTION).unwrap_or_default());
    let mut description = PARSED.clone();
    description["servers"] =
        serde_json::json!([{ "url": format!("/p/{project}"), "description": "This project" }]);
    description.to_string()
}

/// `GET /docs`: the description for people, who can try each operation with a key of theirs.
pub(super) async fn page(request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    Ok(answer("text/html; charset=utf-8", Bytes::from_static(include_bytes!("index.html"))))
}

/// `GET /docs/{file}`: what the page consists of.
pub(super) async fn asset(Path(name): Path<String>, request: Request) -> Result<Response, Problem> {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return Err(operations::no_route(request).await);
    };
    Query::parse(request.uri().query(), &[])?;
    let mut response = if !asset.is_gzip {
        answer(asset.media_type, Bytes::from_static(asset.bytes))
    } else if takes_gzip(request.headers()) {
        let mut response = answer(asset.media_type, Bytes::from_static(asset.bytes));
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        answer(asset.media_type, unpacked(asset.bytes)?)
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    Ok(response)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0")
    })
}

fn unpacked(packed: &[u8]) -> Result<Bytes, Problem> {
    let mut bytes = Vec::new();
    let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this file is damaged");
    GzDecoder::new(packed).read_to_end(&mut bytes).map_err(broken)?;
    Ok(bytes.into())
}

fn answer(media_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn the_files_are_those_that_were_published() {
        let published = [
            "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
            "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
        ];
        for (asset, expected) in ASSETS.iter().zip(published) {
            let digest = Sha256::digest(unpacked(asset.bytes).unwrap());
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "{}", asset.name);
        }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (value, takes) in
            [("gzip, deflate, br", true), ("br;q=1, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false)]
        {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(takes_gzip(&headers), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
