//! Who did what, newest first: change sets, changes of the settings, and what the audit log holds, as one stream.

use std::fmt;
use std::iter::Peekable;
use std::path::Path as FilePath;
use std::str::FromStr;
use std::sync::Arc;

use super::ServiceError;
use super::core::Core;
use super::layout::{AUDIT, CONFIG_REPOSITORY};
use super::meta::META_BRANCH;
use super::past::{plain_message, unless_pruned};
use super::refs::AUDIT_TRAILER;
use crate::audit::{self, Entry, Expected, Head, What, read_back};
use crate::auth::AdminGrant;
use crate::git::{Reader, Repository, journal};
use crate::model::{Path, PathGlob, Revision, Sequence, Timestamp};
use crate::settings::is_environment_name;

/// What stands for a change set, and for a change of the settings.
const CHANGED: &str = "changed";
const SETTINGS_CHANGED: &str = "settings-changed";

/// How many items one page looks at, met or not; the next one goes on from there.
const MOST_SCANNED: usize = 20_000;

/// How many paths of a change set are told.
const MOST_PATHS: usize = 10;

/// What is asked for: everything that meets all of it.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Who did it.
    pub account: Option<String>,
    /// What was done: `changed`, `settings-changed`, or what records of the log say.
    pub what: Option<String>,
    /// In which environment.
    pub environment: Option<String>,
    /// Where.
    pub path: Option<PathFilter>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Not after this.
    pub until: Option<Timestamp>,
}

/// Which paths are meant.
#[derive(Debug, Clone)]
pub enum PathFilter {
    /// This one, and those below.
    Below(Path),
    /// Those that match.
    Pattern(PathGlob),
}

impl PathFilter {
    fn matches(&self, path: &Path) -> bool {
        match self {
            PathFilter::Below(above) => above.is_prefix_of(path),
            PathFilter::Pattern(pattern) => pattern.matches(path),
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum AuditItem {
    /// A change set moved the branch of an environment.
    Changed {
        /// When it was accepted.
        at: Timestamp,
        /// Who made it.
        account: Arc<str>,
        /// The environment.
        environment: Arc<str>,
        /// Its number.
        sequence: Sequence,
        /// The head of the branch then.
        revision: Option<Revision>,
        /// How many entries it changed that are asked for.
        entries: usize,
        /// The first of them.
        paths: Vec<Path>,
        /// What its commit says.
        message: String,
    },
    /// A commit of the settings' repository: settings, accounts, rules.
    SettingsChanged {
        /// When it was made.
        at: Timestamp,
        /// Who made it.
        account: Arc<str>,
        /// The commit.
        revision: Revision,
        /// What it says.
        message: String,
    },
    /// What is no commit.
    Recorded(Box<Entry>),
}

/// A page of what happened, newest first.
#[derive(Debug, Clone)]
pub struct AuditPage {
    /// The items.
    pub items: Vec<AuditItem>,
    /// Lines of the log that are no records, or were edited.
    pub damage: Vec<String>,
    /// Where the next page begins; none at the end.
    pub next: Option<AuditCursor>,
}

/// Where a page begins: in each of three lists that go back in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCursor {
    /// The next change set.
    sequence: u64,
    /// The record after the next one; none for the newest.
    before_record: Option<u64>,
    /// How many commits of the settings were passed.
    settings: usize,
}

impl fmt::Display for AuditCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.sequence, self.before_record.unwrap_or(0), self.settings)
    }
}

impl FromStr for AuditCursor {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, ServiceError> {
        let numbers: Option<Vec<u64>> = text.split('.').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[sequence, record, settings]) => {
                let before_record = (record > 0).then_some(record);
                Ok(AuditCursor { sequence, before_record, settings: settings as usize })
            }
            _ => Err(ServiceError::Cursor { reason: "give the `next` of the page before".to_owned() }),
        }
    }
}

impl AuditFilter {
    /// All that may have been done.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        [CHANGED, SETTINGS_CHANGED].into_iter().chain(What::NAMES)
    }

    /// What was done, as a question names it; or what there is.
    pub fn kind(text: &str) -> Result<String, String> {
        if Self::kinds().any(|kind| kind == text) {
            return Ok(text.to_owned());
        }
        let kinds: Vec<&str> = Self::kinds().collect();
        Err(format!("`what` is one of {}, not `{}`", kinds.join(", "), text.escape_debug()))
    }

    /// An environment, as a question names it. There may have been others than there are.
    pub fn environment(text: &str) -> Result<String, String> {
        match is_environment_name(text) {
            true => Ok(text.to_owned()),
            false => Err(format!(
                "`env` is the name of an environment, and none can be called `{}`",
                text.escape_debug()
            )),
        }
    }

    fn meets(&self, what: &str, account: Option<&str>, environment: Option<&str>, at: Timestamp) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.what, Some(what))
            && is(&self.account, account)
            && is(&self.environment, environment)
            && self.until.is_none_or(|until| at <= until)
    }

    fn is_over(&self, at: Timestamp) -> bool {
        self.since.is_some_and(|since| at < since)
    }
}

impl Core {
    /// What happened, newest first. Blocks.
    pub fn audit(
        &self,
        _grant: &AdminGrant,
        filter: &AuditFilter,
        cursor: Option<AuditCursor>,
        limit: usize,
    ) -> Result<AuditPage, ServiceError> {
        self.require_history()?;
        let covered = self.history.covered();
        let mut at = cursor.unwrap_or(AuditCursor { sequence: covered.0, before_record: None, settings: 0 });
        if at.sequence > covered.0 {
            let reason = format!("it names change set {}, and the newest is {covered}", at.sequence);
            return Err(ServiceError::Cursor { reason });
        }
        let meta = self.meta.reader();
        let mut sources = Sources {
            core: self,
            reader: self.repository.reader(),
            settings: SettingsCommits::begin(self, &meta, at.settings)?.peekable(),
            records: read_back(self.audit.dir(), at.before_record).peekable(),
            damage: Vec::new(),
        };
        let (mut items, mut next) = (Vec::new(), None);
        for scanned in 0.. {
            if items.len() >= limit || scanned == MOST_SCANNED {
                next = Some(at);
                break;
            }
            let Some(newest) = sources.newest(&at)? else { break };
            if filter.is_over(newest.1) {
                break;
            }
            match newest.0 {
                Source::Change => {
                    sources.change(Sequence(at.sequence), filter, &mut items)?;
                    at.sequence -= 1;
                }
                Source::Settings => {
                    at.settings += 1;
                    items.extend(sources.settings(filter)?);
                }
                Source::Record => {
                    if let Some(entry) = sources.record() {
                        at.before_record = Some(entry.number);
                        items.extend(met(entry, filter));
                    }
                }
            }
        }
        Ok(AuditPage { items, damage: sources.damage, next })
    }
}

enum Source {
    Change,
    Settings,
    Record,
}

/// A record, where it is asked for.
fn met(entry: Entry, filter: &AuditFilter) -> Option<AuditItem> {
    let (account, environment) = (entry.account.as_deref(), entry.environment.as_deref());
    let is_there = |filter: &PathFilter| {
        entry
            .path
            .as_deref()
            .and_then(|path| path.parse::<Path>().ok())
            .is_some_and(|path| filter.matches(&path))
    };
    let is_met = filter.meets(entry.what.as_str(), account, environment, entry.at)
        && filter.path.as_ref().is_none_or(is_there);
    is_met.then(|| AuditItem::Recorded(Box::new(entry)))
}

/// The three lists, each from where a page stands.
struct Sources<'a, S: Iterator> {
    core: &'a Core,
    reader: Reader,
    settings: Peekable<S>,
    records: Peekable<audit::ReadBack>,
    damage: Vec<String>,
}

/// A commit of the settings.
struct SettingsCommit {
    at: Timestamp,
    account: Arc<str>,
    revision: Revision,
    message: String,
}

impl<S: Iterator<Item = Result<SettingsCommit, ServiceError>>> Sources<'_, S> {
    /// Which of the lists goes on with what happened last, and when that was.
    fn newest(&mut self, at: &AuditCursor) -> Result<Option<(Source, Timestamp)>, ServiceError> {
        let mut newest = None;
        let mut offer = |source, time: Timestamp| {
            if newest.as_ref().is_none_or(|(_, known)| time > *known) {
                newest = Some((source, time));
            }
        };
        let end = self.core.history.base().unwrap_or_default();
        if at.sequence > end.0 {
            offer(Source::Change, self.core.change_set(at.sequence)?.time);
        }
        match self.settings.peek() {
            Some(Ok(commit)) => offer(Source::Settings, commit.at),
            Some(Err(_)) => {
                if let Some(Err(error)) = self.settings.next() {
                    return Err(error);
                }
            }
            None => {}
        }
        while let Some(Err(error)) = self.records.next_if(Result::is_err) {
            if self.damage.len() < MOST_PATHS {
                self.damage.push(error.to_string());
            }
        }
        if let Some(Ok(entry)) = self.records.peek() {
            offer(Source::Record, entry.at);
        }
        Ok(newest)
    }

    fn record(&mut self) -> Option<Entry> {
        self.records.next()?.ok()
    }

    fn settings(&mut self, filter: &AuditFilter) -> Result<Option<AuditItem>, ServiceError> {
        let Some(SettingsCommit { at, account, revision, message }) = self.settings.next().transpose()?
        else {
            return Ok(None);
        };
        let is_met = filter.path.is_none() && filter.meets(SETTINGS_CHANGED, Some(&account), None, at);
        Ok(is_met.then_some(AuditItem::SettingsChanged { at, account, revision, message }))
    }

    /// What a change set did, environment by environment.
    fn change(
        &mut self,
        sequence: Sequence,
        filter: &AuditFilter,
        items: &mut Vec<AuditItem>,
    ) -> Result<(), ServiceError> {
        let change_set = self.core.change_set(sequence.0)?;
        let environments = self.core.environments();
        let mut versions = None;
        for step in &change_set.moves {
            let named = environments.iter().find(|environment| environment.branch == step.branch);
            let environment = named.map_or_else(|| step.branch.clone(), |found| found.name.clone());
            let (at, account) = (change_set.time, change_set.account.clone());
            if !filter.meets(CHANGED, Some(&account), Some(&environment), at) {
                continue;
            }
            let versions = match &versions {
                Some(versions) => versions,
                None => versions.insert(self.core.history.versions_of(sequence)?),
            };
            let changed: Vec<&Path> = versions
                .iter()
                .filter(|version| version.branch == step.branch)
                .map(|version| &version.path)
                .filter(|path| filter.path.as_ref().is_none_or(|glob| glob.matches(path)))
                .collect();
            if changed.is_empty() && filter.path.is_some() {
                continue;
            }
            let commit = step.new.map(|new| unless_pruned(self.reader.commit(new))).transpose()?.flatten();
            items.push(AuditItem::Changed {
                at,
                account,
                environment,
                sequence,
                revision: step.new,
                entries: changed.len(),
                paths: changed.into_iter().take(MOST_PATHS).cloned().collect(),
                message: commit.map(|commit| plain_message(&commit.message)).unwrap_or_default(),
            });
        }
        Ok(())
    }
}

/// The commits of the settings, newest first.
struct SettingsCommits<'a> {
    reader: &'a Reader,
    next: Option<Revision>,
}

impl<'a> SettingsCommits<'a> {
    fn begin(core: &Core, reader: &'a Reader, passed: usize) -> Result<Self, ServiceError> {
        let mut commits = SettingsCommits { reader, next: core.meta.find_ref(META_BRANCH)?.id() };
        for _ in 0..passed {
            if commits.next().transpose()?.is_none() {
                break;
            }
        }
        Ok(commits)
    }
}

impl Iterator for SettingsCommits<'_> {
    type Item = Result<SettingsCommit, ServiceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let revision = self.next.take()?;
        let commit = match self.reader.commit(revision) {
            Ok(commit) => commit,
            Err(error) => return Some(Err(error.into())),
        };
        self.next = commit.parents.first().copied();
        Some(Ok(SettingsCommit {
            at: commit.time,
            account: commit.author.clone(),
            revision,
            message: plain_message(&commit.message),
        }))
    }
}

/// What a look at a whole audit log came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// How many records there are.
    pub records: u64,
    /// The last of them.
    pub head: Option<Head>,
    /// How many heads of what is there the journal holds, all of which were looked for.
    pub anchors: usize,
    /// What is wrong, and where.
    pub faults: Vec<String>,
}

/// Looks through the audit log of a project, and compares it with what its journal says of it. It needs no lock, and
/// works beside a server. `from` is the record that the log begins with, where earlier ones were archived; `progress` hears how many
/// bytes were read, and of how many. Blocks.
pub fn verify_audit(
    dir: &FilePath,
    _grant: &AdminGrant,
    from: Option<u64>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<AuditReport, ServiceError> {
    let repository = Repository::open(dir.join(CONFIG_REPOSITORY))
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut anchors: Vec<Head> = Vec::new();
    let mut faults = Vec::new();
    // Before the log is read: what the journal says was durable by then.
    if let Some(tip) = repository.find_ref(journal::REF)?.id() {
        let reader = repository.reader();
        for batch in journal::batches(&reader, tip) {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    faults.push(format!("the journal: {error}"));
                    break;
                }
            };
            for (_, value) in batch.trailers.iter().filter(|(key, _)| key == AUDIT_TRAILER) {
                match value.parse::<Head>() {
                    // Batches between two records say the same.
                    Ok(head) if anchors.last() == Some(&head) => {}
                    Ok(head) => anchors.push(head),
                    Err(error) => faults.push(format!("the journal's commit {}: {error}", batch.commit)),
                }
            }
        }
    }
    anchors.reverse();
    let expected = Expected { from, anchors: &anchors };
    let told = audit::verify(&dir.join(AUDIT), expected, &mut |at| progress(at.bytes, at.of_bytes));
    let (mut records, mut head) = match told {
        Ok(verified) => (verified.records, Some(verified.head).filter(|head| head.number > 0)),
        Err(found) => {
            faults.extend(found.iter().map(ToString::to_string));
            (0, None)
        }
    };
    // A log of which nothing is there, or nothing that was asked for, vouches for nothing.
    let last = head.as_ref().map_or(0, |head| head.number);
    if let Some(from) = from.filter(|from| faults.is_empty() && *from > 1 && (records == 0 || *from > last)) {
        let ends =
            if records == 0 { "has no records".to_owned() } else { format!("ends with record {last}") };
        faults.push(format!("record {from} is not there: the log {ends}"));
        (records, head) = (0, None);
    }
    // What was archived is not looked at, whatever the journal says of it.
    let first = head.as_ref().map_or(0, |head| (head.number + 1).saturating_sub(records));
    let anchors = anchors.iter().filter(|anchor| anchor.number >= first).count();
    Ok(AuditReport { records, head, anchors, faults })
}
