use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SendError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::opening::{self, Found};
use super::tail::{Segment, Tail};
use super::writer::{MOST_QUEUED, Message, Shared, Writer};
use super::{AuditError, AuditFailed, Head, QueueFull, Record, What, segment};
use crate::model::Timestamp;

/// A log whose number is higher is none: what a file tells must leave room to count on.
const HIGHEST_NUMBER: u64 = 1 << 62;

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// A segment gets no larger, unless by one record alone; 32 MiB unless told otherwise.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { segment_bytes: 32 << 20 }
    }
}

/// A log that is open for writing.
///
/// Records go through a queue of 4,096 to one thread, which writes all that wait with one write and one
/// flush. Dropping the log writes what is queued and counted.
///
/// `done` is called once the record is durable or cannot be; on the writer's thread, so it has to be quick
/// and must not append and wait.
pub struct AuditLog {
    messages: Option<SyncSender<Message>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    damage: Option<String>,
}

impl AuditLog {
    /// Opens the log in that directory, which is made if need be; the directory above must be there.
    ///
    /// A log that contradicts its head is opened as well: it goes on in a new segment, which begins with a
    /// record `broken` of the time `at`, and [`AuditLog::damage`] tells what was found.
    pub fn open(dir: &Path, at: Timestamp, options: Options) -> Result<AuditLog, AuditError> {
        let storage = |source| AuditError::Storage { dir: dir.to_owned(), source };
        make(dir).map_err(storage)?;
        let found = opening::find(dir).map_err(storage)?;
        let (last, damage, open) = match found {
            Found::New => (Head::EMPTY, None, None),
            Found::Sound { last, segment } => (last, None, Some(segment)),
            Found::Damaged(damage) => (damage.last, Some(damage.detail), None),
        };
        if last.number > HIGHEST_NUMBER {
            return Err(AuditError::Number { dir: dir.to_owned(), number: last.number });
        }
        let open = open.map(|number| open_segment(dir, number)).transpose().map_err(storage)?;
        let mut tail = Tail::new(dir, options.segment_bytes, last, open);
        if let Some(detail) = &damage {
            let broken = Record { detail: Some(detail.as_str().into()), ..Record::new(What::Broken, at) };
            tail.add(&broken.bounded(), 1).map_err(storage)?;
        }
        let head = tail.commit_durably().map_err(storage)?;
        Self::start(dir, tail, head, damage).map_err(storage)
    }

    fn start(dir: &Path, tail: Tail, head: Head, damage: Option<String>) -> io::Result<AuditLog> {
        let shared = Arc::new(Shared::new(head));
        let (sender, receiver) = sync_channel(MOST_QUEUED);
        let writer = Writer::new(dir.to_owned(), tail, receiver, shared.clone());
        let told = shared.clone();
        let body = move || {
            // Else a `done` that panics would end the log, and nothing would say so.
            if catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
                told.fail("its writer panicked");
            }
        };
        let writer = thread::Builder::new().name("audit".to_owned()).spawn(body)?;
        Ok(AuditLog { messages: Some(sender), writer: Some(writer), shared, damage })
    }

    /// Writes a record; waits for room when the queue is full.
    pub fn append(&self, record: Record, done: impl FnOnce(Result<(), AuditFailed>) + Send + 'static) {
        self.send(Message { record: record.bounded(), window: None, done: Box::new(done) });
    }

    /// The same, but does not wait: with a full queue, `done` is dropped without being called.
    pub fn try_append(
        &self,
        record: Record,
        done: impl FnOnce(Result<(), AuditFailed>) + Send + 'static,
    ) -> Result<(), QueueFull> {
        self.try_send(Message { record: record.bounded(), window: None, done: Box::new(done) })
    }

    /// Writes a record that may repeat; waits for room when the queue is full.
    ///
    /// The first of records that are equal, but for time, detail, address and request id, is written at once.
    /// Others within the window, which is a day at most, are only counted, and `done` does not wait. When
    /// the window ends, they become one record: the last of them, with their `count`. At most 10,000
    /// different ones are remembered; when there are more, all counts are written and it starts anew.
    pub fn append_counted(
        &self,
        record: Record,
        window: Duration,
        done: impl FnOnce(Result<(), AuditFailed>) + Send + 'static,
    ) {
        self.send(Message { record: record.bounded(), window: Some(window), done: Box::new(done) });
    }

    /// The same, but does not wait: with a full queue, `done` is dropped without being called.
    pub fn try_append_counted(
        &self,
        record: Record,
        window: Duration,
        done: impl FnOnce(Result<(), AuditFailed>) + Send + 'static,
    ) -> Result<(), QueueFull> {
        self.try_send(Message { record: record.bounded(), window: Some(window), done: Box::new(done) })
    }

    /// The last record that is durable.
    pub fn head(&self) -> Head {
        self.shared.head()
    }

    /// Why nothing can be written any more, if so.
    pub fn failure(&self) -> Option<AuditFailed> {
        self.shared.failure().cloned()
    }

    /// What was wrong with the log when it was opened, if anything; the log itself says so as well.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    fn send(&self, message: Message) {
        match &self.messages {
            Some(messages) if self.shared.failure().is_none() => {
                if let Err(SendError(message)) = messages.send(message) {
                    self.refuse(message);
                }
            }
            _ => self.refuse(message),
        }
    }

    fn try_send(&self, message: Message) -> Result<(), QueueFull> {
        match &self.messages {
            Some(messages) if self.shared.failure().is_none() => match messages.try_send(message) {
                Ok(()) => Ok(()),
                Err(TrySendError::Full(_)) => Err(QueueFull),
                Err(TrySendError::Disconnected(message)) => {
                    self.refuse(message);
                    Ok(())
                }
            },
            _ => {
                self.refuse(message);
                Ok(())
            }
        }
    }

    fn refuse(&self, message: Message) {
        (message.done)(Err(self.shared.fail("its writer has ended")));
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.messages = None;
        let Some(writer) = self.writer.take() else { return };
        // A `done` may hold the last reference to the log, and the writer cannot wait for itself.
        if writer.thread().id() != thread::current().id() {
            // The thread catches its own panics.
            let _ = writer.join();
        }
    }
}

fn make(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Ok(()) => match dir.parent() {
            Some(above) if !above.as_os_str().is_empty() => segment::sync_dir(above),
            _ => Ok(()),
        },
        Err(_) if dir.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

fn open_segment(dir: &Path, number: u64) -> io::Result<Segment> {
    let file = fs::OpenOptions::new().append(true).open(segment::path_of(dir, number))?;
    let len = file.metadata()?.len();
    Ok(Segment { file, len })
}
