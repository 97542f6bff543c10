//! confgit: a configuration server whose database is a Git repository.
//!
//! The rooms and what each may import are listed in `ARCHITECTURE.md`.

pub mod api;
pub mod audit;
pub mod auth;
pub mod bench;
pub mod bundle;
pub mod cli;
pub mod client;
pub mod document;
pub mod forge;
pub mod git;
pub mod history;
pub mod import;
pub mod index;
pub mod merge;
pub mod model;
pub mod patch;
pub mod present;
pub mod proposal;
pub mod resolve;
pub mod secret;
pub mod server;
pub mod service;
pub mod settings;
pub mod snapshot;
pub mod telemetry;
pub mod validation;
pub mod watch;
pub mod wire;
