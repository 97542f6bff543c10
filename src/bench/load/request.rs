//! Requests as the bytes that go over the wire.

use std::fmt::Write;
use std::net::SocketAddr;

/// What every request to one server has in common: its address and the caller's key.
#[derive(Debug, Clone)]
pub struct Origin {
    address: SocketAddr,
    key: Option<String>,
}

impl Origin {
    /// A server, and the API key to show it, if it asks for one.
    pub fn new(address: SocketAddr, key: Option<String>) -> Self {
        Origin { address, key }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The API key.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The bytes of a GET.
    pub fn get(&self, target: &str) -> Vec<u8> {
        let mut text = String::with_capacity(256);
        self.head("GET", target, &mut text);
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// Appends the bytes of a PUT of a JSON document.
    pub fn put(&self, target: &str, json: &str, out: &mut Vec<u8>) {
        let mut text = String::with_capacity(256 + json.len());
        self.head("PUT", target, &mut text);
        // Writing to a String cannot fail.
        let _ =
            write!(text, "content-type: application/json\r\ncontent-length: {}\r\n\r\n{json}", json.len());
        out.extend_from_slice(text.as_bytes());
    }

    fn head(&self, method: &str, target: &str, text: &mut String) {
        let _ = write!(text, "{method} {target} HTTP/1.1\r\nhost: {}\r\n", self.address);
        if let Some(key) = &self.key {
            let _ = write!(text, "authorization: Bearer {key}\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_complete() {
        let origin = Origin::new(([127, 0, 0, 1], 80).into(), Some("cg_x".into()));
        assert_eq!(
            String::from_utf8(origin.get("/v1/config/a")).unwrap(),
            "GET /v1/config/a HTTP/1.1\r\nhost: 127.0.0.1:80\r\nauthorization: Bearer cg_x\r\n\r\n"
        );
        let mut out = Vec::new();
        Origin::new(([127, 0, 0, 1], 80).into(), None).put("/a", "{}", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "PUT /a HTTP/1.1\r\nhost: 127.0.0.1:80\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
    }
}
