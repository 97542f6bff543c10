use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http::request::Builder;
use ureq::http::{Request, Response};
use ureq::{Agent, AsSendBody, SendBody};

use super::{ClientError, ServerAddress, Token};
use crate::wire::Problem;

/// How long it may take until a server takes the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a whole request may take. A server that waits for its disk answers long before.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// The largest answer that is taken, in bytes.
const MOST_ANSWER_BYTES: u64 = 256 << 20;

/// How much of an unexpected answer is repeated, in characters.
const QUOTED_CHARACTERS: usize = 120;

/// Sends requests and reads answers.
#[derive(Debug)]
pub(super) struct Transport {
    agent: Agent,
    server: ServerAddress,
    token: Option<Token>,
    /// How long a whole request may take.
    timeout: Duration,
}

/// One request, before it is sent.
pub(super) struct Call<'a> {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<&'a [u8]>,
}

/// An answer below 400.
pub(super) struct Answer {
    pub body: Vec<u8>,
    /// What `Link: <…>; rel="next"` names, as the server wrote it.
    pub next: Option<String>,
}

impl Transport {
    pub fn new(server: ServerAddress, token: Option<Token>, timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .http_status_as_error(false)
            // A redirect could carry a write, and the key, to somewhere else.
            .max_redirects(0)
            .user_agent(concat!("confgit/", env!("CARGO_PKG_VERSION")));
        // What listens on this machine is never reached through a proxy.
        let config = if server.is_loopback() { config.proxy(None) } else { config };
        Transport { agent: Agent::new_with_config(config.build()), server, token, timeout }
    }

    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// Sends a request and reads its answer as JSON.
    pub fn json<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, ClientError> {
        self.parse(&self.send(call)?)
    }

    pub fn parse<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, ClientError> {
        self.understood(serde_json::from_slice(&answer.body))
    }

    /// What was read of an answer.
    pub fn understood<T>(&self, read: serde_json::Result<T>) -> Result<T, ClientError> {
        read.map_err(|error| self.unintelligible(format!("its answer is not as expected: {error}")))
    }

    /// Sends a request; what is refused is an error.
    pub fn send(&self, call: Call<'_>) -> Result<Answer, ClientError> {
        self.read(self.run(call, Some(self.timeout))?)
    }

    /// Sends a request for the status of its answer alone.
    pub fn status(&self, call: Call<'_>) -> Result<u16, ClientError> {
        Ok(self.run(call, Some(self.timeout))?.status().as_u16())
    }

    /// Sends a request whose answer may be of any length and may take its time.
    pub fn stream(&self, call: Call<'_>) -> Result<Response<ureq::Body>, ClientError> {
        self.stream_for(call, None)
    }

    /// The same for at most so long.
    pub fn stream_for(
        &self,
        call: Call<'_>,
        most: Option<Duration>,
    ) -> Result<Response<ureq::Body>, ClientError> {
        let response = self.run(call, most)?;
        if response.status().as_u16() < 300 {
            return Ok(response);
        }
        match self.read(response) {
            Err(refused) => Err(refused),
            Ok(_) => Err(self.unintelligible("its answer is not as expected".to_owned())),
        }
    }

    fn run(&self, call: Call<'_>, timeout: Option<Duration>) -> Result<Response<ureq::Body>, ClientError> {
        let request = self.head(&call);
        match call.body {
            Some(body) => self.run_with(request.body(body), timeout),
            None => self.run_with(request.body(()), timeout),
        }
    }

    fn run_with<B: AsSendBody>(
        &self,
        request: Result<Request<B>, ureq::http::Error>,
        timeout: Option<Duration>,
    ) -> Result<Response<ureq::Body>, ClientError> {
        let unsendable = |_| self.unintelligible("the request cannot be written as HTTP".to_owned());
        let request = self.agent.configure_request(request.map_err(unsendable)?);
        self.agent.run(request.timeout_global(timeout).build()).map_err(|error| self.failed(&error))
    }

    /// Sends a request as [`Transport::send`] does, telling how many bytes of the body are sent.
    pub fn send_watched(&self, call: Call<'_>, sent: &mut dyn FnMut(usize)) -> Result<Answer, ClientError> {
        let total = call.body.unwrap_or_default();
        let request = self.head(&call).header("content-length", total.len());
        let mut body = Watched { rest: total, total: total.len(), sent };
        let request = request.body(SendBody::from_reader(&mut body));
        self.read(self.run_with(request, Some(self.timeout))?)
    }

    fn head(&self, call: &Call<'_>) -> Builder {
        let mut request =
            Request::builder().method(call.method).uri(&call.url).header("accept", "application/json");
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        match &self.token {
            Some(token) => request.header("authorization", token.bearer()),
            None => request,
        }
    }

    fn read(&self, mut response: Response<ureq::Body>) -> Result<Answer, ClientError> {
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MOST_ANSWER_BYTES).read_to_vec();
        let body = body.map_err(|error| self.failed(&error))?;
        if status < 300 {
            let next = response
                .headers()
                .get_all("link")
                .iter()
                .filter_map(|link| next_of(link.to_str().ok()?))
                .next();
            return Ok(Answer { body, next });
        }
        if let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
            return Err(ClientError::Refused(Box::new(problem)));
        }
        let text = String::from_utf8_lossy(&body);
        let first: String = text.lines().next().unwrap_or_default().chars().take(QUOTED_CHARACTERS).collect();
        let quoted = if first.is_empty() { String::new() } else { format!(": {first}") };
        Err(self.unintelligible(format!("it answered {status}{quoted}")))
    }

    pub fn unintelligible(&self, reason: String) -> ClientError {
        ClientError::Unintelligible { server: self.server.to_string(), reason }
    }

    fn failed(&self, error: &ureq::Error) -> ClientError {
        let server = self.server.to_string();
        let reason = match error {
            ureq::Error::Timeout(_) => return ClientError::TimedOut { server },
            ureq::Error::Io(io) => match io.kind() {
                ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                ErrorKind::TimedOut => return ClientError::TimedOut { server },
                _ => chain(io),
            },
            ureq::Error::HostNotFound => "there is no such host".to_owned(),
            ureq::Error::Protocol(_) | ureq::Error::Http(_) => return self.unintelligible(chain(error)),
            other => chain(other),
        };
        ClientError::Unreachable { server, reason }
    }
}

/// A body that tells how much of it was taken.
struct Watched<'a> {
    rest: &'a [u8],
    total: usize,
    sent: &'a mut dyn FnMut(usize),
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.rest.read(buffer)?;
        (self.sent)(self.total - self.rest.len());
        Ok(count)
    }
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The target of `rel="next"` in a `Link` header (RFC 8288).
fn next_of(link: &str) -> Option<String> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next =
        parameters.split(';').any(|parameter| matches!(parameter.trim(), "rel=next" | "rel=\"next\""));
    is_next.then(|| target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_links() {
        for (link, next) in [
            ("</api/config/a/history?below=3>; rel=\"next\"", Some("/api/config/a/history?below=3")),
            ("<x>; title=\"a\"; rel=next", Some("x")),
            ("<x>; rel=\"prev\"", None),
            ("nonsense", None),
        ] {
            assert_eq!(next_of(link).as_deref(), next, "{link}");
        }
    }
}
