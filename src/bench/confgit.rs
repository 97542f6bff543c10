//! The server under test: a project made by `confgit init`, served by `confgit serve`, both as child
//! processes of this same program.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::BenchError;
use super::data::Shape;
use super::load::{Connection, Origin};
use super::process::{Process, Usage, run_to_end};

/// How long `confgit init` may take on the largest tree.
const INIT_LIMIT: Duration = Duration::from_secs(120);

/// A project on disk, and the key of its admin.
#[derive(Debug)]
pub struct Project {
    program: PathBuf,
    work: PathBuf,
    directory: PathBuf,
    key: String,
}

#[derive(serde::Deserialize)]
struct InitAnswer {
    key: String,
}

impl Project {
    /// Makes a project with entries of that shape under the working directory `work`.
    pub async fn create(program: &Path, work: &Path, name: &str, shape: &Shape) -> Result<Self, BenchError> {
        Project::create_with(program, work, name, shape, &[]).await
    }

    /// The same with further files of the tree.
    pub async fn create_with(
        program: &Path,
        work: &Path,
        name: &str,
        shape: &Shape,
        files: &[(&str, String)],
    ) -> Result<Self, BenchError> {
        let tree = work.join(format!("{name}-tree"));
        let directory = work.join(name);
        shape.write_tree(&tree)?;
        for (name, content) in files {
            let file = tree.join(name);
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder).map_err(BenchError::io("writing the test data"))?;
            }
            fs::write(&file, content).map_err(BenchError::io("writing the test data"))?;
        }
        let (target, from) = (directory.to_string_lossy(), tree.to_string_lossy());
        let arguments = ["init", &*target, "--from", &*from, "-o", "json"];
        let text = run_to_end(program, &arguments, INIT_LIMIT).await?;
        fs::remove_dir_all(&tree).map_err(BenchError::io("removing the test data"))?;
        let answer: InitAnswer = serde_json::from_str(text.trim()).map_err(|error| BenchError::Answer {
            request: "confgit init -o json".into(),
            expected: "{\"key\": …}".into(),
            actual: error.to_string(),
        })?;
        let (program, work) = (program.to_owned(), work.to_owned());
        Ok(Project { program, work, directory, key: answer.key })
    }

    /// The key of its admin.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A key of one of its accounts. Not while it is served.
    pub async fn issue_key(&self, account: &str) -> Result<String, BenchError> {
        let target = self.directory.to_string_lossy();
        let arguments = ["account", "rotate", account, "--repo", &*target, "-o", "json"];
        let text = run_to_end(&self.program, &arguments, INIT_LIMIT).await?;
        let answer: InitAnswer = serde_json::from_str(text.trim()).map_err(|error| BenchError::Answer {
            request: "confgit account rotate -o json".into(),
            expected: "{\"key\": …}".into(),
            actual: error.to_string(),
        })?;
        Ok(answer.key)
    }

    /// Serves it on a free port; ready when this returns.
    pub async fn serve(&self) -> Result<Server, BenchError> {
        self.serve_with(&[]).await
    }

    /// The same with further arguments.
    pub async fn serve_with(&self, further: &[&str]) -> Result<Server, BenchError> {
        let spawned = Instant::now();
        let target = self.directory.to_string_lossy();
        let arguments = [&["serve", &*target, "--listen", "127.0.0.1:0"], further].concat();
        let mut process = Process::start(&self.program, &arguments, self.work.join("serve.log"))?;
        let address = process.listening().await?;
        let mut server = Server { process, origin: Origin::new(address, Some(self.key.clone())), spawned };
        server.wait_for("/readyz", |_| true).await?;
        Ok(server)
    }

    /// Commits on the branch of the environment `base`, as Git itself counts them.
    pub async fn commits(&self) -> Result<u64, BenchError> {
        let repository = self.repository();
        let repository = repository.to_string_lossy();
        let arguments = ["--git-dir", &*repository, "rev-list", "--count", "--first-parent", "main"];
        let text = run_to_end(Path::new("git"), &arguments, Duration::from_secs(60)).await?;
        text.trim().parse().map_err(|_| BenchError::Answer {
            request: "git rev-list --count".into(),
            expected: "a number".into(),
            actual: text,
        })
    }

    /// Where its configuration is.
    pub fn repository(&self) -> PathBuf {
        self.directory.join("config.git")
    }

    /// How many branches there are whose names begin so.
    pub async fn branches(&self, prefix: &str) -> Result<u64, BenchError> {
        let repository = self.repository();
        let (repository, pattern) = (repository.to_string_lossy(), format!("refs/heads/{prefix}*"));
        let arguments = ["--git-dir", &*repository, "for-each-ref", &*pattern];
        let text = run_to_end(Path::new("git"), &arguments, Duration::from_secs(60)).await?;
        Ok(text.lines().count() as u64)
    }

    /// Deletes the history index, as if it were lost.
    pub fn delete_history_index(&self) -> Result<(), BenchError> {
        let path = self.directory.join(HISTORY_INDEX);
        let deleted = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        deleted.map_err(BenchError::io(format!("deleting {}", path.display())))
    }
}

/// Where a project keeps the history index, relative to its directory.
const HISTORY_INDEX: &str = "derived/history";

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    process: Process,
    origin: Origin,
    spawned: Instant,
}

impl Server {
    /// Its address with the admin's key.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.origin.address()
    }

    /// When its process was started.
    pub fn spawned(&self) -> Instant {
        self.spawned
    }

    /// What its process has used.
    pub fn usage(&self) -> Result<Usage, BenchError> {
        self.process.usage()
    }

    /// The body of a GET that must answer 200.
    pub async fn get(&self, target: &str) -> Result<Vec<u8>, BenchError> {
        let mut connection = Connection::open(self.address()).await?;
        let status = connection.exchange(&self.origin.get(target)).await;
        let status = status.map_err(BenchError::io(format!("GET {target}")))?;
        let body = connection.body().to_vec();
        if status == 200 {
            return Ok(body);
        }
        Err(BenchError::Answer {
            request: format!("GET {target}"),
            expected: "200".into(),
            actual: format!("{status} {}", String::from_utf8_lossy(&body)),
        })
    }

    /// Asks again and again until the answer is 200 and `enough` holds of its body.
    pub async fn wait_for(&mut self, target: &str, enough: impl Fn(&[u8]) -> bool) -> Result<(), BenchError> {
        let limit = Duration::from_secs(60);
        let started = Instant::now();
        while started.elapsed() < limit {
            if self.get(target).await.is_ok_and(|body| enough(&body)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Err(self.process.not_ready(limit))
    }

    /// Stops it in good order.
    pub async fn stop(self) -> Result<(), BenchError> {
        self.process.stop().await
    }
}

/// The address of an entry's bare value.
pub fn value_target(path: &str) -> String {
    format!("/v1/config{path}")
}

/// The address of an entry with its metadata, where it is also written.
pub fn entry_target(path: &str) -> String {
    format!("/api/config{path}")
}
