use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Uri;

use crate::model::Path;

/// The address of a server, or of one project of it: `http://host:8000` or `https://host/p/shop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// Without a slash at the end.
    base: String,
    is_loopback: bool,
}

/// Why a text is no server's address. It repeats nothing that may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither `http://` nor `https://` with a host.
    #[error("not the address of a server: write it as http://127.0.0.1:8000")]
    Malformed,
    /// A name or password before the host.
    #[error("a server's address holds no name and no password: set CONFGIT_TOKEN to a key instead")]
    Credentials,
    /// A query or a fragment.
    #[error("a server's address has nothing after its path: leave out `?` and `#`")]
    Query,
}

impl ServerAddress {
    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// The address that a `Link` of this server names; none when it leads elsewhere.
    pub(super) fn join(&self, target: &str) -> Option<String> {
        if target.starts_with('/') {
            // After `scheme://`, the origin ends at the first slash.
            let host = self.base.find("://").map_or(0, |at| at + 3);
            let end = self.base[host..].find('/').map_or(self.base.len(), |at| host + at);
            return Some(format!("{}{target}", &self.base[..end]));
        }
        target.strip_prefix(&self.base)?.starts_with(['/', '?']).then(|| target.to_owned())
    }

    /// The address of something below a prefix such as `/api/config`.
    pub(super) fn url(&self, prefix: &str, path: &Path, suffix: &str, query: &[(&str, String)]) -> String {
        let mut url = format!("{}{prefix}", self.base);
        for segment in path.segments() {
            url.push('/');
            push_encoded(&mut url, &segment);
        }
        url.push_str(suffix);
        for (index, (name, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            push_encoded(&mut url, value);
        }
        url
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains(['?', '#']) {
            return Err(AddressError::Query);
        }
        let uri: Uri = text.parse().map_err(|_| AddressError::Malformed)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(AddressError::Malformed)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(AddressError::Malformed);
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(AddressError::Credentials);
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = bare.eq_ignore_ascii_case("localhost")
            || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        Ok(ServerAddress { base: text.trim_end_matches('/').to_owned(), is_loopback })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

/// What is percent-encoded: everything but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn push_encoded(url: &mut String, text: &str) {
    url.extend(utf8_percent_encode(text, &RESERVED));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, loopback) in [
            ("http://127.0.0.1:8000", Ok(true)),
            ("http://localhost:8000/", Ok(true)),
            ("http://[::1]:8000", Ok(true)),
            ("https://config.example.com/p/shop", Ok(false)),
            ("localhost:8000", Err(AddressError::Malformed)),
            ("ftp://host", Err(AddressError::Malformed)),
            ("", Err(AddressError::Malformed)),
            ("http://me:secret@host", Err(AddressError::Credentials)),
            ("http://host/?env=prod", Err(AddressError::Query)),
        ] {
            let address = text.parse::<ServerAddress>();
            assert_eq!(address.map(|address| address.is_loopback()), loopback, "{text}");
        }
    }

    #[test]
    fn links_stay_on_the_server() {
        let server: ServerAddress = "http://h:1/p/shop".parse().unwrap();
        for (target, joined) in [
            ("/p/shop/api?x", Some("http://h:1/p/shop/api?x")),
            ("http://h:1/p/shop/api", Some("http://h:1/p/shop/api")),
            ("http://h:1/p/shopping", None),
            ("https://elsewhere/", None),
        ] {
            assert_eq!(server.join(target).as_deref(), joined, "{target}");
        }
    }

    #[test]
    fn every_segment_is_encoded() {
        let server: ServerAddress = "http://h/p/shop/".parse().unwrap();
        for (path, url) in [
            ("/", "http://h/p/shop/api/config"),
            ("/a/b", "http://h/p/shop/api/config/a/b"),
            ("/a%2Fb", "http://h/p/shop/api/config/a%2Fb"),
            ("/50%/ä?#", "http://h/p/shop/api/config/50%25/%C3%A4%3F%23"),
        ] {
            assert_eq!(server.url("/api/config", &path.parse().unwrap(), "", &[]), url);
        }
        let query = [("env", "prod".to_owned()), ("after", "/a b".to_owned())];
        let url = server.url("/v1/config", &"/a".parse().unwrap(), "/history", &query);
        assert_eq!(url, "http://h/p/shop/v1/config/a/history?env=prod&after=%2Fa%20b");
    }
}
