use std::borrow::Cow;

use crate::model::{Path, PathGlob, Value};
use crate::resolve::{FoundEntry, Merged};
use crate::snapshot::Entry;

/// What `q=` asks for: every word of it has to be met.
///
/// A word with a slash or a wildcard is a pattern for the path (see [`PathGlob`]); any other is looked for in
/// the path and in the value, whatever the case of its letters. Quotes keep blanks within a word.
///
/// ```
/// use confgit::service::Search;
/// assert!(Search::parse("").is_none() && Search::parse(" \"\" ").is_none());
/// assert!(Search::parse("/myapp/** \"db internal\"").is_some());
/// ```
#[derive(Debug, Clone)]
pub struct Search {
    patterns: Vec<PathGlob>,
    texts: Vec<Text>,
}

/// A text that is looked for.
#[derive(Debug, Clone)]
struct Text {
    /// In lower case.
    plain: String,
    /// The same as JSON writes it within a string.
    json: String,
}

/// How many words a search may have; further ones are not looked at.
const MOST_WORDS: usize = 16;

/// Entries below a path, in the order of their paths.
#[derive(Debug, Clone)]
pub struct EntryPage {
    /// The entries.
    pub entries: Vec<(Path, FoundEntry)>,
    /// The path after which the next page begins; none at the end.
    pub next: Option<Path>,
}

impl Search {
    /// Reads a query; none when it asks for nothing.
    pub fn parse(query: &str) -> Option<Self> {
        let (mut patterns, mut texts) = (Vec::new(), Vec::new());
        for (word, is_quoted) in words(query).into_iter().take(MOST_WORDS) {
            if !is_quoted && PathGlob::is_glob(&word) {
                patterns.push(PathGlob::new(&word));
            } else {
                let plain = word.to_lowercase();
                let json = Value::String(plain.clone()).to_json();
                texts.push(Text { json: json.trim_matches('"').to_owned(), plain });
            }
        }
        (!patterns.is_empty() || !texts.is_empty()).then_some(Search { patterns, texts })
    }

    /// Whether an entry is one that is looked for.
    pub fn matches(&self, path: &Path, entry: &Entry) -> bool {
        self.patterns.iter().all(|pattern| pattern.matches(path))
            && self.texts.iter().all(|text| {
                contains_ignoring_case(path.as_str().as_bytes(), &text.plain)
                    || contains_ignoring_case(entry.json(), &text.json)
            })
    }
}

/// Words between blanks, or between quotes.
fn words(query: &str) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    for (index, part) in query.split('"').enumerate() {
        if index % 2 == 1 {
            words.push((part.to_owned(), true));
        } else {
            words.extend(part.split_whitespace().map(|word| (word.to_owned(), false)));
        }
    }
    words.retain(|(word, _)| !word.is_empty());
    words
}

/// From here on a needle is looked for in a lowered copy: byte by byte, a text that nearly holds it at every place
/// would be read once for each of its bytes.
const LONG: usize = 32;

/// Whether a text holds a needle that is in lower case.
fn contains_ignoring_case(text: &[u8], needle: &str) -> bool {
    if !needle.is_ascii() {
        let text = String::from_utf8_lossy(text);
        let text: Cow<'_, str> = text.to_lowercase().into();
        return memchr::memmem::find(text.as_bytes(), needle.as_bytes()).is_some();
    }
    let needle = needle.as_bytes();
    if needle.len() > LONG {
        return memchr::memmem::find(&text.to_ascii_lowercase(), needle).is_some();
    }
    let Some((&first, rest)) = needle.split_first() else { return true };
    if text.len() < needle.len() {
        return false;
    }
    let starts = &text[..=text.len() - needle.len()];
    let is_here = |at: usize| text[at + 1..=at + rest.len()].eq_ignore_ascii_case(rest);
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), starts).any(is_here)
}

/// The entries below a path that come after `after` and are looked for, at most `limit`. At the root, confgit's
/// own files are left out.
pub fn page(
    object: &Merged,
    at: &Path,
    after: Option<&Path>,
    limit: usize,
    search: Option<&Search>,
) -> EntryPage {
    let below = after.and_then(|after| after.strip_prefix(at));
    let skipped: Vec<Cow<'_, str>> = below.iter().flat_map(Path::segments).collect();
    let (mut entries, mut has_more) = (Vec::new(), false);
    object.visit_after(at, &skipped, &mut |path, found| {
        let is_hidden = at.is_root() && path.as_str().starts_with("/.confgit/");
        if is_hidden || search.is_some_and(|search| !search.matches(path, &found.entry)) {
            return true;
        }
        has_more = entries.len() == limit;
        if !has_more {
            entries.push((path.clone(), found.clone()));
        }
        !has_more
    });
    let next = if has_more { entries.last().map(|(path, _)| path.clone()) } else { None };
    EntryPage { entries, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_met_in_path_or_value() {
        let path: Path = "/myapp/database/host".parse().unwrap();
        let entry = Entry::new(&Value::from("DB \"main\".internal, Größe"), "f.yaml".into());
        for (query, expected) in [
            ("database", true),
            ("DATA", true),
            ("internal", true),
            ("db internal", true),
            ("db nowhere", false),
            ("\"db \\\"", false),
            ("größe", true),
            ("GRÖSSE", false),
            ("main", true),
            ("/myapp/**", true),
            ("/myapp/** INTERNAL", true),
            ("/other/** internal", false),
            ("*ost", true),
            ("h", true),
            ("zz", false),
            ("\"internal, g\"", true),
        ] {
            assert_eq!(Search::parse(query).unwrap().matches(&path, &entry), expected, "{query}");
        }
        assert!(!contains_ignoring_case(b"ab", "abc") && contains_ignoring_case(b"", ""));
    }
}
