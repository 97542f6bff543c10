use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;

const DEADLINE: Duration = Duration::from_secs(10);

/// An issuer's web server on this machine, which counts what is asked of it.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Clone)]
pub enum Reply {
    Json(String),
    Status(u16),
    Redirect(String),
    /// Nothing, until the client gives up.
    Silence,
    /// A body without an end.
    Endless,
    /// The same as JSON, once the gate is open.
    Gated(String),
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    replies: HashMap<String, Reply>,
    requests: HashMap<String, usize>,
    open: bool,
    stopped: bool,
}

impl Server {
    /// Serves a discovery document and this JWK set at `/jwks`.
    pub fn start(jwks: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server { address: listener.local_addr().unwrap(), shared: Arc::new(Shared::default()) };
        let document = json!({"issuer": server.issuer(), "jwks_uri": server.url("/jwks"), "other": 1});
        server.reply("/.well-known/openid-configuration", Reply::Json(document.to_string()));
        server.reply("/jwks", Reply::Json(jwks));
        let shared = server.shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.state.lock().unwrap().stopped {
                    return;
                }
                let shared = shared.clone();
                thread::spawn(move || drop(shared.serve(stream.unwrap())));
            }
        });
        server
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn reply(&self, path: &str, reply: Reply) {
        self.shared.state.lock().unwrap().replies.insert(path.to_owned(), reply);
    }

    /// How often a path was asked for.
    pub fn requests(&self, path: &str) -> usize {
        self.shared.state.lock().unwrap().requests.get(path).copied().unwrap_or_default()
    }

    pub fn wait_for_requests(&self, path: &str, count: usize) {
        let state = self.shared.state.lock().unwrap();
        let few = |state: &mut State| state.requests.get(path).copied().unwrap_or_default() < count;
        let waited = self.shared.changed.wait_timeout_while(state, DEADLINE, few).unwrap().1;
        assert!(!waited.timed_out(), "{path} was not asked for {count} times");
    }

    pub fn open_gate(&self) {
        self.shared.state.lock().unwrap().open = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().stopped = true;
        self.open_gate();
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        while !lines.next().unwrap_or_else(|| Ok(String::new()))?.is_empty() {}
        let reply = {
            let mut state = self.state.lock().unwrap();
            *state.requests.entry(path.clone()).or_default() += 1;
            self.changed.notify_all();
            state.replies.get(&path).cloned().unwrap_or(Reply::Status(404))
        };
        match reply {
            Reply::Json(body) => answer(&mut stream, 200, "", &body),
            Reply::Status(status) => answer(&mut stream, status, "", "{}"),
            Reply::Redirect(to) => answer(&mut stream, 302, &format!("location: {to}\r\n"), ""),
            Reply::Silence => stream.read(&mut [0; 1]).map(|_| ()),
            Reply::Endless => {
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
                )?;
                loop {
                    stream.write_all(&[b' '; 64 << 10])?;
                }
            }
            Reply::Gated(body) => {
                let state = self.state.lock().unwrap();
                drop(self.changed.wait_timeout_while(state, DEADLINE, |state| !state.open).unwrap());
                answer(&mut stream, 200, "", &body)
            }
        }
    }
}

fn answer(stream: &mut TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
}
