use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::problem::Problem;
use super::{App, Peer};
use crate::auth::{AdminGrant, Anonymous, Denied, Principal, ReadGrant, SecretGrant, WriteGrant};
use crate::service::RequestOrigin;

/// Lets the caller read, or says why not.
pub(in crate::api) fn may_read(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<ReadGrant, Problem> {
    reading(app, headers, uri, ReadGrant::clone)
}

/// The same where the grant is not kept.
pub(super) fn reading<T>(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
    read: impl FnOnce(&ReadGrant) -> T,
) -> Result<T, Problem> {
    match key(headers) {
        Some(key) => Ok(known(app, key, |found| found.may_read().map(read))?),
        None => Ok(anonymous(app, headers, uri)?.may_read().map(read)?),
    }
}

/// Lets the caller see the values of these secrets in an environment, or says why not.
pub(super) fn may_read_secrets(
    app: &App,
    (headers, uri): (&HeaderMap, &Uri),
    environment: &str,
    names: &BTreeSet<String>,
) -> Result<SecretGrant, Problem> {
    match key(headers) {
        Some(key) => Ok(known(app, key, |found| found.may_read_secrets(environment, names))?),
        None => Ok(anonymous(app, headers, uri)?.may_read_secrets(environment, names)?),
    }
}

/// Lets the caller administer the project, or says why not.
pub(in crate::api) fn may_administer(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<AdminGrant, Problem> {
    match key(headers) {
        Some(key) => Ok(known(app, key, Principal::may_administer)?),
        None => Ok(anonymous(app, headers, uri)?.may_administer()?),
    }
}

/// Lets the caller write, or says why not.
pub(in crate::api) fn may_write(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<WriteGrant, Problem> {
    match key(headers) {
        Some(key) => Ok(known(app, key, Principal::may_write)?),
        None => Ok(anonymous(app, headers, uri)?.may_write()?),
    }
}

/// Who is calling; a key that nobody holds is an error.
pub(in crate::api) fn principal(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Principal, Problem> {
    match key(headers) {
        Some(key) => Ok(known(app, key, |found| Ok(found.clone()))?),
        None => anonymous(app, headers, uri).cloned(),
    }
}

/// The account that a request's key belongs to, for the log; none where nobody knows the key, or there is none.
pub(super) fn account(app: &App, headers: &HeaderMap) -> Option<Arc<str>> {
    known(app, key(headers)?, |found| Ok(found.account.clone())).ok()
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The key of `Authorization: Bearer` or `X-API-Key`. A credential of another kind is one nobody knows.
pub(in crate::api) fn key(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let (scheme, key) = text.split_once(' ').unwrap_or((text, ""));
        return Some(if scheme.eq_ignore_ascii_case("bearer") { key.trim() } else { "" });
    }
    headers.get(API_KEY).map(|value| value.to_str().unwrap_or_default())
}

/// Lets the password of `Authorization: Basic` (RFC 7617) stand for a key, or the name where there is no password: what Git
/// sends. Only where no page of another origin can make a browser send it.
pub(in crate::api) fn take_password(headers: &mut HeaderMap) {
    let Some(text) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else { return };
    let Some((scheme, encoded)) = text.split_once(' ') else { return };
    if !scheme.eq_ignore_ascii_case("basic") {
        return;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let key = decoded
        .as_deref()
        .and_then(|text| text.split_once(':'))
        .map_or("", |(name, password)| if password.is_empty() { name } else { password });
    if let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {key}")) {
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
}

/// Asks the holder of a key. Nothing of the accounts is kept: counting who keeps it is what all readers would share.
fn known<T>(app: &App, key: &str, ask: impl FnOnce(&Principal) -> Result<T, Denied>) -> Result<T, Denied> {
    app.project.core().identities().known(key, SystemTime::now().into(), ask)
}

fn anonymous(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<&'static Principal, Problem> {
    // A page of any site can make a browser call a name that resolves to loopback; the name it used then
    // stands in `Host`.
    if app.anonymous != Anonymous::None && !host(headers, uri).is_some_and(is_loopback) {
        let detail = "callers without a key are served only as localhost, 127.0.0.1 or [::1]; send a key";
        return Err(Problem::new(StatusCode::FORBIDDEN, "foreign-host", detail));
    }
    Ok(Principal::anonymous(app.anonymous))
}

/// How many tokens are checked at once: each takes a moment of a processor, and may wait for its issuer.
static TOKENS_AT_ONCE: Semaphore = Semaphore::const_new(8);

/// How long a token waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks the token of an issuer, where the request shows one that is not known yet; afterwards it is known.
pub(in crate::api) async fn check_token(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = key(headers) else { return Ok(()) };
    if !app.project.core().identities().is_unchecked_token(token, SystemTime::now().into()) {
        return Ok(());
    }
    let busy = || {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", "too many tokens are being checked; try again")
    };
    let place =
        timeout(PATIENCE, TOKENS_AT_ONCE.acquire()).await.ok().and_then(Result::ok).ok_or_else(busy)?;
    let (core, token) = (app.project.core().clone(), token.to_owned());
    let check = move || {
        let _place = place;
        core.identities().check_token(&token, SystemTime::now().into())
    };
    Ok(tokio::task::spawn_blocking(check).await.map_err(Problem::stopped)??)
}

/// Lets a request through at the pace that the settings give its account; callers without one, and those with a
/// credential that nobody knows, each share a pace.
pub(super) fn admit(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let core = app.project.core();
    let named = match key(headers) {
        None => "anonymous".into(),
        Some(key) => known(app, key, |found| Ok(found.account.clone())).unwrap_or_else(|_| "unknown".into()),
    };
    core.admit(&named).map_err(Problem::too_fast)
}

/// Lets a request of somebody who is known through, at the pace of the account. With neither a credential nor rights for
/// those without one, it is refused.
pub(in crate::api) fn admit_known(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let account = match key(headers) {
        Some(key) => known(app, key, |found| Ok(found.account.clone()))?,
        None => {
            anonymous(app, headers, uri)?.may_read()?;
            "anonymous".into()
        }
    };
    app.project.core().admit(&account).map_err(Problem::too_fast)
}

/// Where a request came from, as the audit log tells it.
pub(in crate::api) fn origin(request: &Request) -> RequestOrigin {
    let peer = request.extensions().get::<Peer>().map(|Peer(peer)| *peer);
    origin_of(peer, request_id(request.headers()))
}

/// The same of what is known of it.
pub(in crate::api) fn origin_of(peer: Option<SocketAddr>, request_id: Option<String>) -> RequestOrigin {
    RequestOrigin {
        address: peer.map(|peer| peer.ip().to_string().into()),
        request_id: request_id.map(Into::into),
    }
}

/// The longest request id that is taken note of: whoever calls chooses it.
const MOST_ID_BYTES: usize = 128;

/// What a request calls itself.
pub(in crate::api) fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    (!id.is_empty() && id.len() <= MOST_ID_BYTES).then(|| id.to_owned())
}

/// The one name that a request was sent to; none where it gives two, for who is to say which was meant.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let mut named = headers.get_all(HOST).iter();
    match (named.next(), named.next()) {
        (Some(value), None) => value.to_str().ok(),
        (None, _) => uri.authority().map(|authority| authority.as_str()),
        (Some(_), Some(_)) => None,
    }
}

/// Refuses a request of HTTP/1.1 without a `Host`, or with several: RFC 9112 section 3.2.
pub(super) fn check_host<B>(request: &axum::http::Request<B>) -> Result<(), Problem> {
    let mut named = request.headers().get_all(HOST).iter();
    let has_one = named.next().is_some() && named.next().is_none();
    if has_one || request.version() != Version::HTTP_11 {
        return Ok(());
    }
    Err(Problem::malformed("a request of HTTP/1.1 has one Host header, not none and not several"))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|ip| IpAddr::from(ip).is_loopback())
        || name.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Refuses a changing request that a page of another origin sent.
pub(super) fn check_origin(app: &App, request: &Request) -> Result<(), Problem> {
    let method = request.method();
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) || method.as_str() == "LIST" {
        return Ok(());
    }
    let headers = request.headers();
    if headers.get(ORIGIN).is_some_and(|origin| app.cors.has(origin)) {
        return Ok(());
    }
    let foreign = |detail: &str| Err(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail));
    if let Some(site) = headers.get("sec-fetch-site")
        && !matches!(site.as_bytes(), b"same-origin" | b"none")
    {
        return foreign("Sec-Fetch-Site says that a page of another origin sent this");
    }
    if let Some(origin) = headers.get(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        if authority.is_none() || authority != host(headers, request.uri()) {
            return foreign("Origin is not this server");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn two_hosts_are_none() {
        let uri = Uri::from_static("/");
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert_eq!(host(&headers, &uri), Some("localhost"));
        headers.append(HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(host(&headers, &uri), None);
    }

    #[test]
    fn loopback_hosts() {
        for host in
            ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1", "127.3.2.1:80", "[::1]", "[::1]:8000"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "10.0.0.1",
            "[::2]:1",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
