//! The command line of `confgit bench`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Measure this build of confgit on this machine.
///
/// Starts servers of its own on loopback, over generated data in a temporary directory, loads them, and
/// compares what they do with a bare axum handler and, where it is installed, with etcd. All servers and all
/// data are removed at the end. The load generator takes its share of the same cores, so absolute figures
/// are lower than with a machine of its own; ratios are not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    confgit bench --quick\n  \
    confgit bench all --out bench/results.md\n  \
    confgit bench write --writers 1,64 -o json\n\n\
    Without a command it runs `all`. It succeeds when every row reached what it must and no call failed.")]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub command: Option<BenchCommand>,

    /// How to measure it.
    #[command(flatten)]
    pub options: BenchOptions,
}

/// What can be measured.
#[derive(Debug, Clone, Subcommand)]
pub enum BenchCommand {
    /// Authenticated reads of one value, beside a bare axum handler and etcd's serializable range.
    Read,
    /// Authorized reads of an account with 1,000 rules, beside anonymous ones.
    Access,
    /// Durable writes of single keys by 1, 16 and 256 writers in two layouts, beside etcd's puts.
    Write,
    /// 10,000 reads and 1,000 writes a second of 1 KB values, at a fixed rate.
    Mixed,
    /// Start, rebuild of the history index, memory at rest, and writes into a document of 1 MiB.
    Start,
    /// Twenty environments: memory, reads of resolved values, and how soon a change of the base shows in all of them.
    Views,
    /// Searches and comparisons over 100,000 entries, and imports of as many as one change set.
    Whole,
    /// 10,000 watchers of one path and of as many, their memory, and what reads notice of them, beside etcd's watches.
    Watch,
    /// Pushes and clones over HTTP, beside `git http-backend`, and pushes while the API writes.
    Git,
    /// Everything, in under a quarter of an hour.
    All,
    /// Serve the yardstick for reads. The bench starts it itself.
    #[command(hide = true)]
    Yardstick {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// The body of every answer.
        #[arg(long, default_value = "\"value\"")]
        body: String,
        /// Serve a repository by `git http-backend` instead.
        #[arg(long)]
        git: Option<PathBuf>,
    },
}

/// How to measure.
#[derive(Debug, Clone, Args)]
pub struct BenchOptions {
    /// How long the mixed load lasts; the other loads last a few seconds each.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,

    /// Numbers of writers, separated by commas, at most 1,024 each.
    #[arg(long, global = true, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 16, 256], value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub writers: Vec<u16>,

    /// A tenth of the data and of the time: shows that everything works, and gives no verdicts.
    #[arg(long, global = true)]
    pub quick: bool,

    /// Keep the test data under this directory instead of the system's temporary one. What it is on decides
    /// what a durable write costs: a tmpfs makes it free.
    #[arg(long, global = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Also write the report, as Markdown, to this file.
    #[arg(long, global = true, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        bench: BenchArgs,
    }

    #[test]
    fn the_command_line_is_well_formed_and_has_defaults() {
        Command::command().debug_assert();
        let bench = Command::parse_from(["bench"]).bench;
        assert!(bench.command.is_none());
        assert_eq!((bench.options.seconds, bench.options.writers), (60, vec![1, 16, 256]));
        let bench = Command::parse_from(["bench", "write", "--writers", "1,8"]).bench;
        assert_eq!(bench.options.writers, [1, 8]);
        assert!(Command::try_parse_from(["bench", "--writers", "5000"]).is_err());
    }
}
