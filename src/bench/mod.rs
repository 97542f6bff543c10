//! `confgit bench`: measures this build on this machine, beside a bare HTTP server and etcd.
//!
//! The bench talks to the server as any client does: it starts `confgit init` and `confgit serve` as
//! processes of their own and knows nothing of the code inside them. Every ratio comes from paired runs
//! (`pairing`), every load is bounded in time and stays on loopback (`load`), every server it started
//! ends with it (`process`).
//!
//! ```text
//! args → run → scenario (one file each) → rows → report → table, JSON or Markdown
//!                 │ load ──→ confgit serve, bench yardstick, etcd (child processes)
//! ```

mod args;
mod confgit;
mod data;
mod error;
mod etcd;
mod git_backend;
mod histogram;
mod load;
mod pairing;
mod process;
mod progress;
mod report;
mod run;
mod scenario;
mod yardstick;

pub use args::{BenchArgs, BenchCommand, BenchOptions};
pub use error::BenchError;
pub use report::{Bar, Machine, Measure, Report, Row, Unit, Verdict, render_markdown, render_table};
pub use run::{execute, measure};
