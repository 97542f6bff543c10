use super::read::get;
use super::{Client, ClientError, Comparison, Moment, Place, Sides};
use crate::model::Path;
use crate::wire::{Commit, CommitDetails, Commits, Diff, Entries, Entry, Environments, Whoami};

/// How many items are asked for at once: as many as a server gives.
const ITEMS_PER_PAGE: usize = 10_000;
const COMMITS_PER_PAGE: usize = 1_000;

impl Client {
    /// What differs between two sides, all pages of it.
    pub fn diff(&self, comparison: &Comparison) -> Result<Diff, ClientError> {
        let mut query: Vec<(&str, String)> = Vec::new();
        let (prefix, at, suffix) = match &comparison.sides {
            Sides::Versions { env, from, to } => {
                query.extend(env.clone().map(|env| ("env", env)));
                query.extend(from.map(|from| ("from", from.to_string())));
                query.extend(to.map(|to| ("to", to.to_string())));
                ("/api/config", comparison.path.clone(), "/diff")
            }
            Sides::Moments { env, from, to } => {
                query.extend(env.clone().map(|env| ("env", env)));
                query.push(("from", from.clone()));
                query.extend(to.clone().map(|to| ("to", to)));
                query.push(("path", comparison.path.to_string()));
                ("/api/diff", Path::root(), "")
            }
            Sides::Environments { from, to } => {
                query.extend([("from_env", from.clone()), ("to_env", to.clone())]);
                query.push(("path", comparison.path.to_string()));
                ("/api/diff", Path::root(), "")
            }
        };
        if suffix.is_empty() {
            query.push(("limit", ITEMS_PER_PAGE.to_string()));
        }
        let mut all: Option<Diff> = None;
        loop {
            let mut page_query = query.clone();
            page_query.extend(all.as_ref().and_then(|all| all.next.clone()).map(|after| ("after", after)));
            let page: Diff = self.transport.json(get(self.server().url(prefix, &at, suffix, &page_query)))?;
            let all = all.get_or_insert_with(|| Diff { changes: Vec::new(), ..page.clone() });
            all.changes.extend(page.changes);
            all.next = page.next;
            if all.next.is_none() {
                return Ok(all.clone());
            }
        }
    }

    /// At most so many commits of an environment, or of all, that changed something at or below a path.
    pub fn commits(&self, env: Option<&str>, path: &Path, most: usize) -> Result<Vec<Commit>, ClientError> {
        let mut all = Vec::new();
        let mut before: Option<String> = None;
        loop {
            let limit = (most - all.len()).min(COMMITS_PER_PAGE);
            let mut query = vec![("limit", limit.to_string()), ("path", path.to_string())];
            query.extend(env.map(|env| ("env", env.to_owned())));
            query.extend(before.take().map(|before| ("before", before)));
            let url = self.server().url("/api/commits", &Path::root(), "", &query);
            let page: Commits = self.transport.json(get(url))?;
            all.extend(page.commits);
            match page.next {
                Some(next) if all.len() < most => before = Some(next),
                _ => return Ok(all),
            }
        }
    }

    /// One commit with all that it changed.
    pub fn commit(&self, revision: &str, env: Option<&str>) -> Result<CommitDetails, ClientError> {
        let mut all: Option<CommitDetails> = None;
        // A point such as a tag with a slash is one segment of the address.
        let at = Path::from_segments([revision]).unwrap_or_else(|_| Path::root());
        loop {
            let mut query = vec![("limit", ITEMS_PER_PAGE.to_string())];
            query.extend(env.map(|env| ("env", env.to_owned())));
            query.extend(all.as_ref().and_then(|all| all.next.clone()).map(|after| ("after", after)));
            let url = self.server().url("/api/commits", &at, "", &query);
            let page: CommitDetails = self.transport.json(get(url))?;
            let all = all.get_or_insert_with(|| CommitDetails { changes: Vec::new(), ..page.clone() });
            all.changes.extend(page.changes);
            all.next = page.next;
            if all.next.is_none() {
                return Ok(all.clone());
            }
        }
    }

    /// The entries below a path that are looked for.
    pub fn search(&self, place: &Place, moment: &Moment, words: &str) -> Result<Vec<Entry>, ClientError> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = vec![("q", words.to_owned()), ("limit", ITEMS_PER_PAGE.to_string())];
            query.extend(after.take().map(|after| ("after", after)));
            let page: Entries = self.transport.json(get(self.url("/api/config", place, moment, query)))?;
            all.extend(page.entries);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// The environments.
    pub fn environments(&self) -> Result<Environments, ClientError> {
        self.transport.json(get(self.server().url("/api/environments", &Path::root(), "", &[])))
    }

    /// Who is calling.
    pub fn whoami(&self) -> Result<Whoami, ClientError> {
        self.transport.json(get(self.server().url("/api/whoami", &Path::root(), "", &[])))
    }
}
