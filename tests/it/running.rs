//! Commands that go on, while a test looks at what they print.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::harness::{Server, wait_for};

/// A command under way, and what it has printed so far; ended when dropped.
pub struct Running {
    pub child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Running {
    /// Starts a command that works on a server.
    pub fn start(server: &Server, arguments: &[&str]) -> Self {
        Self::start_at(&server.address, &server.key, arguments)
    }

    /// The same over another way to it.
    pub fn start_at(address: &str, key: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_confgit"))
            .args(arguments)
            .env("CONFGIT_SERVER", format!("http://{address}"))
            .env("CONFGIT_TOKEN", key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// What it said so far, beside what it prints.
    pub fn told(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until a text is in what it prints or says.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_for(text, || self.printed().contains(text) || self.told().contains(text));
    }

    /// Sends it a signal, such as `-TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Ends it as an operator does.
    pub fn end(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl std::io::Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let sink = text.clone();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            sink.lock().unwrap().push_str(&std::mem::take(&mut line));
        }
    });
    text
}
