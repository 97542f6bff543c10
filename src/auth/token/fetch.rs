use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::error::shown;
use super::file::{FileError, MOST_BYTES, read_file};
use super::url::{Reach, UrlError, check_url};
use super::{JwksError, KeyOrigin, KeySet};

/// How many redirects are followed from one `https://` address to another.
const MOST_REDIRECTS: u32 = 3;

/// Why keys could not be fetched. Addresses come from the access file or from the issuer; no answer's text is
/// repeated.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("`{url}` {source}")]
    Address { url: String, source: UrlError },
    #[error("the issuer says that its keys are on this machine, at `{url}`, and is itself elsewhere")]
    Misled { url: String },
    #[error("{0}")]
    CaFile(#[from] FileError),
    #[error("the file `{name}` holds no PEM certificate")]
    NoCertificates { name: String },
    #[error("`{url}` cannot be fetched: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("`{url}` did not answer in time")]
    TimedOut { url: String },
    #[error("`{url}` answered {status}")]
    Status { url: String, status: u16 },
    #[error("`{url}` answered with more than {MOST_BYTES} bytes")]
    TooLarge { url: String },
    #[error("the answer of `{url}` is no discovery document: {source}")]
    Discovery { url: String, source: serde_json::Error },
    #[error("`{url}` is about another issuer: `{found}`")]
    OtherIssuer { url: String, found: String },
    #[error("the answer of `{url}` cannot be used: {source}")]
    Keys { url: String, source: JwksError },
}

/// What is needed of a discovery document (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// Fetches what belongs together until one deadline.
struct Fetch<'a> {
    origin: &'a KeyOrigin,
    base_dir: &'a Path,
    deadline: Instant,
}

/// Fetches the keys of an issuer, from an address or from the one that its discovery document names, in at
/// most this time.
pub(super) fn fetch_keys(
    origin: &KeyOrigin,
    url: Option<&str>,
    base_dir: &Path,
    timeout: Duration,
) -> Result<KeySet, FetchError> {
    let fetch = Fetch { origin, base_dir, deadline: Instant::now() + timeout };
    let url = match url {
        Some(url) => url.to_owned(),
        None => fetch.discovered()?,
    };
    let bytes = fetch.get(&url)?;
    KeySet::parse(&bytes).map_err(|source| FetchError::Keys { url, source })
}

impl Fetch<'_> {
    /// The address of the keys. The document has to name the very issuer that was asked for (section 4.3).
    fn discovered(&self) -> Result<String, FetchError> {
        let issuer = &*self.origin.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer));
        let bytes = self.get(&url)?;
        let document: Discovery = match serde_json::from_slice(&bytes) {
            Ok(document) => document,
            Err(source) => return Err(FetchError::Discovery { url, source }),
        };
        if document.issuer != issuer {
            return Err(FetchError::OtherIssuer { url, found: shown(&document.issuer) });
        }
        check_keys_url(issuer, &document.jwks_uri)?;
        Ok(document.jwks_uri)
    }

    fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(FetchError::TimedOut { url: url.to_owned() });
        }
        let request = self.agent(url)?.get(url).config().timeout_global(Some(left)).build();
        let mut response = request.call().map_err(|error| failed(url, &error))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(FetchError::Status { url: url.to_owned(), status });
        }
        let body = response.body_mut().with_config().limit(MOST_BYTES).read_to_vec();
        body.map_err(|error| failed(url, &error))
    }

    /// An agent for one address: fetches are so rare that no connection is worth keeping.
    fn agent(&self, url: &str) -> Result<Agent, FetchError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(0)
            .user_agent(concat!("confgit/", env!("CARGO_PKG_VERSION")));
        let config = match reach(url)? {
            // Each redirect is asked again for its scheme.
            Reach::Tls => config.https_only(true).max_redirects(MOST_REDIRECTS),
            // What listens on this machine is never reached through a proxy, and may not send us over the
            // network.
            Reach::Loopback => config.proxy(None).max_redirects(0),
        };
        let config = match &self.origin.ca_file {
            Some(name) => config.tls_config(self.trusting(name)?),
            None => config,
        };
        Ok(Agent::new_with_config(config.build()))
    }

    /// Read at each fetch, so that a renewed file counts without a restart.
    fn trusting(&self, name: &Path) -> Result<TlsConfig, FetchError> {
        let bytes = read_file(self.base_dir, name)?;
        let certificates = parse_pem(&bytes).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        });
        let certificates: Vec<_> = certificates.collect();
        if certificates.is_empty() {
            return Err(FetchError::NoCertificates { name: name.display().to_string() });
        }
        Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build())
    }
}

/// An issuer may only send us to `http://` on this machine when it is there itself; who answers here is
/// another question.
fn check_keys_url(issuer: &str, keys_url: &str) -> Result<(), FetchError> {
    match (reach(issuer)?, reach(keys_url)?) {
        (Reach::Tls, Reach::Loopback) => Err(FetchError::Misled { url: shown(keys_url) }),
        (Reach::Tls | Reach::Loopback, _) => Ok(()),
    }
}

fn reach(url: &str) -> Result<Reach, FetchError> {
    check_url(url).map_err(|source| FetchError::Address { url: shown(url), source })
}

fn failed(url: &str, error: &ureq::Error) -> FetchError {
    let url = url.to_owned();
    match error {
        ureq::Error::Timeout(_) => FetchError::TimedOut { url },
        ureq::Error::BodyExceedsLimit(_) => FetchError::TooLarge { url },
        other => FetchError::Unreachable { url, reason: chain(other) },
    }
}

/// An error and what caused it, on one line; a cause that is already told is not told again.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_issuer_may_send_us() {
        for (issuer, keys_url, is_fine) in [
            ("https://a.example", "https://keys.example/jwks", true),
            ("https://a.example", "https://10.0.0.1:6443/openid/v1/jwks", true),
            ("https://a.example", "http://keys.example/jwks", false),
            ("https://a.example", "http://127.0.0.1:80/jwks", false),
            ("http://127.0.0.1:80", "http://localhost:81/jwks", true),
            ("http://127.0.0.1:80", "https://keys.example/jwks", true),
            ("http://127.0.0.1:80", "http://keys.example/jwks", false),
            ("https://a.example", "file:///etc/passwd", false),
            ("https://a.example", "/jwks", false),
        ] {
            assert_eq!(check_keys_url(issuer, keys_url).is_ok(), is_fine, "{issuer} {keys_url}");
        }
    }
}
