use std::net::IpAddr;

use ureq::http::Uri;

/// Where the host of an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Anywhere, by `https://`.
    Tls,
    /// On this machine, by `http://`.
    Loopback,
}

/// Why a text is no address to trust. It repeats nothing, as addresses may hold passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error("is no address: expected `https://` and a host")]
    Malformed,
    #[error("holds a name or a password before the host")]
    Credentials,
    #[error("has a fragment (`#`)")]
    Fragment,
    #[error("is not `https://`: over `http://` anybody on the way could put in keys of their own")]
    Plain,
}

/// Checks an address that keys are trusted by: `https://`, or `http://` on this machine.
pub(super) fn check_url(text: &str) -> Result<Reach, UrlError> {
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(UrlError::Malformed)?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(UrlError::Credentials);
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(Reach::Tls),
        Some("http") if is_loopback => Ok(Reach::Loopback),
        Some("http") => Err(UrlError::Plain),
        _ => Err(UrlError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_on_the_way_can_change() {
        for (text, expected) in [
            ("https://token.actions.githubusercontent.com", Ok(Reach::Tls)),
            ("https://a:6443/openid/v1/jwks?x=1", Ok(Reach::Tls)),
            ("http://localhost:8080/realms/x", Ok(Reach::Loopback)),
            ("http://127.0.0.7:1", Ok(Reach::Loopback)),
            ("http://[::1]:1/x", Ok(Reach::Loopback)),
            ("http://example.com", Err(UrlError::Plain)),
            ("http://localhost.example.com", Err(UrlError::Plain)),
            ("http://127.0.0.1.example.com", Err(UrlError::Plain)),
            ("http://localhost@example.com", Err(UrlError::Credentials)),
            ("https://ann:pw@example.com", Err(UrlError::Credentials)),
            ("https://example.com#x", Err(UrlError::Fragment)),
            ("ftp://example.com", Err(UrlError::Malformed)),
            ("example.com", Err(UrlError::Malformed)),
            ("/etc/passwd", Err(UrlError::Malformed)),
            ("https://", Err(UrlError::Malformed)),
            ("", Err(UrlError::Malformed)),
        ] {
            assert_eq!(check_url(text), expected, "{text}");
        }
    }
}
