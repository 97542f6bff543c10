//! Changes as they happen, over an event stream that is opened again whenever it breaks off.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use super::read::get;
use super::transport::{Call, Transport};
use super::{Client, ClientError};
use crate::model::Path;
use crate::wire::{ChangeEvent, Problem, WatchReady};

/// A server says something every 15 seconds. From one that was silent for so long nothing more is expected.
const SILENCE: Duration = Duration::from_secs(45);

/// How long to wait before a lost stream is opened again: doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// After so long a stream is opened anew: a connection that died without a word is not held for ever.
const LONGEST_STREAM: Duration = Duration::from_secs(3_600);

/// How many prefixes a watch has.
const MOST_PREFIXES: usize = 100;

/// However much follows a change, it is told after so long.
const LONGEST_UNREST: Duration = Duration::from_secs(2);

/// How many events wait for who asked for them.
const MOST_WAITING: usize = 1_000;

/// The longest line of a stream: a value of a megabyte, and the one before it, twice as long as JSON.
const MOST_LINE_BYTES: u64 = 64 << 20;

/// What is watched.
#[derive(Debug, Clone)]
pub struct WatchQuestion {
    /// Whether what services read is watched, rather than what is written.
    pub resolved: bool,
    /// At and below which paths; never none.
    pub prefixes: Vec<Path>,
    /// The environment; the default one when none.
    pub env: Option<String>,
    /// A sequence, commit, tag or time, after which changes are told as well.
    pub since: Option<String>,
    /// Whether the present values come first.
    pub initial: bool,
    /// What the watcher calls itself.
    pub client: Option<String>,
}

/// What a watcher hears.
#[derive(Debug)]
pub enum Heard {
    /// One event; `is_last` says whether it is the last of its change set.
    Event {
        /// The event.
        event: Box<ChangeEvent>,
        /// Whether its change set ends with it.
        is_last: bool,
    },
    /// The stream is open, and all up to this change set was told.
    Ready(WatchReady),
    /// The stream broke off; it will be opened again after a pause.
    Lost(ClientError, Duration),
    /// The server refuses it; nothing more comes.
    Refused(ClientError),
}

/// What whoever reads values anew after a change hears.
#[derive(Debug)]
pub enum Settled {
    /// Something may be another thing than before, and nothing more came for a while; this is the change set.
    Changed(u64),
    /// As [`Heard::Lost`].
    Lost(ClientError, Duration),
    /// As [`Heard::Refused`].
    Refused(ClientError),
}

/// A watch, which goes on for as long as it is held.
#[derive(Debug)]
pub struct Watching {
    heard: Receiver<Heard>,
    /// A change that is not told yet, for more may follow at once.
    newest: Option<u64>,
    /// Since when it waits to be told.
    since: Option<Instant>,
}

impl Watching {
    /// What is next; waits for it. None where it was refused before.
    pub fn next(&self) -> Option<Heard> {
        self.heard.recv().ok()
    }

    /// The same for whoever reads values anew after a change: told once it is quiet for a moment. That a stream is open is
    /// told as a change as well, since something may have changed before it was.
    pub fn settled(&mut self, quiet: Duration) -> Option<Settled> {
        loop {
            let heard = match self.newest {
                None => self.heard.recv().ok()?,
                Some(sequence) if self.since.is_some_and(|since| since.elapsed() > LONGEST_UNREST) => {
                    (self.newest, self.since) = (None, None);
                    return Some(Settled::Changed(sequence));
                }
                Some(sequence) => match self.heard.recv_timeout(quiet) {
                    Ok(heard) => heard,
                    Err(RecvTimeoutError::Timeout) => {
                        (self.newest, self.since) = (None, None);
                        return Some(Settled::Changed(sequence));
                    }
                    Err(RecvTimeoutError::Disconnected) => return None,
                },
            };
            match heard {
                Heard::Event { event, .. } => self.newest = self.newest.max(Some(event.sequence)),
                Heard::Ready(ready) => self.newest = self.newest.max(Some(ready.sequence)),
                Heard::Lost(error, pause) => return Some(Settled::Lost(error, pause)),
                Heard::Refused(error) => return Some(Settled::Refused(error)),
            }
            self.since.get_or_insert_with(Instant::now);
        }
    }
}

/// What comes out of one connection.
enum Block {
    Heartbeat(Option<String>),
    Event { name: String, id: Option<String>, data: String },
    End(ClientError),
}

impl Client {
    /// Watches. Whatever breaks off is opened again where it was, with growing pauses, until it is refused.
    pub fn watch(&self, mut question: WatchQuestion) -> Watching {
        // Servers take no more; what is heard beside what was asked for does no harm.
        if question.prefixes.len() > MOST_PREFIXES {
            question.prefixes = vec![Path::root()];
        }
        let (sender, receiver) = mpsc::sync_channel(MOST_WAITING);
        let transport = self.transport.clone();
        std::thread::spawn(move || follow(&transport, question, &sender));
        Watching { heard: receiver, newest: None, since: None }
    }

    /// Says that a client follows a change set by now.
    pub fn acknowledge(&self, client: &str, sequence: u64) -> Result<(), ClientError> {
        let body = serde_json::json!({ "sequence": sequence }).to_string();
        let url = self.server().url("/api/clients", &client_path(client), "/acknowledge", &[]);
        let headers = vec![("content-type", "application/json".to_owned())];
        self.transport.send(Call { method: "POST", url, headers, body: Some(body.as_bytes()) }).map(drop)
    }

    /// Says that a client leaves, so that it is not missed.
    pub fn take_leave(&self, client: &str) -> Result<(), ClientError> {
        let url = self.server().url("/api/clients", &client_path(client), "", &[]);
        self.transport.send(Call { method: "DELETE", url, headers: Vec::new(), body: None }).map(drop)
    }

    /// Who watches, or who is missed.
    pub fn clients(&self, env: Option<&str>, is_lost: bool) -> Result<crate::wire::Clients, ClientError> {
        let mut query = vec![("limit", "10000".to_owned())];
        query.extend(env.map(|env| ("env", env.to_owned())));
        query.extend(is_lost.then(|| ("state", "lost".to_owned())));
        let mut url = self.server().url("/api/clients", &Path::root(), "", &query);
        let mut all: Option<crate::wire::Clients> = None;
        loop {
            let answer = self.transport.send(get(url))?;
            let page: crate::wire::Clients = self.transport.parse(&answer)?;
            let next = answer.next.and_then(|next| self.server().join(&next));
            match &mut all {
                None => all = Some(page),
                Some(all) => all.clients.extend(page.clients),
            }
            match (next, &mut all) {
                (Some(next), _) => url = next,
                (None, Some(all)) => {
                    all.next = None;
                    return Ok(all.clone());
                }
                (None, None) => return Err(self.transport.unintelligible("it lists nobody".to_owned())),
            }
        }
    }
}

/// A name as the one segment of a path that it is.
fn client_path(client: &str) -> Path {
    Path::root().child(client).unwrap_or_else(|_| Path::root())
}

/// Opens the stream again and again. Ends when nobody listens any more, or it is refused.
fn follow(transport: &Arc<Transport>, mut question: WatchQuestion, heard: &SyncSender<Heard>) {
    let (mut last, mut pause) = (None::<String>, FIRST_PAUSE);
    loop {
        let blocks = connect(transport, &question, last.as_deref());
        let error = loop {
            let block = match blocks.recv_timeout(SILENCE) {
                Ok(block) => block,
                Err(_) => {
                    let reason = format!(
                        "it said nothing for {} s: it is gone, or a proxy in between gathers the stream",
                        SILENCE.as_secs()
                    );
                    break ClientError::Unreachable { server: transport.server().to_string(), reason };
                }
            };
            let told = match block {
                Block::Heartbeat(id) => {
                    last = id.or(last);
                    continue;
                }
                Block::End(error) => break error,
                Block::Event { name, id, data } => {
                    pause = FIRST_PAUSE;
                    let told = read_event(transport, &name, id.is_some(), &data);
                    last = id.or(last);
                    told
                }
            };
            match told {
                Ok(Some(told)) => {
                    if heard.send(told).is_err() {
                        return;
                    }
                }
                Ok(None) => {}
                Err(error) => break error,
            }
        };
        // A server that was restored from a backup, or keeps less history: from its present on, then.
        if last.is_some() && is_lost_place(&error) {
            last = None;
            question.since = None;
            let _ = heard.send(Heard::Lost(error, Duration::ZERO));
            continue;
        }
        if is_final(&error) {
            let _ = heard.send(Heard::Refused(error));
            return;
        }
        // Not all at once, when a server comes back.
        let wait = pause.mul_f64(0.5 + fastrand::f64());
        if heard.send(Heard::Lost(error, wait)).is_err() {
            return;
        }
        std::thread::sleep(wait);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether the place where a stream broke off is none that the server knows.
fn is_lost_place(error: &ClientError) -> bool {
    let ClientError::Refused(problem) = error else { return false };
    matches!(problem.kind.as_str(), "/problems/no-such-moment" | "/problems/gone")
}

/// Whether asking again would be refused as well.
fn is_final(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(problem) if (400..500).contains(&problem.status) && problem.status != 429)
}

fn read_event(
    transport: &Transport,
    name: &str,
    is_last: bool,
    data: &str,
) -> Result<Option<Heard>, ClientError> {
    match name {
        "update" | "delete" | "initial" => {
            let event = transport.understood(serde_json::from_str(data))?;
            Ok(Some(Heard::Event { event: Box::new(event), is_last }))
        }
        "ready" => Ok(Some(Heard::Ready(transport.understood(serde_json::from_str(data))?))),
        "end" => {
            let problem: Problem = transport.understood(serde_json::from_str(data))?;
            Err(ClientError::Refused(Box::new(problem)))
        }
        // What later servers may tell.
        _ => Ok(None),
    }
}

/// Opens one stream; a thread of its own reads it, for a read that never returns cannot be given up.
fn connect(transport: &Arc<Transport>, question: &WatchQuestion, last: Option<&str>) -> Receiver<Block> {
    let (sender, receiver) = mpsc::sync_channel(MOST_WAITING);
    let prefix = if question.resolved { "/v1/config" } else { "/api/config" };
    let mut query = vec![("watch", "true".to_owned()), ("literal", "true".to_owned())];
    query.extend(question.env.clone().map(|env| ("env", env)));
    query.extend(question.client.clone().map(|client| ("client", client)));
    query.extend(question.prefixes.iter().map(|prefix| ("prefix", prefix.to_string())));
    match (&question.since, last) {
        (_, Some(_)) => {}
        (Some(since), None) => query.push(("since", since.clone())),
        (None, None) if question.initial => query.push(("initial", "true".to_owned())),
        (None, None) => {}
    }
    let url = transport.server().url(prefix, &Path::root(), "", &query);
    let headers = last.map(|last| ("last-event-id", last.to_owned())).into_iter().collect();
    let transport = transport.clone();
    std::thread::spawn(move || {
        let end = read_stream(&transport, Call { method: "GET", url, headers, body: None }, &sender);
        let _ = sender.send(Block::End(end));
    });
    receiver
}

/// Reads a stream to its end, and answers why it ended.
fn read_stream(transport: &Transport, call: Call<'_>, blocks: &SyncSender<Block>) -> ClientError {
    let mut response = match transport.stream_for(call, Some(LONGEST_STREAM)) {
        Ok(response) => response,
        Err(error) => return error,
    };
    let lost = |reason: String| ClientError::Unreachable { server: transport.server().to_string(), reason };
    let mut lines = BufReader::new(response.body_mut().with_config().limit(u64::MAX).reader());
    let (mut name, mut id, mut data, mut line) = (String::new(), None, String::new(), Vec::new());
    loop {
        line.clear();
        match std::io::Read::take(&mut lines, MOST_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) => return lost("the stream ended".to_owned()),
            Ok(_) if line.ends_with(b"\n") => {}
            Ok(_) => return transport.unintelligible("a line of the stream does not end".to_owned()),
            Err(error) => return lost(error.to_string()),
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            let block = if data.is_empty() {
                Block::Heartbeat(id.take())
            } else {
                Block::Event {
                    name: std::mem::take(&mut name),
                    id: id.take(),
                    data: std::mem::take(&mut data),
                }
            };
            name.clear();
            if blocks.send(block).is_err() {
                return lost("nobody listens".to_owned());
            }
            continue;
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "id" => id = Some(value.to_owned()),
            "data" => data.push_str(value),
            _ => {}
        }
    }
}
