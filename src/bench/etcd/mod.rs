//! etcd, the yardstick for reads and writes of a configuration store.
//!
//! It runs as one member on loopback with its data beside confgit's, and is spoken to in its native gRPC,
//! one stream at a time on each connection, as the HTTP load does. Its defaults stay: each put is in the
//! write-ahead log and flushed before it is answered.

mod member;
mod message;

pub use member::{Etcd, INSTALL_HINT, etcd_version};
