//! The first bytes of a gRPC stream over a connection of its own, as they go over the wire (RFC 9113, RFC 7541): a
//! listener that then only reads needs no more of HTTP/2 than this, as long as it hears less than 64 KB.

use std::net::SocketAddr;

use bytes::Bytes;

/// What a client of HTTP/2 says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;

/// Calls a method with one message and leaves the stream open; `token` is the caller's key.
pub fn open_stream(address: SocketAddr, method: &str, token: Option<&str>, message: &[u8]) -> Bytes {
    let mut headers = Vec::new();
    // Of the static table: `:method: POST` and `:scheme: http`.
    headers.extend([0x83, 0x86]);
    literal(4, method, &mut headers);
    literal(1, &address.to_string(), &mut headers);
    literal(31, "application/grpc", &mut headers);
    headers.push(0);
    text("te", &mut headers);
    text("trailers", &mut headers);
    if let Some(token) = token {
        literal(23, &format!("Bearer {token}"), &mut headers);
    }
    let mut bytes = PREFACE.to_vec();
    frame(SETTINGS, 0, 0, &[], &mut bytes);
    frame(HEADERS, END_HEADERS, 1, &headers, &mut bytes);
    frame(DATA, 0, 1, message, &mut bytes);
    bytes.into()
}

/// A message of protocol buffers as gRPC frames it: not compressed, and its length.
pub fn framed(message: &impl prost::Message) -> Bytes {
    let message = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    frame.into()
}

/// A header whose name stands in the static table, not to be indexed.
fn literal(name: u8, value: &str, out: &mut Vec<u8>) {
    if name < 15 {
        out.push(name);
    } else {
        out.extend([15, name - 15]);
    }
    text(value, out);
}

/// A text as it is, not compressed.
fn text(text: &str, out: &mut Vec<u8>) {
    let length = text.len().min(127);
    out.push(length as u8);
    out.extend_from_slice(&text.as_bytes()[..length]);
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend([kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}
