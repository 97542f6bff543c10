//! Changes as they happen: what each watcher is told, in order, none missed.

mod alerts;
mod clients;
mod crash;
mod events;
mod long_poll;
mod network;
mod oracle;
mod outside;
mod proxy;
mod resume;
mod rights;
mod slow;
mod stream;

pub use stream::{Stream, Told};

use crate::harness::TestProject;

/// Three environments in a chain, with references, a secret and an array that is joined.
pub fn chained() -> TestProject {
    TestProject::with_files(&[
        (
            "meta/settings.yaml",
            "default: base\nenvironments:\n  base: { branch: main }\n  staging: { branch: staging, inherits: base }\n  \
             prod: { branch: prod, inherits: staging }\nmerge:\n  /app/list: append\n",
        ),
        (
            "base/app.yaml",
            "host: h0\nport: 1\nlist: [1]\nurl: \"http://${HOST}:${ref:/app/port}\"\npassword: \"${secret:pw}\"\n",
        ),
        ("base/other.yaml", "x: 1\n"),
        ("base/.confgit/variables.yaml", "HOST: one\n"),
        ("prod/app.yaml", "port: 9\n"),
    ])
}
