use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::repeats::Repeats;
use super::tail::Tail;
use super::{AuditFailed, Head, Record};

/// So many records wait at most, and become durable with one flush at most.
pub(super) const MOST_QUEUED: usize = 4096;
/// A batch with so many bytes takes up no more.
const BATCH_BYTES: usize = 4 << 20;

/// Told when a record is durable, or that it is not.
pub(super) type Done = Box<dyn FnOnce(Result<(), AuditFailed>) + Send>;

/// A record on its way to the log.
pub(super) struct Message {
    pub record: Record,
    /// How long equal ones are counted.
    pub window: Option<Duration>,
    pub done: Done,
}

/// What the writer tells all others.
pub(super) struct Shared {
    head: Mutex<Head>,
    failure: OnceLock<AuditFailed>,
}

impl Shared {
    pub fn new(head: Head) -> Self {
        Shared { head: Mutex::new(head), failure: OnceLock::new() }
    }

    pub fn head(&self) -> Head {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn failure(&self) -> Option<&AuditFailed> {
        self.failure.get()
    }

    /// The first failure stays.
    pub fn fail(&self, reason: &str) -> AuditFailed {
        self.failure.get_or_init(|| AuditFailed { reason: reason.into() }).clone()
    }

    fn advance(&self, head: Head) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = head;
    }
}

/// The one thread that writes a log.
pub(super) struct Writer {
    dir: PathBuf,
    tail: Tail,
    messages: Receiver<Message>,
    repeats: Repeats,
    shared: Arc<Shared>,
}

/// Why the writer woke up: a record came, a window ended, or the log was closed.
type Woken = Result<Message, RecvTimeoutError>;

impl Writer {
    pub fn new(dir: PathBuf, tail: Tail, messages: Receiver<Message>, shared: Arc<Shared>) -> Self {
        Writer { dir, tail, messages, repeats: Repeats::default(), shared }
    }

    /// Writes until the log is closed.
    pub fn run(mut self) {
        loop {
            let woken = self.wait();
            let closed = matches!(woken, Err(RecvTimeoutError::Disconnected));
            let mut waiting = Vec::new();
            let written = self.batch(woken, &mut waiting).and_then(|()| self.tail.commit());
            let answer = match written {
                Ok(head) => {
                    self.shared.advance(head);
                    Ok(())
                }
                Err(error) => Err(self.shared.fail(&format!("{}: {error}", self.dir.display()))),
            };
            for done in waiting {
                done(answer.clone());
            }
            match answer {
                Ok(()) if closed => return,
                Ok(()) => {}
                Err(failure) => return self.refuse(&failure),
            }
        }
    }

    fn wait(&self) -> Woken {
        match self.repeats.next_end() {
            None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(end) => self.messages.recv_timeout(end.saturating_duration_since(Instant::now())),
        }
    }

    /// Adds all that is due: counts of windows that have ended, and whatever waits in the queue.
    fn batch(&mut self, woken: Woken, waiting: &mut Vec<Done>) -> io::Result<()> {
        let now = Instant::now();
        let due = self.repeats.ended(now);
        self.add_all(due)?;
        let first = match woken {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                let due = self.repeats.drain();
                return self.add_all(due);
            }
        };
        self.take(first, now, waiting)?;
        while waiting.len() < MOST_QUEUED && self.tail.pending_bytes() < BATCH_BYTES {
            let Ok(message) = self.messages.try_recv() else { break };
            self.take(message, now, waiting)?;
        }
        Ok(())
    }

    fn take(&mut self, message: Message, now: Instant, waiting: &mut Vec<Done>) -> io::Result<()> {
        let Message { record, window, done } = message;
        let Some(window) = window else {
            waiting.push(done);
            return self.tail.add(&record, 1);
        };
        let due = self.repeats.see(record, window, now);
        if due.is_empty() {
            done(Ok(()));
        } else {
            waiting.push(done);
        }
        self.add_all(due)
    }

    fn add_all(&mut self, records: Vec<(Record, u64)>) -> io::Result<()> {
        records.iter().try_for_each(|(record, count)| self.tail.add(record, *count))
    }

    /// After a failure nobody knows what the file has: a flush that failed once may seem to succeed the next
    /// time without having written anything. So it is never tried again.
    fn refuse(self, failure: &AuditFailed) {
        for message in self.messages {
            (message.done)(Err(failure.clone()));
        }
    }
}
