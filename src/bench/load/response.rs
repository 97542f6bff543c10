//! The least of HTTP/1.1 that tells where an answer ends.

/// Longest head the bench reads; a server that sends more is misread as broken, not waited for.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Where an answer's body lies in the bytes read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Where the body begins.
    pub body_start: usize,
    /// How many bytes it has.
    pub body_len: usize,
    /// Whether the server will close the connection after it.
    pub close: bool,
}

impl Head {
    /// Where the next answer begins.
    pub fn end(&self) -> usize {
        self.body_start + self.body_len
    }
}

/// Why the bytes are no answer the bench understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The first line is no HTTP/1.x status line.
    #[error("the answer does not begin with an HTTP/1 status line")]
    StatusLine,
    /// The head does not end within the limit.
    #[error("the head of the answer is longer than {MAX_HEAD_BYTES} bytes")]
    TooLong,
    /// Neither a length nor a status without a body: the end cannot be known.
    #[error("the answer has no readable content-length")]
    NoLength,
}

/// Finds the head of one answer; `None` while it is incomplete.
///
/// Chunked bodies are refused: every answer the bench asks for has a known length, and a server that
/// streams it would be measured with a different client.
pub fn parse_head(bytes: &[u8]) -> Result<Option<Head>, ResponseError> {
    let Some(head_len) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() > MAX_HEAD_BYTES { Err(ResponseError::TooLong) } else { Ok(None) };
    };
    let mut lines = bytes[..head_len].split(|byte| *byte == b'\n');
    let status = lines.next().and_then(parse_status).ok_or(ResponseError::StatusLine)?;
    let mut body_len = matches!(status, 204 | 304).then_some(0);
    let mut close = false;
    for line in lines {
        if let Some(value) = header(line, b"content-length") {
            body_len = body_len.or(parse_number(value));
        } else if let Some(value) = header(line, b"connection") {
            close = value.eq_ignore_ascii_case(b"close");
        }
    }
    let body_len = body_len.ok_or(ResponseError::NoLength)?;
    Ok(Some(Head { status, body_start: head_len + 4, body_len, close }))
}

fn parse_status(line: &[u8]) -> Option<u16> {
    let code = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "))?.get(..3)?;
    parse_number(code).and_then(|code| u16::try_from(code).ok())
}

/// The trimmed value when the line is the header of that (lower case) name.
fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    if line.get(name.len()) != Some(&b':') || !line[..name.len()].eq_ignore_ascii_case(name) {
        return None;
    }
    Some(line[name.len() + 1..].trim_ascii())
}

fn parse_number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_found_or_refused() {
        let ok = |status, body_start, body_len, close| Ok(Some(Head { status, body_start, body_len, close }));
        type Case = (&'static [u8], Result<Option<Head>, ResponseError>);
        let table: [Case; 9] = [
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", ok(200, 38, 2, false)),
            (b"HTTP/1.1 200 OK\r\nContent-Length:12\r\nConnection: close\r\n\r\n", ok(200, 57, 12, true)),
            (b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n", ok(304, 40, 0, false)),
            (b"HTTP/1.1 204 No Content\r\n\r\n", ok(204, 27, 0, false)),
            (b"HTTP/1.1 200 OK\r\ncontent-le", Ok(None)),
            (b"", Ok(None)),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", Err(ResponseError::NoLength)),
            (b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", Err(ResponseError::NoLength)),
            (b"SSH-2.0-OpenSSH\r\n\r\n", Err(ResponseError::StatusLine)),
        ];
        for (bytes, expected) in table {
            assert_eq!(parse_head(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(parse_head(&[b'a'; MAX_HEAD_BYTES + 1]), Err(ResponseError::TooLong));
    }

    #[test]
    fn the_next_answer_begins_where_this_one_ends() {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 404";
        let head = parse_head(bytes).unwrap().unwrap();
        assert_eq!(&bytes[head.end()..], b"HTTP/1.1 404");
    }
}
