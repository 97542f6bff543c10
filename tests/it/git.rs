//! The Git room against a real repository, with the installed `git` as the oracle.

// What goes wrong in a test is a failed test, also in the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "failpoints")]
mod failing;
mod folding;
mod pruning;
mod publishing;
mod trees;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use confgit::git::{
    FoldPolicy, NewCommit, Pack, PublishError, RefMove, Repository, Signature, WorkTree, journal, publish,
};
use confgit::model::{ChangeSet, Move, ObjectId, Sequence, Timestamp};
use tempfile::TempDir;

/// A `git` command that sees nothing of the machine's configuration.
fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.env_clear().current_dir(dir).stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", dir).env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "test").env(format!("GIT_{role}_EMAIL"), "test@localhost");
        command.env(format!("GIT_{role}_DATE"), "1700000000 +0000");
    }
    command
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = git_command(dir).args(args).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "git {args:?}: {stdout}{stderr}");
    stdout.trim_end().to_owned()
}

fn fsck(dir: &Path) {
    let said = git(dir, &["fsck", "--full", "--strict", "--no-dangling", "--no-progress"]);
    assert_eq!(said, "");
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A repository with one writer, as the committer uses it.
struct Writer {
    _dir: TempDir,
    repository: Repository,
    tree: WorkTree,
    head: Option<ObjectId>,
    tip: Option<ObjectId>,
    sequence: Sequence,
}

type Edit = (String, Option<Vec<u8>>);

fn put(path: &str, content: &str) -> Edit {
    (path.to_owned(), Some(content.as_bytes().to_vec()))
}

impl Writer {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = Repository::init(dir.path().join("config.git")).unwrap();
        Writer {
            _dir: dir,
            repository,
            tree: WorkTree::new(None),
            head: None,
            tip: None,
            sequence: Sequence(0),
        }
    }

    fn dir(&self) -> &Path {
        self.repository.dir()
    }

    /// One commit per list of edits, all in one pack.
    fn batch(&mut self, commits: &[Vec<Edit>]) -> Result<(), PublishError> {
        let reader = self.repository.reader();
        let (mut pack, mut head, mut change_sets) = (Pack::new(), self.head, Vec::new());
        for edits in commits {
            for (path, content) in edits {
                let blob = content.as_ref().map(|content| pack.blob(content).unwrap());
                self.tree.set(&reader, path, blob).unwrap();
            }
            let tree = self.tree.write(&mut pack).unwrap();
            let parents: Vec<_> = head.into_iter().collect();
            let who = Signature { name: "Ada", email: "ada@localhost" };
            let message = "change\n\nAccount: ada";
            let new = NewCommit { tree, parents: &parents, author: who, committer: who, time: NOW, message };
            let new = pack.commit(&new).unwrap();
            let step = Move { branch: "main".into(), old: head, new: Some(new) };
            let sequence = Sequence(self.sequence.0 + change_sets.len() as u64 + 1);
            change_sets.push(ChangeSet { sequence, time: NOW, account: "ada".into(), moves: vec![step] });
            head = Some(new);
        }
        let tip = journal::append(&mut pack, self.tip, &change_sets, &[("Audit-Head", "x")]).unwrap();
        let step = |name: &str, old, new| RefMove { name: name.to_owned(), old, new };
        let published = publish(
            &self.repository,
            Some(pack.finish().unwrap()),
            Some(&step(journal::REF, self.tip, Some(tip))),
            &[step("refs/heads/main", self.head, head)],
        );
        if published.is_ok() {
            (self.head, self.tip) = (head, Some(tip));
            self.sequence.0 += change_sets.len() as u64;
        } else {
            self.reopen();
        }
        published
    }

    /// What a caller does after a failure: forget what is in memory.
    fn reopen(&mut self) {
        let tree = self.head.map(|head| self.repository.reader().commit(head).unwrap().tree);
        self.tree = WorkTree::new(tree);
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = Vec::new();
        let mut dirs = vec![self.dir().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { dirs.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }
}

fn packs(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("objects/pack")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".pack"));
    names.sort();
    names
}

fn eager() -> FoldPolicy {
    FoldPolicy { small_packs: 2, large_packs: 2, ..FoldPolicy::default() }
}

/// A document of which one line is different in each version.
fn document(name: usize, version: usize) -> String {
    (0..60)
        .map(|i| {
            format!("key{i}: {}\n", if i == version % 60 { version * 1000 + name } else { i * 7 + name })
        })
        .collect()
}
