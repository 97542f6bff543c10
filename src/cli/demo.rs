use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::ToSocketAddrs as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path as FilePath, PathBuf};

use clap::Args;
use include_dir::{Dir, include_dir};
use tempfile::TempDir;

use super::CliError;
use super::init::{make, quoted};
use super::local::Local;
use super::logging::Logging;
use super::options::Options;
use super::serve::{DEFAULT_LISTEN, announce, run_until_stopped};
use crate::auth::Anonymous;
use crate::server::{ProjectDir, ServeOptions};

/// The configuration of a small company, to try things on.
static EXAMPLE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/example-repo");

/// Try confgit with example configuration
///
/// Makes a project with the configuration of a small company, serves it, and prints what to try. The data is
/// removed at the end, unless --dir names a place for it. Callers on this machine need no key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  confgit demo\n  confgit demo --listen 127.0.0.1:0 --dir ./demo-data")]
pub struct Demo {
    /// The address to listen on, of this machine only; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_LISTEN)]
    listen: String,
    /// Keep the data in this directory: empty, or not there yet
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    logging: Logging,
}

impl Demo {
    /// Runs the command.
    pub fn run(self, options: &Options) -> Result<(), CliError> {
        check_loopback(&self.listen)?;
        let _logged = self.logging.start(options, "warn")?;
        // Dropped at the end of this function, which removes it.
        let temporary = TempDir::with_prefix("confgit-demo-").map_err(|error| failed(&error))?;
        let tree = temporary.path().join("example-repo");
        fs::create_dir(&tree).and_then(|()| EXAMPLE.extract(&tree)).map_err(|error| failed(&error))?;
        let data = self.dir.clone().unwrap_or_else(|| temporary.path().join("data"));
        let made = make(&data, Some(&tree))?;
        demo_secrets(&data).map_err(|error| failed(&error))?;
        // Opened once, it has its history index, so that the server takes writes from its first moment on.
        drop(Local::open(&data)?);
        let hints = Hints {
            program: program(),
            key: made.key.reveal().to_owned(),
            data: data.clone(),
            is_kept: self.dir.is_some(),
        };
        let on_ready = Box::new(move |address: std::net::SocketAddr| {
            announce(address, &hints.text(&format!("http://{address}")));
        });
        let projects = vec![ProjectDir { name: "demo".to_owned(), dir: data }];
        run_until_stopped(ServeOptions {
            projects,
            listen: self.listen,
            anonymous: Anonymous::Admin,
            slow_request: self.logging.slow_request(),
            cors: Default::default(),
            on_ready,
        })
    }
}

/// A demo lets anybody write, so nobody else may reach it.
fn check_loopback(listen: &str) -> Result<(), CliError> {
    let addresses = listen.to_socket_addrs().map_err(|error| {
        CliError::Usage(format!("--listen {listen}: {error}; write it as {DEFAULT_LISTEN}"))
    })?;
    let addresses: Vec<_> = addresses.collect();
    if addresses.is_empty() || addresses.iter().any(|address| !address.ip().is_loopback()) {
        let message = format!(
            "--listen {listen} can be reached from other machines, and a demo lets everybody write: \
             use `confgit init` and `confgit serve`"
        );
        return Err(CliError::Usage(message));
    }
    Ok(())
}

/// What the example's references to secrets name: a file of that name, which only this user may read.
fn demo_secrets(data: &FilePath) -> std::io::Result<()> {
    let directory = data.join("secrets");
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(directory.join("db-password"))?;
    file.write_all(b"not-a-real-password\n")
}

fn failed(error: &std::io::Error) -> CliError {
    CliError::Failed(format!("the demo's data cannot be written: {error}"))
}

/// How this program is called here: a newcomer may have built it and not installed it.
fn program() -> String {
    let called = std::env::args_os().next().map(PathBuf::from);
    called
        .filter(|path| path.components().count() > 1)
        .map_or_else(|| "confgit".to_owned(), |path| quoted(&path))
}

/// What a newcomer is told.
struct Hints {
    program: String,
    key: String,
    data: PathBuf,
    is_kept: bool,
}

impl Hints {
    fn text(&self, server: &str) -> String {
        let Hints { program, key, data, is_kept } = self;
        let fate = if *is_kept { "kept" } else { "removed when the demo ends" };
        let server_line = match server.strip_suffix(DEFAULT_LISTEN) {
            Some(_) => String::new(),
            None => format!("export CONFGIT_SERVER={server}\n"),
        };
        format!(
            "\n\
             This is a demo: whoever is on this machine may read and write without a key.\n\
             The data is in {data} ({fate}).\n\
             \n\
             In another terminal:\n\
             \n\
             export TOKEN={key}\n\
             export CONFGIT_TOKEN={key}\n\
             {server_line}\
             \n\
             curl {server}/api/config/myapp/database\n\
             curl {server}/v1/config/services/payment-service\n\
             curl -X PUT {server}/api/config/myapp/database/pool_size -H \"Authorization: Bearer $TOKEN\" -d '{{\"value\": 25}}'\n\
             curl {server}/api/config/myapp/database/pool_size/history\n\
             \n\
             curl '{server}/v1/config/checkout/database?env=prod'\n\
             \n\
             {program} ls\n\
             {program} get /myapp/database --env prod\n\
             {program} set /myapp/database/pool_size 30 -m 'more connections'\n\
             {program} history /myapp/database/pool_size\n\
             {program} rollback /myapp/database/pool_size 1\n\
             git -C {repository} log --stat -3\n\
             git clone {clone}    # edit, commit, push\n\
             \n\
             Ctrl-C ends the demo.\n",
            data = data.display(),
            clone = format_args!("{}/config.git", server.replacen("://", "://me:$TOKEN@", 1)),
            repository = quoted(&FilePath::new(data).join("config.git")),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine() {
        for (listen, good) in [
            ("127.0.0.1:0", true),
            ("[::1]:8000", true),
            ("0.0.0.0:8000", false),
            ("10.0.0.1:1", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(check_loopback(listen).is_ok(), good, "{listen}");
        }
    }

    #[test]
    fn the_example_is_inside() {
        assert!(EXAMPLE.get_file("meta/settings.yaml").is_some());
        assert!(EXAMPLE.get_file("base/myapp/database.yaml").is_some());
    }
}
