use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK,
    REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use tower_http::cors::CorsLayer;

use super::reply::{REVISION, SEQUENCE};

/// How long a browser remembers which requests it may make.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The pages of other origins that may call this server from a browser: none, unless it was started so.
#[derive(Debug, Clone, Default)]
pub struct CorsOrigins(Arc<[HeaderValue]>);

/// A text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no origin: write scheme, host and port as a browser sends them, such as https://console.example.com"
)]
pub struct MalformedOrigin(String);

impl CorsOrigins {
    /// Reads origins as browsers send them (RFC 6454 section 7).
    pub fn parse(origins: &[String]) -> Result<Self, MalformedOrigin> {
        let read = |text: &String| {
            let lower = text.to_ascii_lowercase();
            let host = ["http://", "https://"].iter().find_map(|scheme| lower.strip_prefix(scheme));
            let is_origin = host.is_some_and(|host| {
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b))
            });
            let value = HeaderValue::try_from(&lower).ok().filter(|_| is_origin);
            value.ok_or_else(|| MalformedOrigin(text.clone()))
        };
        Ok(CorsOrigins(origins.iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Whether a page of this origin may call.
    pub(super) fn has(&self, origin: &HeaderValue) -> bool {
        self.0.contains(origin)
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What answers browsers that ask first, and tells them what they may read.
    pub(super) fn layer(&self) -> CorsLayer {
        let plain = |name: &'static str| HeaderName::from_static(name);
        let methods = [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::PATCH, Method::DELETE];
        CorsLayer::new()
            .allow_origin(self.0.to_vec())
            .allow_methods(methods)
            .allow_headers([
                ACCEPT,
                AUTHORIZATION,
                CONTENT_TYPE,
                IF_MATCH,
                IF_NONE_MATCH,
                plain("x-api-key"),
                plain("x-request-id"),
            ])
            .expose_headers([ETAG, LINK, RETRY_AFTER, REVISION, SEQUENCE])
            .max_age(MAX_AGE)
    }
}

/// What a browser must not make of any answer: something else than it says, a frame, a page with scripts.
pub(super) fn harden(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}

/// JSON is never anything else; the fast way says no more than that.
pub(super) const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        for (text, is_one) in [
            ("https://console.example.com", true),
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("HTTPS://Console.Example.com", true),
            ("*", false),
            ("null", false),
            ("console.example.com", false),
            ("https://", false),
            ("https://a/", false),
            ("https://a b", false),
        ] {
            assert_eq!(CorsOrigins::parse(&[text.to_owned()]).is_ok(), is_one, "{text}");
        }
        let origins = CorsOrigins::parse(&["https://A.example".to_owned()]).unwrap();
        assert!(origins.has(&HeaderValue::from_static("https://a.example")));
        assert!(!origins.has(&HeaderValue::from_static("https://a.example.evil")));
    }
}
