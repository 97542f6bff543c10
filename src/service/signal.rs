use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};

/// The way to a background thread that looks whenever so many things have happened.
#[derive(Debug)]
pub(super) struct Signal {
    every: usize,
    count: AtomicUsize,
    stopped: AtomicBool,
    sender: Mutex<Option<SyncSender<()>>>,
}

impl Signal {
    /// A signal that is given for every so many things, and where it arrives.
    pub fn new(every: usize) -> (Self, Receiver<()>) {
        let (sender, receiver) = mpsc::sync_channel(1);
        let (count, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        (Signal { every, count, stopped, sender: Mutex::new(Some(sender)) }, receiver)
    }

    /// Notes that so many things have happened.
    pub fn add(&self, things: usize) {
        if self.count.fetch_add(things, Ordering::Relaxed) + things < self.every {
            return;
        }
        self.count.store(0, Ordering::Relaxed);
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            // A full channel means that a look is due already.
            let _ = sender.try_send(());
        }
    }

    /// Ends the thread: its receiver is told, and what takes long asks.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the thread shall end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
