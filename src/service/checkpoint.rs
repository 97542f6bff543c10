//! The checkpoint: what must be known of the history that was cut off, so that all numbers go on.
//!
//! It is a commit at `refs/confgit/checkpoint`, made durable before anything goes, with these files. Lines end
//! with a newline, words are parted by one blank, and names are escaped as in the journal.
//!
//! - `cut`: a line `confgit checkpoint 1`, and the journal's line of the change set that history begins with.
//! - `branches`: for every branch there had been, `name sequence head`: where it was after that change set, and
//!   which one moved it there; `0` and forty zeros where it did not exist.
//! - `shallow`: the commits that have no parents any more, as they are in Git's own file of that name.
//! - `bridges`: `commit older`: where files have a problem, the older commits that say what they serve. They
//!   are the checkpoint's parents, which keeps them.
//! - `versions/NNNNNN/NNNNNN`: for the branch of that line of `branches`, from 1, in files of at most 10,000
//!   lines in the order of paths: `version sequence revision time account kind path`, the newest version of
//!   each path; `kind` is `value` or `delete`.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;

use super::ServiceError;
use crate::git::{
    Ends, NewCommit, Pack, PackFile, ReadError, Reader, RefMove, RefState, Repository, Signature, WorkTree,
    journal, restore_ref,
};
use crate::history::{Base, BaseHead, BaseVersion, Beginning};
use crate::model::{ObjectId, Path, Revision, Sequence, Version};

/// The reference that holds it.
pub(super) const REF: &str = "refs/confgit/checkpoint";

const FORMAT: &str = "confgit checkpoint 1";
const LINES_PER_FILE: usize = 10_000;
/// The largest file that is read, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// Where the history kept begins, as the repository says.
pub(super) struct Checkpoint {
    /// Its commit.
    pub id: Revision,
    base: Base,
    pub ends: Ends,
    /// The files of versions, branch by branch.
    versions: Vec<Vec<ObjectId>>,
}

impl Checkpoint {
    /// The checkpoint of a repository, if history was ever cut there.
    pub fn find(repository: &Repository, reader: &Reader) -> Result<Option<Self>, ServiceError> {
        match repository.find_ref(REF)? {
            RefState::At(id) => Self::read(reader, id).map(Some),
            RefState::Absent => Ok(None),
            RefState::Torn => Err(damaged(&format!("the ref {REF}"))),
        }
    }

    fn read(reader: &Reader, id: Revision) -> Result<Self, ServiceError> {
        let tree = reader.tree(reader.commit(id)?.tree)?;
        let text = |name: &str| -> Result<String, ServiceError> {
            let entry = tree.get(name.as_bytes()).ok_or_else(|| damaged(name))?;
            read_text(reader, entry.id)
        };
        let cut = text("cut")?;
        let (format, line) = cut.split_once('\n').unwrap_or_default();
        let change_set = journal::of_line(line).filter(|_| format == FORMAT).ok_or_else(|| damaged("cut"))?;
        let heads = text("branches")?.lines().map(parse_head).collect::<Option<Vec<_>>>();
        let heads = heads.ok_or_else(|| damaged("branches"))?;
        let shallow = text("shallow")?.lines().map(|line| line.parse().ok()).collect::<Option<HashSet<_>>>();
        let pair = |line: &str| {
            let (from, to) = line.split_once(' ')?;
            Some((from.parse().ok()?, to.parse().ok()?))
        };
        let bridges = text("bridges")?.lines().map(pair).collect::<Option<HashMap<_, _>>>();
        let ends = Ends {
            shallow: shallow.ok_or_else(|| damaged("shallow"))?,
            bridges: bridges.ok_or_else(|| damaged("bridges"))?,
        };
        let mut versions = Vec::with_capacity(heads.len());
        let folders = tree.get(b"versions").map(|entry| reader.tree(entry.id)).transpose()?;
        for number in 1..=heads.len() {
            let folder = folders.as_ref().and_then(|folders| folders.get(file_name(number).as_bytes()));
            versions.push(match folder {
                Some(folder) => reader.tree(folder.id)?.iter().map(|entry| entry.id).collect(),
                None => Vec::new(),
            });
        }
        Ok(Checkpoint { id, base: Base { change_set, heads }, ends, versions })
    }

    /// The change set that the history kept begins with.
    pub fn sequence(&self) -> Sequence {
        self.base.change_set.sequence
    }

    /// An index that begins there, to be finished or caught up.
    pub fn begin(&self, reader: &Reader, file: &FilePath) -> Result<Beginning, ServiceError> {
        let mut beginning = Beginning::new(file, &self.base)?;
        for (head, files) in self.base.heads.iter().zip(&self.versions) {
            for blob in files {
                let text = read_text(reader, *blob)?;
                let versions = text.lines().map(parse_version).collect::<Option<Vec<_>>>();
                beginning.add(&head.branch, &versions.ok_or_else(|| damaged("versions"))?)?;
            }
        }
        beginning.end(&self.base)?;
        Ok(beginning)
    }
}

/// Lets history end where the checkpoint says, also where the last run died before that was written down.
pub(super) fn restore_ends(
    repository: &Repository,
    reader: &Reader,
) -> Result<Option<Checkpoint>, ServiceError> {
    let Some(checkpoint) = Checkpoint::find(repository, reader)? else { return Ok(None) };
    // What Git added itself, when somebody fetched or pushed a history without its beginning, stays.
    let mut ends = checkpoint.ends.clone();
    ends.shallow.extend(&reader.ends().shallow);
    repository.set_ends(ends)?;
    Ok(Some(checkpoint))
}

/// Takes the checkpoint away: numbers have begun anew.
pub(super) fn forget(repository: &Repository) -> Result<(), ServiceError> {
    tracing::warn!("there is no journal, so the checkpoint is of no use any more");
    restore_ref(repository, REF, None).map_err(other)
}

/// A checkpoint in the making.
pub(super) struct Draft {
    pack: Pack,
    tree: WorkTree,
    branches: usize,
}

impl Draft {
    /// Begins with all but the versions.
    pub fn new(reader: &Reader, base: &Base, ends: &Ends) -> Result<Self, ServiceError> {
        let mut draft = Draft { pack: Pack::new(), tree: WorkTree::new(None), branches: 0 };
        let line = journal::to_line(&base.change_set);
        draft.file(reader, "cut", &format!("{FORMAT}\n{line}"))?;
        let mut text = String::new();
        for BaseHead { branch, at } in &base.heads {
            let (sequence, head) = at.unwrap_or((Sequence(0), ObjectId::ZERO));
            let _ = writeln!(text, "{} {sequence} {head}", journal::to_word(branch));
        }
        draft.file(reader, "branches", &text)?;
        let lines = |mut list: Vec<String>| {
            list.sort();
            list.concat()
        };
        let shallow = ends.shallow.iter().map(|id| format!("{id}\n")).collect();
        draft.file(reader, "shallow", &lines(shallow))?;
        let bridges = ends.bridges.iter().map(|(from, to)| format!("{from} {to}\n")).collect();
        draft.file(reader, "bridges", &lines(bridges))?;
        Ok(draft)
    }

    /// Adds the versions of the next branch.
    pub fn branch(&mut self, reader: &Reader, versions: &[BaseVersion]) -> Result<(), ServiceError> {
        self.branches += 1;
        for (chunk, number) in versions.chunks(LINES_PER_FILE).zip(1..) {
            let mut text = String::new();
            for version in chunk {
                push_version(&mut text, version);
            }
            let name = format!("versions/{}/{}", file_name(self.branches), file_name(number));
            self.file(reader, &name, &text)?;
        }
        Ok(())
    }

    /// The pack with the checkpoint, and the move that makes it the one that counts.
    pub fn finish(
        mut self,
        base: &Base,
        ends: &Ends,
        before: Option<Revision>,
    ) -> Result<(PackFile, RefMove), ServiceError> {
        let mut parents: Vec<Revision> = ends.bridges.values().copied().collect();
        parents.sort();
        parents.dedup();
        let tree = self.tree.write(&mut self.pack).map_err(other)?;
        let recorder = Signature { name: "confgit", email: "confgit@localhost" };
        let commit = self.pack.commit(&NewCommit {
            tree,
            parents: &parents,
            author: recorder,
            committer: recorder,
            time: base.change_set.time,
            message: &format!("history begins with change set {}\n", base.change_set.sequence),
        });
        let new = Some(commit.map_err(other)?);
        let step = RefMove { name: REF.to_owned(), old: before, new };
        Ok((self.pack.finish().map_err(other)?, step))
    }

    fn file(&mut self, reader: &Reader, name: &str, text: &str) -> Result<(), ServiceError> {
        let blob = self.pack.blob(text.as_bytes()).map_err(other)?;
        self.tree.set(reader, name, Some(blob)).map_err(other)?;
        Ok(())
    }
}

fn file_name(number: usize) -> String {
    format!("{number:06}")
}

fn push_version(text: &mut String, version: &BaseVersion) {
    let BaseVersion { path, version, deleted, sequence, revision, time, account } = version;
    let kind = if *deleted { "delete" } else { "value" };
    let account = journal::to_word(account);
    // A path has no controls, and is the last word, so that its blanks are its own.
    let _ = writeln!(text, "{version} {sequence} {revision} {time} {account} {kind} {path}");
}

fn parse_version(line: &str) -> Option<BaseVersion> {
    let mut words = line.splitn(7, ' ');
    let mut word = || words.next();
    Some(BaseVersion {
        version: Version(word()?.parse().ok()?),
        sequence: Sequence(word()?.parse().ok()?),
        revision: word()?.parse().ok()?,
        time: word()?.parse().ok()?,
        account: Arc::from(journal::of_word(word()?)?),
        deleted: match word()? {
            "delete" => true,
            "value" => false,
            _ => return None,
        },
        path: word()?.parse::<Path>().ok()?,
    })
}

fn parse_head(line: &str) -> Option<BaseHead> {
    let mut words = line.split(' ');
    let branch = Arc::from(journal::of_word(words.next()?)?);
    let sequence = Sequence(words.next()?.parse().ok()?);
    let head: Revision = words.next()?.parse().ok()?;
    Some(BaseHead { branch, at: (!head.is_zero()).then_some((sequence, head)) })
}

fn read_text(reader: &Reader, blob: ObjectId) -> Result<String, ServiceError> {
    let bytes = reader.blob(blob, MOST_BYTES)?;
    String::from_utf8(bytes).map_err(|_| {
        ServiceError::Repository(ReadError::Malformed { id: blob, kind: crate::git::ObjectKind::Blob })
    })
}

fn damaged(what: &str) -> ServiceError {
    let reason = format!("`{what}` of the checkpoint is damaged; restore {REF} from a backup");
    io::Error::new(io::ErrorKind::InvalidData, reason).into()
}

pub(super) fn other(error: impl std::fmt::Display) -> ServiceError {
    io::Error::other(error.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn versions_and_branches_round_trip() {
        for (path, account, deleted) in [
            ("/a/b", "ann", false),
            ("/a b/c%2Fd%25", "Ann Other", true),
            ("/", "", false),
            ("/ ", "%", true),
        ] {
            let version = BaseVersion {
                path: path.parse().unwrap(),
                version: Version(7),
                deleted,
                sequence: Sequence(12),
                revision: ObjectId::from_bytes([9; 20]),
                time: Timestamp::from_millis(1_700_000_000_123),
                account: account.into(),
            };
            let mut text = String::new();
            push_version(&mut text, &version);
            assert_eq!(text.lines().map(parse_version).collect::<Vec<_>>(), [Some(version)], "{text}");
        }
        let line = format!("a%20b 0 {}", ObjectId::ZERO);
        assert_eq!(parse_head(&line), Some(BaseHead { branch: "a b".into(), at: None }));
        for bad in ["", "1 2", "x 1 zz", "1 2 3 4 5 6 7"] {
            assert!(parse_version(bad).is_none() && parse_head(bad).is_none(), "{bad}");
        }
    }
}
