use std::sync::Arc;

use super::{VersionValue, plain_message, unless_pruned};
use crate::auth::ReadGrant;
use crate::git::{ReadError, Reader};
use crate::history::{NewVersion, VersionRecord};
use crate::model::{ChangeSet, Path, Revision, Sequence};
use crate::resolve::Seen;
use crate::service::core::Core;
use crate::service::page::PageRoom;
use crate::service::{Cursor, ServiceError};
use crate::snapshot::{EntryKind, Node, Snapshot};

/// A page of the history of everything at or below a path, newest first.
#[derive(Debug, Clone)]
pub struct ObjectHistoryPage {
    /// The versions with their paths.
    pub versions: Vec<(Path, VersionValue)>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

/// A version that belongs on a page.
struct FoundVersion {
    version: NewVersion,
    change_set: Arc<ChangeSet>,
    /// Where a page begins that comes right after it.
    after: Cursor,
}

/// How many change sets one page looks through; the next one goes on from there.
pub(in crate::service) const MOST_SCANNED: usize = 50_000;

impl Core {
    /// Whether the history of a path is that of an object: paths below it, rather than versions of its own.
    pub fn is_object_history(
        &self,
        grant: &ReadGrant,
        environment: &str,
        path: &Path,
    ) -> Result<bool, ServiceError> {
        let environment = self.environment(environment)?;
        // Where nothing may be read, which it is must not be told apart.
        if grant.below(&environment.name, path, true) == Seen::Nothing {
            return Err(grant.refusal(&environment.name, path).into());
        }
        let state = self.index.load();
        let branch = state.branches.get(&environment.branch);
        let node = branch.and_then(|branch| branch.snapshot.find(path));
        Ok(match node {
            Some(Node::Object(_)) => true,
            Some(Node::Entry(_)) => false,
            None => self.history.last_version(&environment.branch, path).0 == 0,
        })
    }

    /// The versions of everything at or below a path in the layer of an environment, newest first; those of one
    /// commit in the reverse order of their paths. Blocks.
    pub fn object_history(
        &self,
        grant: &ReadGrant,
        environment: &str,
        path: &Path,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<ObjectHistoryPage, ServiceError> {
        self.require_history()?;
        let environment = self.environment(environment)?;
        let branch = &environment.branch;
        let newest = self.history.covered();
        let mut at = Cursor::begin(before, newest)?;
        let mut found: Vec<FoundVersion> = Vec::new();
        let mut next = None;
        for scanned in 0.. {
            if found.len() == limit || scanned == MOST_SCANNED {
                next = Some(at);
                break;
            }
            let Some(sequence) = self.moved_at_or_before(branch, at.sequence) else { break };
            if sequence != at.sequence {
                at = Cursor { sequence, skip: 0 };
            }
            let change_set = Arc::new(self.change_set(sequence.0)?);
            let mut versions = self.history.versions_of(sequence)?;
            versions.retain(|version| {
                version.branch == *branch
                    && path.is_prefix_of(&version.path)
                    && grant.sees(&environment.name, &version.path)
            });
            at.check_within(versions.len())?;
            let mut rest = versions.into_iter().rev().skip(at.skip);
            while found.len() < limit
                && let Some(version) = rest.next()
            {
                at.skip += 1;
                found.push(FoundVersion { version, change_set: change_set.clone(), after: at });
            }
            if rest.next().is_none() {
                at = Cursor { sequence: Sequence(sequence.0 - 1), skip: 0 };
            }
        }
        if found.is_empty() && before.is_none() && next.is_none() {
            grant.demand(&environment.name, path)?;
            return Err(self.not_in_layer(&environment, path));
        }
        let next = next.filter(|next| next.sequence.0 > 0);
        let after: Vec<Cursor> = found.iter().map(|found| found.after).collect();
        let versions = self.values_of(grant, found)?;
        let next = if versions.len() < after.len() {
            versions.len().checked_sub(1).map(|last| after[last])
        } else {
            next
        };
        Ok(ObjectHistoryPage { versions, next })
    }

    /// The last change set up to this one that moved a branch.
    pub(in crate::service) fn moved_at_or_before(
        &self,
        branch: &str,
        sequence: Sequence,
    ) -> Option<Sequence> {
        self.history.moved_before(branch, sequence.next())
    }

    /// What versions say, as many of them as a page has room for.
    fn values_of(
        &self,
        grant: &ReadGrant,
        found: Vec<FoundVersion>,
    ) -> Result<Vec<(Path, VersionValue)>, ServiceError> {
        let reader = self.repository.reader();
        let (mut values, mut room) = (Vec::new(), PageRoom::default());
        for run in found.chunk_by(|a, b| a.version.revision == b.version.revision) {
            let Some(first) = run.first() else { continue };
            let (snapshot, message) = self.commit_content(&reader, first.version.revision, run)?;
            let may_be_told = self.may_be_told(grant, first.change_set.sequence, first.version.revision)?;
            let message = if may_be_told { message } else { String::new() };
            for FoundVersion { version, change_set, .. } in run {
                let value = value_in(snapshot.as_deref(), version, change_set, &message);
                if !room.takes(value.bytes()) {
                    return Ok(values);
                }
                values.push((version.path.clone(), value));
            }
        }
        Ok(values)
    }

    fn commit_content(
        &self,
        reader: &Reader,
        revision: Revision,
        run: &[FoundVersion],
    ) -> Result<(Option<Arc<Snapshot>>, String), ReadError> {
        let there = run.iter().map(|found| &found.version).filter(|version| !version.deleted);
        let paths: Vec<Path> = there.map(|version| version.path.clone()).collect();
        let snapshot =
            if paths.is_empty() { None } else { unless_pruned(self.loaded(reader, revision, &paths))? };
        let commit = unless_pruned(reader.commit(revision))?;
        Ok((snapshot, commit.map(|commit| plain_message(&commit.message)).unwrap_or_default()))
    }
}

fn value_in(
    snapshot: Option<&Snapshot>,
    version: &NewVersion,
    change_set: &ChangeSet,
    message: &str,
) -> VersionValue {
    let entry = if version.deleted { None } else { snapshot.and_then(|found| found.entry(&version.path)) };
    let record = VersionRecord {
        version: version.version,
        deleted: version.deleted,
        sequence: change_set.sequence,
        revision: version.revision,
        time: change_set.time,
        account: change_set.account.clone(),
        held_by: version.revision,
        is_oldest: version.version.0 == 1,
    };
    let is_bytes = entry.as_ref().is_some_and(|entry| entry.kind() == EntryKind::Bytes);
    let json = entry.map(|entry| entry.json().clone());
    VersionValue { record, json, is_bytes, message: message.to_owned() }
}
