//! Git over HTTP: real clients clone and push; what is hostile is sent by hand.

mod cloning;
mod faults;
mod merging;
mod pushing;
mod rights;
mod second_client;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::harness::{Answer, Server, TestProject, git, git_command};

const SETTINGS: &str = "environments:\n  base: { branch: main }\n  prod: { branch: prod, inherits: base }\n";

/// Two environments, with a schema in force.
pub fn project() -> TestProject {
    TestProject::with_files(&[
        ("meta/settings.yaml", SETTINGS),
        ("base/app.yaml", "host: h0 # the host\nport: 1\n"),
        ("base/web/site.yaml", "title: a\n"),
        (
            "base/.confgit/schemas.yaml",
            "ports:\n  paths: [\"/*/port\"]\n  schema: { type: integer, maximum: 65535 }\n",
        ),
        ("prod/app.yaml", "port: 2\n"),
    ])
}

/// The address of a repository, with the key as password.
pub fn url(server: &Server, repository: &str) -> String {
    url_with(server, &server.key, repository)
}

pub fn url_with(server: &Server, key: &str, repository: &str) -> String {
    format!("http://ann:{key}@{}/{repository}", server.address)
}

/// A clone with a working tree.
pub struct Clone {
    _temp: tempfile::TempDir,
    pub dir: PathBuf,
}

impl Clone {
    pub fn of(server: &Server, key: &str) -> Self {
        Self::with(&url_with(server, key, "config.git"), &[])
    }

    pub fn with(url: &str, arguments: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        git(temp.path(), &[&["clone", "-q"], arguments, &[url, "clone"]].concat());
        let dir = temp.path().join("clone");
        Clone { _temp: temp, dir }
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.dir, arguments)
    }

    /// Runs git, whatever comes of it.
    pub fn try_git(&self, arguments: &[&str]) -> Output {
        git_command(&self.dir).args(arguments).output().unwrap()
    }

    pub fn write(&self, file: &str, content: &str) {
        let path = self.dir.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.join(file)).unwrap()
    }

    /// Commits a file.
    pub fn commit(&self, file: &str, content: &str) -> String {
        self.write(file, content);
        self.commit_all(&format!("change {file}"))
    }

    /// Commits all that is there; answers the commit.
    pub fn commit_all(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Pushes, and answers what people read of it.
    pub fn push(&self, arguments: &[&str]) -> String {
        let output = self.try_git(&[&["push"], arguments].concat());
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        said
    }

    /// A push that is refused; what people read of that.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.try_git(&[&["push"], arguments].concat());
        let said = said(&output);
        assert!(!output.status.success(), "{said}");
        said
    }
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// The pack of what commits bring that others do not have.
pub fn pack_of(dir: &Path, revisions: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = git_command(dir);
    command.args(["pack-objects", "--stdout", "--revs", "-q"]).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(revisions.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

pub const ZERO: &str = "0000000000000000000000000000000000000000";

/// The body of a push, written by hand.
pub fn body_of(commands: &[(&str, &str, &str)], capabilities: &str, pack: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (number, (old, new, name)) in commands.iter().enumerate() {
        let capabilities = if number == 0 { format!("\0{capabilities}") } else { String::new() };
        let line = format!("{old} {new} {name}{capabilities}\n");
        body.extend(format!("{:04x}{line}", line.len() + 4).bytes());
    }
    body.extend(b"0000");
    body.extend(pack);
    body
}

/// Sends a push written by hand.
pub fn send(server: &Server, body: &[u8]) -> Answer {
    let headers = [("Content-Type", "application/x-git-receive-pack-request")];
    server.request("POST", "/config.git/git-receive-pack", &headers, body)
}

/// Nothing is left of what did not come in, and the repository is whole.
pub fn assert_clean(project: &TestProject) {
    let objects = project.config_git().join("objects");
    let left = std::fs::read_dir(&objects).unwrap().flatten();
    let left: Vec<_> = left
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with("tmp_"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let output = git_command(&project.config_git()).args(["fsck", "--full", "--strict"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}
