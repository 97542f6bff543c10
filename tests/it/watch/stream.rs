use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use serde_json::Value;

use crate::harness::{DEADLINE, Server};

/// An event stream over a connection of its own, read as the HTML standard says.
pub struct Stream {
    connection: TcpStream,
    pub status: u16,
    pub head: String,
    /// What came and is not decoded yet.
    raw: Vec<u8>,
    /// Text of the stream that holds no whole event yet.
    text: String,
    /// The id that a client would send to go on.
    pub last_id: String,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub event: String,
    /// The id of this very event; empty where it has none.
    pub id: String,
    pub data: Value,
}

impl Stream {
    /// Opens a stream with the server's key.
    pub fn open(server: &Server, target: &str) -> Self {
        Self::open_with(server, target, &[])
    }

    pub fn open_with(server: &Server, target: &str, headers: &[(&str, &str)]) -> Self {
        Self::connect(&server.address, &server.key, target, headers).unwrap()
    }

    pub fn connect(
        address: &str,
        key: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> std::io::Result<Self> {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(DEADLINE))?;
        let mut head = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n");
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        connection.write_all(format!("{head}\r\n").as_bytes())?;
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            read_more(&mut connection, &mut raw)?;
        };
        let head = String::from_utf8_lossy(&raw[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        raw.drain(..end + 4);
        Ok(Stream { connection, status, head, raw, text: String::new(), last_id: String::new() })
    }

    /// The next event that is not `ready`; panics where the stream ends.
    #[track_caller]
    pub fn next(&mut self) -> Told {
        loop {
            let told = self.try_next().unwrap().expect("the stream ended");
            if told.event != "ready" {
                return told;
            }
        }
    }

    /// The next event of any kind; none at the end.
    pub fn try_next(&mut self) -> std::io::Result<Option<Told>> {
        let begun = Instant::now();
        loop {
            // Heartbeats alone are no answer.
            if begun.elapsed() > DEADLINE {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                if let Some(told) = self.dispatch(&block) {
                    return Ok(Some(told));
                }
            }
            if !self.read_chunk()? {
                return Ok(None);
            }
        }
    }

    /// Waits for `ready`, and answers what came before it.
    #[track_caller]
    pub fn ready(&mut self) -> Vec<Told> {
        let mut before = Vec::new();
        loop {
            let told = self.try_next().unwrap().expect("the stream ended");
            if told.event == "ready" {
                return before;
            }
            before.push(told);
        }
    }

    /// The events up to and with that of a change set.
    #[track_caller]
    pub fn until(&mut self, sequence: u64) -> Vec<Told> {
        let mut all: Vec<Told> = Vec::new();
        while all
            .last()
            .is_none_or(|told| told.data["sequence"].as_u64() < Some(sequence) || told.id.is_empty())
        {
            all.push(self.next());
        }
        all
    }

    fn dispatch(&mut self, block: &str) -> Option<Told> {
        let (mut event, mut id, mut data) = (String::new(), String::new(), Vec::new());
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => event = value.to_owned(),
                "id" => id = value.to_owned(),
                "data" => data.push(value),
                _ => {}
            }
        }
        if !id.is_empty() {
            self.last_id.clone_from(&id);
        }
        let data = data.join("\n");
        (!data.is_empty()).then(|| Told { event, id, data: serde_json::from_str(&data).unwrap() })
    }

    /// Reads one chunk of the body (RFC 9112 section 7.1); false at the end.
    fn read_chunk(&mut self) -> std::io::Result<bool> {
        let size_end = loop {
            if let Some(at) = self.raw.windows(2).position(|window| window == b"\r\n") {
                break at;
            }
            read_more(&mut self.connection, &mut self.raw)?;
        };
        let size = usize::from_str_radix(&String::from_utf8_lossy(&self.raw[..size_end]), 16)
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        let whole = size_end + 2 + size + 2;
        while self.raw.len() < whole {
            read_more(&mut self.connection, &mut self.raw)?;
        }
        self.text.push_str(&String::from_utf8_lossy(&self.raw[size_end + 2..size_end + 2 + size]));
        self.raw.drain(..whole);
        Ok(size > 0)
    }

    /// Cuts the connection.
    pub fn cut(self) {
        let _ = self.connection.shutdown(Shutdown::Both);
    }
}

fn read_more(connection: &mut TcpStream, raw: &mut Vec<u8>) -> std::io::Result<()> {
    let mut buffer = [0; 16 << 10];
    match connection.read(&mut buffer)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        count => {
            raw.extend_from_slice(&buffer[..count]);
            Ok(())
        }
    }
}

impl Stream {
    /// Reads one byte.
    pub fn sip(&mut self) {
        let mut byte = [0];
        self.connection.read_exact(&mut byte).unwrap();
        self.raw.extend(byte);
    }

    /// Takes in whatever comes next, a heartbeat too; panics when that is an event.
    pub fn hear(&mut self) {
        assert!(self.read_chunk().unwrap(), "the stream ended");
        while let Some(end) = self.text.find("\n\n") {
            let block: String = self.text.drain(..end + 2).collect();
            assert_eq!(self.dispatch(&block), None);
        }
    }
}
