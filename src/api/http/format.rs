use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;

use super::problem::Problem;
use super::query::Query;
use crate::bundle::BundleFormat;
use crate::document;
use crate::model::{Path, Value, bytes_of_base64};

/// The names of all formats.
pub(super) const FORMATS: [&str; 8] =
    ["json", "yaml", "toml", "text", "env", "properties", "k8s-configmap", "k8s-secret"];

/// How a value is written in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Yaml,
    Toml,
    Text,
    /// All entries as one text for another tool.
    Bundle(BundleFormat),
}

impl Format {
    /// The format that `format=` names, else the first of `Accept` that there is, else JSON.
    pub fn of(query: &Query, headers: &HeaderMap) -> Result<Self, Problem> {
        match query.get("format") {
            Some("json") => return Ok(Format::Json),
            Some("yaml") => return Ok(Format::Yaml),
            Some("toml") => return Ok(Format::Toml),
            Some("text") => return Ok(Format::Text),
            Some("env") => return Ok(Format::Bundle(BundleFormat::Env)),
            Some("properties") => return Ok(Format::Bundle(BundleFormat::Properties)),
            Some("k8s-configmap") => return Ok(Format::Bundle(BundleFormat::ConfigMap)),
            Some("k8s-secret") => return Ok(Format::Bundle(BundleFormat::Secret)),
            Some(other) => {
                return Err(Problem::malformed(format!(
                    "unknown format `{other}`; there are: {}",
                    FORMATS.join(", ")
                )));
            }
            None => {}
        }
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut kinds = accepted
            .flat_map(|value| value.split(','))
            .map(|kind| kind.split(';').next().unwrap_or(kind).trim());
        let found = kinds.find_map(|kind| match kind {
            "application/json" | "application/*" | "*/*" => Some(Format::Json),
            "application/yaml" | "text/yaml" | "application/x-yaml" => Some(Format::Yaml),
            "application/toml" => Some(Format::Toml),
            "text/plain" => Some(Format::Text),
            _ => None,
        });
        Ok(found.unwrap_or(Format::Json))
    }

    /// The media type of what [`Format::render`] gives.
    fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Format::Bundle(bundle) => bundle.media_type(),
            Format::Json => "application/json",
            Format::Yaml => "application/yaml",
            Format::Toml => "application/toml",
            Format::Text => "text/plain; charset=utf-8",
        })
    }

    /// A JSON text in this format, and its media type.
    pub fn render(self, path: &Path, json: Bytes, is_bytes: bool) -> Result<(HeaderValue, Bytes), Problem> {
        if self == Format::Json {
            return Ok((self.media_type(), json));
        }
        if let Format::Bundle(_) = self {
            let detail = "this format is for what services read now: leave out `version`, `recursive`, `q`, `list` and `fields`";
            return Err(Problem::contradiction(detail));
        }
        let value = std::str::from_utf8(&json).ok().and_then(|text| Value::from_json(text).ok());
        let Some(value) = value else {
            return Err(Problem::not_expressible(format!(
                "{path} cannot be written in another format than json"
            )));
        };
        let body = match (self, value) {
            (Format::Text, Value::String(text)) if is_bytes => {
                let bytes = bytes_of_base64(&text).unwrap_or_default();
                return Ok((HeaderValue::from_static("application/octet-stream"), bytes.into()));
            }
            (Format::Text, Value::String(text)) => text.into_bytes(),
            (Format::Text, value @ (Value::Bool(_) | Value::Number(_))) => value.to_json().into_bytes(),
            (Format::Text, value) => {
                let detail = format!(
                    "{path} is of type {}; format=text is for strings, numbers and booleans",
                    value.kind()
                );
                return Err(Problem::not_expressible(detail));
            }
            (Format::Toml, value @ Value::Object(_)) => document::emit(document::Format::Toml, &value)
                .map_err(|error| {
                    Problem::not_expressible(format!("{path} cannot be written as TOML: {error}"))
                })?,
            (Format::Toml, value) => {
                let detail = format!("{path} is of type {}; a TOML document is an object", value.kind());
                return Err(Problem::not_expressible(detail));
            }
            (Format::Json | Format::Yaml | Format::Bundle(_), value) => {
                document::emit(document::Format::Yaml, &value).map_err(|error| {
                    Problem::not_expressible(format!("{path} cannot be written as YAML: {error}"))
                })?
            }
        };
        Ok((self.media_type(), body.into()))
    }
}
