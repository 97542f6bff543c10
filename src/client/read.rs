use super::transport::Call;
use super::{Client, ClientError, Export, Listing, Moment, Node, Place};
use crate::model::Path;
use crate::wire::{Entries, Entry, Explanation, HistoryItem, Json, Status};

/// Names that mean an operation at the end of an address, unless `literal=true` says otherwise.
const OPERATIONS: [&str; 4] = ["history", "diff", "explain", "rollback"];

/// How many entries, and how many versions, are asked for at once: as many as a server gives.
const ENTRIES_PER_PAGE: usize = 10_000;
const VERSIONS_PER_PAGE: usize = 1_000;

impl Client {
    /// What stands at a path: an entry, or the names below.
    pub fn node(&self, place: &Place, moment: &Moment) -> Result<Node, ClientError> {
        let answer = self.transport.send(get(self.url("/api/config", place, moment, Vec::new())))?;
        self.transport.understood(Node::of_json(&answer.body))
    }

    /// All entries below a path, in the order of their paths.
    pub fn entries(&self, place: &Place, moment: &Moment) -> Result<Vec<Entry>, ClientError> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = vec![("recursive", "true".to_owned()), ("limit", ENTRIES_PER_PAGE.to_string())];
            query.extend(after.take().map(|after| ("after", after)));
            let page: Entries = self.transport.json(get(self.url("/api/config", place, moment, query)))?;
            all.extend(page.entries);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// The bare value at a path, objects included: all of one moment.
    pub fn value(&self, place: &Place, moment: &Moment) -> Result<Json, ClientError> {
        self.transport.json(get(self.url("/v1/config", place, moment, Vec::new())))
    }

    /// All that services read below a path, as one text for another tool.
    pub fn export(&self, place: &Place, wanted: &Export) -> Result<Vec<u8>, ClientError> {
        let mut query = vec![("format", wanted.format.to_owned())];
        query.push(("resolve", wanted.with_secrets.to_string()));
        query.extend(wanted.name.clone().map(|name| ("name", name)));
        Ok(self.transport.send(get(self.url("/v1/config", place, &wanted.moment, query)))?.body)
    }

    /// The names right below a path.
    pub fn list(&self, place: &Place, moment: &Moment) -> Result<Listing, ClientError> {
        let mut all = Listing { path: place.path.to_string(), entries: Vec::new(), next: None };
        loop {
            let mut query = vec![("list", "true".to_owned()), ("limit", ENTRIES_PER_PAGE.to_string())];
            query.extend(all.next.take().map(|after| ("after", after)));
            let page: Listing = self.transport.json(get(self.url("/api/config", place, moment, query)))?;
            all.entries.extend(page.entries);
            all.next = page.next;
            if all.next.is_none() {
                return Ok(all);
            }
        }
    }

    /// At most so many versions of an entry, newest first.
    pub fn history(&self, place: &Place, most: usize) -> Result<Vec<HistoryItem>, ClientError> {
        let mut query = vec![("limit", most.clamp(1, VERSIONS_PER_PAGE).to_string())];
        query.extend(place.env.clone().map(|env| ("env", env)));
        let mut url = self.server().url("/api/config", &place.path, "/history", &query);
        let mut all: Vec<HistoryItem> = Vec::new();
        loop {
            let answer = self.transport.send(get(url))?;
            let page: Vec<HistoryItem> = self.transport.parse(&answer)?;
            let is_empty = page.is_empty();
            all.extend(page);
            match answer.next.and_then(|next| self.server().join(&next)) {
                Some(next) if all.len() < most && !is_empty => url = next,
                _ => break,
            }
        }
        all.truncate(most);
        Ok(all)
    }

    /// Why an environment shows what it shows at a path.
    pub fn explain(&self, place: &Place, at: Option<&str>) -> Result<Explanation, ClientError> {
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(place.env.clone().map(|env| ("env", env)));
        query.extend(at.map(|at| ("at", at.to_owned())));
        self.transport.json(get(self.server().url("/api/config", &place.path, "/explain", &query)))
    }

    /// How the server is.
    pub fn status(&self) -> Result<Status, ClientError> {
        self.transport.json(get(self.server().url("/api/status", &Path::root(), "", &[])))
    }

    /// Whether values can be read and written there. Needs no key.
    pub fn is_ready(&self) -> Result<bool, ClientError> {
        let call = get(self.server().url("/readyz", &Path::root(), "", &[]));
        match self.transport.status(call)? {
            200 => Ok(true),
            503 => Ok(false),
            other => Err(self.transport.unintelligible(format!("it answered {other}"))),
        }
    }

    /// The address of a path itself: never of an operation that is spelled like its end.
    pub(super) fn url(
        &self,
        prefix: &str,
        place: &Place,
        moment: &Moment,
        mut query: Vec<(&str, String)>,
    ) -> String {
        query.extend(place.env.clone().map(|env| ("env", env)));
        match moment {
            Moment::Now => {}
            Moment::Version(version) => query.push(("version", version.to_string())),
            Moment::At(point) => query.push(("at", point.clone())),
        }
        if is_ambiguous(&place.path) {
            query.push(("literal", "true".to_owned()));
        }
        self.server().url(prefix, &place.path, "", &query)
    }
}

fn is_ambiguous(path: &Path) -> bool {
    let ends_like_operation = path.name().is_some_and(|name| OPERATIONS.contains(&&*name));
    ends_like_operation || path.segments().next().is_some_and(|first| first == "env")
}

/// A request that reads.
pub(super) fn get(url: String) -> Call<'static> {
    Call { method: "GET", url, headers: Vec::new(), body: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_named_like_operations_are_asked_for_literally() {
        for (path, ambiguous) in [
            ("/a/history", true),
            ("/history/a", false),
            ("/env/prod/a", true),
            ("/a/env", false),
            ("/", false),
        ] {
            assert_eq!(is_ambiguous(&path.parse().unwrap()), ambiguous, "{path}");
        }
    }
}
