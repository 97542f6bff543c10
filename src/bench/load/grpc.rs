//! gRPC as it goes over the wire (RFC 9113, RFC 7541): the least of it that the load needs.

use std::net::SocketAddr;

use bytes::Bytes;

/// What a client of HTTP/2 says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// How many bytes a frame has before its payload.
const HEAD_BYTES: usize = 9;

/// `SETTINGS_INITIAL_WINDOW_SIZE`, and what a window is until it is told.
const INITIAL_WINDOW_SIZE: u16 = 4;
const DEFAULT_WINDOW: u32 = 65_535;
const LARGEST_WINDOW: u32 = (1 << 31) - 1;

/// A frame that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: &'a [u8],
}

/// The frame that bytes begin with, and how many of them it is; none while it is incomplete.
pub fn parse_frame(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let payload = bytes.get(HEAD_BYTES..HEAD_BYTES + length)?;
    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
    Some((Frame { kind: head[3], flags: head[4], stream, payload }, HEAD_BYTES + length))
}

/// Appends a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend([kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Appends what a connection begins with: windows as wide as can be, so that the load never holds a server back.
pub fn opening(out: &mut Vec<u8>) {
    out.extend_from_slice(PREFACE);
    let mut settings = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
    settings.extend(LARGEST_WINDOW.to_be_bytes());
    frame(SETTINGS, 0, 0, &settings, out);
    frame(WINDOW_UPDATE, 0, 0, &(LARGEST_WINDOW - DEFAULT_WINDOW).to_be_bytes(), out);
}

/// The headers of the calls of one method.
#[derive(Debug, Clone)]
pub struct Request {
    /// Those of the first call, which the server keeps in its table.
    first: Vec<u8>,
    /// Those of every further one, which name what is in it.
    further: Vec<u8>,
}

impl Request {
    /// The calls of a method; `token` is the caller's key.
    pub fn new(address: SocketAddr, method: &str, token: Option<&str>) -> Self {
        let authority = address.to_string();
        let token = token.map(|token| format!("Bearer {token}"));
        let mut kept = vec![
            (Name::Known(4), method),
            (Name::Known(1), authority.as_str()),
            (Name::Known(31), "application/grpc"),
            (Name::New("te"), "trailers"),
        ];
        kept.extend(token.as_deref().map(|token| (Name::Known(23), token)));
        // Of the static table: `:method: POST` and `:scheme: http`.
        let (mut first, mut further) = (vec![0x83, 0x86], vec![0x83, 0x86]);
        for (index, (name, value)) in kept.iter().enumerate() {
            match name {
                Name::Known(known) => first.push(0x40 | known),
                Name::New(name) => {
                    first.push(0x40);
                    text(name, &mut first);
                }
            }
            text(value, &mut first);
            // What was put in last is the first after the static table.
            further.push(0x80 | (FIRST_OF_TABLE + (kept.len() - 1 - index) as u8));
        }
        Request { first, further }
    }

    /// The headers of a call.
    pub fn headers(&self, is_first: bool) -> &[u8] {
        if is_first { &self.first } else { &self.further }
    }
}

/// The name of a header: one of the static table, or not.
enum Name {
    Known(u8),
    New(&'static str),
}

/// Where the table of a connection begins, after the static one.
const FIRST_OF_TABLE: u8 = 62;

/// Calls a method with one message over a connection of its own; `token` is the caller's key. A method that takes a stream
/// of messages may end with what it is asked with, so such a stream is left open.
pub fn open_stream(
    address: SocketAddr,
    (method, takes_more): (&str, bool),
    token: Option<&str>,
    message: &[u8],
) -> Bytes {
    let mut bytes = Vec::new();
    opening(&mut bytes);
    frame(HEADERS, END_HEADERS, 1, Request::new(address, method, token).headers(true), &mut bytes);
    frame(DATA, if takes_more { 0 } else { END_STREAM }, 1, message, &mut bytes);
    bytes.into()
}

/// How a `PING` begins that is to be answered.
const ASKING: [u8; HEAD_BYTES] = [0, 0, 8, PING, 0, 0, 0, 0, 0];

/// The answers to those in some bytes: a server takes who does not answer for gone.
pub fn answers_to_pings(bytes: &[u8]) -> Vec<u8> {
    let mut answers = Vec::new();
    for at in memchr::memmem::find_iter(bytes, &ASKING) {
        if let Some(payload) = bytes.get(at + HEAD_BYTES..at + HEAD_BYTES + 8) {
            frame(PING, ACK, 0, payload, &mut answers);
        }
    }
    answers
}

/// A message of protocol buffers as gRPC frames it: not compressed, and its length.
pub fn framed(message: &impl prost::Message) -> Bytes {
    let message = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    frame.into()
}

/// A text as it is, not compressed; names and keys of the load are short.
fn text(text: &str, out: &mut Vec<u8>) {
    let length = text.len().min(126);
    out.push(length as u8);
    out.extend_from_slice(&text.as_bytes()[..length]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_are_written() {
        let mut bytes = Vec::new();
        frame(DATA, END_STREAM, 7, b"abc", &mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(parse_frame(&bytes[..cut]), None, "{cut}");
        }
        bytes.push(9);
        let expected = Frame { kind: DATA, flags: END_STREAM, stream: 7, payload: b"abc" };
        assert_eq!(parse_frame(&bytes), Some((expected, 12)));
    }

    #[test]
    fn pings_are_answered() {
        let mut bytes = b"before".to_vec();
        frame(PING, ACK, 0, b"answered", &mut bytes);
        frame(PING, 0, 0, b"12345678", &mut bytes);
        let mut expected = Vec::new();
        frame(PING, ACK, 0, b"12345678", &mut expected);
        assert_eq!(answers_to_pings(&bytes), expected);
        assert!(answers_to_pings(&bytes[..bytes.len() - 1]).is_empty());
    }

    #[test]
    fn further_calls_name_what_the_first_told() {
        let request = Request::new(([127, 0, 0, 1], 80).into(), "/a.B/C", Some("k"));
        let first = b"\x83\x86\x44\x06/a.B/C\x41\x0c127.0.0.1:80\x5f\x10application/grpc\x40\x02te\x08trailers\x57\x08Bearer k";
        assert_eq!(request.headers(true), first);
        assert_eq!(request.headers(false), b"\x83\x86\xc2\xc1\xc0\xbf\xbe");
    }
}
