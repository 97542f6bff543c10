//! A real server over real repositories, driven over real connections; hermetic and cleaned up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything in a test may take before it counts as lost.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A project directory in a temporary place, with the key of its administrator.
pub struct TestProject {
    pub temp: tempfile::TempDir,
    pub key: String,
}

impl TestProject {
    /// A project with one environment and nothing in it.
    pub fn empty() -> Self {
        Self::init(&[])
    }

    /// A project made from `example-repo`.
    pub fn example() -> Self {
        let project = Self::init(&["--from", concat!(env!("CARGO_MANIFEST_DIR"), "/example-repo")]);
        std::fs::create_dir(project.dir().join("secrets")).unwrap();
        std::fs::write(project.dir().join("secrets/db-password"), "s3cret-of-the-tests\n").unwrap();
        project
    }

    /// A project made from these files: `base/…`, `meta/settings.yaml` and so on.
    pub fn with_files(files: &[(&str, &str)]) -> Self {
        let tree = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let file = tree.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        Self::init(&["--from", tree.path().to_str().unwrap()])
    }

    fn init(arguments: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("project");
        let output = confgit(&[&["init", dir.to_str().unwrap(), "-o", "json"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        TestProject { temp, key: answer["key"].as_str().unwrap().to_owned() }
    }

    pub fn dir(&self) -> PathBuf {
        self.temp.path().join("project")
    }

    pub fn config_git(&self) -> PathBuf {
        self.dir().join("config.git")
    }

    /// Runs `git` on the configuration's repository and answers what it prints.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.config_git(), arguments)
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&[], &[])
    }

    /// Serves with further arguments and variables.
    pub fn serve_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        Server::start(&self.dir(), &self.key, arguments, variables).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Runs git hermetically; panics when it fails.
pub fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = git_command(dir).args(arguments).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "git {arguments:?}: {stdout}{stderr}");
    stdout.into_owned()
}

pub fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", "/nonexistent").env("GIT_TERMINAL_PROMPT", "0");
    command
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Tess Ter")
            .env(format!("GIT_{role}_EMAIL"), "tess@example.com");
    }
    command
}

/// The Python that has what tests/requirements.txt names.
pub fn python() -> String {
    std::env::var("CONFGIT_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Runs the binary to its end.
pub fn confgit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_confgit")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// A running server; ended when dropped.
pub struct Server {
    pub child: Child,
    pub address: String,
    pub key: String,
    /// What it has logged so far.
    pub log: Arc<Mutex<String>>,
}

impl Server {
    pub fn start(
        dir: &Path,
        key: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confgit"));
        command.args(["serve", dir.to_str().unwrap(), "--listen", "127.0.0.1:0"]).args(arguments);
        command.envs(variables.iter().copied());
        Self::spawn(command, key)
    }

    /// Runs a command that becomes a server.
    pub fn spawn(mut command: Command, key: &str) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening on ") else {
            let mut stderr = String::new();
            child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
            child.wait().unwrap();
            return Err(format!("the server did not start: {line}{stderr}"));
        };
        // Read as it comes: a full pipe would stop the server.
        let log = Arc::new(Mutex::new(String::new()));
        let (mut stderr, lines) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        std::thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                lines.lock().unwrap().push_str(&std::mem::take(&mut line));
            }
        });
        let server = Server { address: address.to_owned(), key: key.to_owned(), log, child };
        server.wait_ready();
        Ok(server)
    }

    /// Waits until `/readyz` says so.
    pub fn wait_ready(&self) {
        wait_for("the server to be ready", || self.get("/readyz").status == 200);
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    pub fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[], b"")
    }

    /// PUTs `{"value": …}`.
    pub fn put(&self, path: &str, value: Value) -> Answer {
        let body = serde_json::json!({ "value": value }).to_string();
        self.request("PUT", &format!("/api/config{path}"), &[], body.as_bytes())
    }

    pub fn post(&self, target: &str, body: Value) -> Answer {
        self.request("POST", target, &[], body.to_string().as_bytes())
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", &format!("/api/config{path}"), &[], b"")
    }

    /// One request on a connection of its own, with the key unless `headers` say otherwise.
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut all = vec![("Host", self.address.as_str())];
        let bearer = format!("Bearer {}", self.key);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            all.push(("Authorization", &bearer));
        }
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
        exchange(&self.address, method, target, &all, body).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking()
            && let Ok(log) = self.log.lock()
        {
            assert!(!holds_key(log.as_bytes()), "a key is in the server's log");
        }
    }
}

impl Drop for TestProject {
    /// Whatever a test did with it, no key lies in the clear in a file of a project.
    fn drop(&mut self) {
        let mut folders = vec![self.dir()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if !std::thread::panicking()
                    && let Ok(content) = std::fs::read(&path)
                {
                    assert!(!holds_key(&content), "a key is in {}", path.display());
                }
            }
        }
    }
}

/// Whether a key stands somewhere, by its prefix and its checksum.
fn holds_key(content: &[u8]) -> bool {
    let starts = content.windows(3).enumerate().filter(|(_, window)| *window == b"cg_").map(|(at, _)| at);
    let texts = starts.filter_map(|at| content.get(at..at + 51));
    texts
        .filter_map(|text| std::str::from_utf8(text).ok())
        .any(|text| confgit::auth::ApiKey::parse(text).is_ok())
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// Sends one request as written and reads the whole answer.
pub fn exchange(
    address: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let counted = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if !counted && (!body.is_empty() || method != "GET") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes)
        && bytes.is_empty()
    {
        return Err(error);
    }
    parse_answer(&bytes).ok_or_else(|| {
        std::io::Error::other(format!("no HTTP answer: {:?}", String::from_utf8_lossy(&bytes)))
    })
}

fn parse_answer(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Some(Answer { status, headers, body: bytes[end + 4..].to_vec() })
}

/// Waits until something holds, looking again and again; panics at the deadline.
#[track_caller]
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
