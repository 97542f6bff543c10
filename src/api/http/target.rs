use std::sync::Arc;

use axum::http::Uri;
use percent_encoding::percent_decode_str;

use super::problem::Problem;
use super::query::Query;
use crate::model::{Environments, Path};

/// What a path itself takes.
pub(super) const PATH: &[&str] = &["GET", "HEAD", "LIST", "PUT", "PATCH", "DELETE"];
/// What the root takes: it cannot be written as a whole.
pub(super) const ROOT: &[&str] = &["GET", "HEAD", "LIST"];
/// What the operations on a path take.
pub(super) const OPERATIONS: [(&str, &[&str]); 4] = [
    ("history", &["GET", "HEAD"]),
    ("diff", &["GET", "HEAD"]),
    ("rollback", &["POST"]),
    ("explain", &["GET", "HEAD"]),
];

/// What the path of a URL below `/v1/config` or `/api/config` is about.
#[derive(Debug)]
pub(super) struct Target {
    /// The environment.
    pub environment: Arc<str>,
    /// Whether only its own layer counts: `env/{env}/…`.
    pub layer_only: bool,
    /// The configuration path.
    pub path: Path,
    /// What the last segment asks for, where it is no key.
    pub operation: Option<&'static str>,
}

impl Target {
    /// Reads the path of a URL after `prefix`. Each segment is decoded by itself (RFC 3986), so that `%2F` is
    /// a slash within a key.
    pub fn parse(
        uri: &Uri,
        prefix: &str,
        query: &Query,
        environments: &Environments,
    ) -> Result<Self, Problem> {
        let rest = uri.path().strip_prefix(prefix).unwrap_or_default();
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let mut segments = Vec::new();
        if !rest.is_empty() {
            for raw in rest.split('/') {
                segments.push(decode(raw)?);
            }
        }
        let literal = query.flag("literal")?;
        let mut environment = None;
        if !literal
            && let [first, name, ..] = &segments[..]
            && first == "env"
            && let Some(found) = environments.get(name)
        {
            environment = Some(found.name.clone());
            segments.drain(..2);
        }
        let layer_only = environment.is_some();
        let operation = match segments.last() {
            Some(last) if prefix.starts_with("/api/") && !literal && segments.len() > 1 => {
                OPERATIONS.iter().map(|(name, _)| *name).find(|name| name == last)
            }
            _ => None,
        };
        if operation.is_some() {
            segments.pop();
        }
        let path =
            Path::from_segments(&segments).map_err(|error| Problem::no_path("this is no path", &error))?;
        let environment = match (environment, query.get("env")) {
            (Some(inside), Some(named)) if &*inside != named => {
                let detail = format!("the path names the environment `{inside}` and `env=` names `{named}`");
                return Err(Problem::contradiction(detail));
            }
            (Some(inside), _) => inside,
            (None, Some(named)) => Arc::from(named),
            (None, None) => environments.default_name().clone(),
        };
        Ok(Target { environment, layer_only, path, operation })
    }
}

/// One segment of a URL's path, decoded.
pub(super) fn decode(raw: &str) -> Result<String, Problem> {
    let broken = raw.match_indices('%').any(|(at, _)| {
        !raw.as_bytes().get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if broken {
        return Err(Problem::malformed(
            "a `%` in the path is not followed by two hexadecimal digits; write %25",
        ));
    }
    let text =
        percent_decode_str(raw).decode_utf8().map_err(|_| Problem::malformed("the path is not UTF-8"))?;
    Ok(text.into_owned())
}
