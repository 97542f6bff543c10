//! Who is told of which change: events, the watchers of each prefix, what waits for each of them, and what was told
//! lately. Everything has a bound: a watcher that does not read costs a few pointers, and never makes another one wait.

mod clients;
mod event;
mod feed;
mod groups;
mod log;
mod slot;
#[cfg(test)]
mod testing;

pub use clients::{Client, Clients, Introduction, Lost, Transport, Watched};
pub use event::{Batch, Delivery, Event, EventKind, Parts, Side};
pub use feed::Feed;
pub use log::Log;
pub use slot::{End, Slot, Taken};
