//! confgit: a configuration server whose database is a Git repository.
//!
//! The rooms and what each may import are listed in `ARCHITECTURE.md`.

pub mod model;
