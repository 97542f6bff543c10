use super::Path;
use super::path::unescape;

/// A pattern for paths: `*` stands for any characters within a segment, `?` for one, `**` for any number of
/// segments. A pattern that does not begin with `/` may begin at any segment, as in a `.gitignore`.
///
/// Wildcards do not match a segment that begins with a dot, so that `.confgit` is only met by name.
///
/// ```
/// use confgit::model::{Path, PathGlob};
/// let path: Path = "/myapp/database/pool_size".parse().unwrap();
/// assert!(PathGlob::new("/myapp/**").matches(&path));
/// assert!(PathGlob::new("database/*_size").matches(&path));
/// assert!(!PathGlob::new("/database/*").matches(&path));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathGlob {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`.
    Any,
    /// One segment.
    Segment(String),
}

impl PathGlob {
    /// Whether a text has something that only a pattern has, or begins as a path does.
    pub fn is_glob(text: &str) -> bool {
        text.contains(['*', '?', '/'])
    }

    /// Reads a pattern; every text is one.
    pub fn new(text: &str) -> Self {
        let (rooted, rest) = match text.strip_prefix('/') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut parts = if rooted { Vec::new() } else { vec![Part::Any] };
        for part in rest.split('/').filter(|part| !part.is_empty()) {
            // As paths are written: a key that holds a slash spells it `%2F`.
            let part = if part == "**" { Part::Any } else { Part::Segment(unescape(part).into_owned()) };
            // Two in a row say no more than one, and would be tried one against the other.
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        PathGlob { parts }
    }

    /// The path of the segments before the first wildcard: the pattern means nothing that is not there or below.
    ///
    /// ```
    /// use confgit::model::PathGlob;
    /// assert_eq!(PathGlob::new("/services/*/db").place().as_str(), "/services");
    /// assert_eq!(PathGlob::new("db/**").place().as_str(), "/");
    /// ```
    pub fn place(&self) -> Path {
        let literal = self.parts.iter().map_while(|part| match part {
            Part::Segment(segment) if !segment.contains(['*', '?']) => Some(segment),
            _ => None,
        });
        Path::from_segments(literal).unwrap_or_else(|_| Path::root())
    }

    /// The first segment of every path that the pattern means; none where that may be any.
    pub fn first_literal(&self) -> Option<&str> {
        match self.parts.first() {
            Some(Part::Segment(segment)) if !segment.contains(['*', '?']) => Some(segment),
            _ => None,
        }
    }

    /// Whether it has more parts than a pattern may: then it means nothing.
    pub fn is_too_long(&self) -> bool {
        self.parts.len() >= MOST_PARTS
    }

    /// Whether a path is one that the pattern means.
    pub fn matches(&self, path: &Path) -> bool {
        !self.is_too_long() && self.after(path) & (1 << self.parts.len()) != 0
    }

    /// Whether the pattern may mean the path or something below it.
    pub fn reaches(&self, path: &Path) -> bool {
        self.after(path) != 0
    }

    /// Whether the pattern means the path and everything below it but what is hidden: names that begin with a dot.
    pub fn covers(&self, path: &Path) -> bool {
        self.parts.last() == Some(&Part::Any) && self.after(path) & (1 << (self.parts.len() - 1)) != 0
    }

    /// The parts of the pattern that may come next after a path, a bit for each; the bit after the last one stands for
    /// a pattern that is done. So the time is bounded by segments times parts.
    fn after(&self, path: &Path) -> u128 {
        // No path has as many segments as would need more bits.
        if self.is_too_long() {
            return 0;
        }
        let mut reached = self.skip_any(1);
        for segment in path.segments() {
            let mut next = 0;
            for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| reached & (1 << at) != 0) {
                match part {
                    Part::Any if !segment.starts_with('.') => next |= 1 << at,
                    Part::Segment(pattern) if segment_matches(pattern, &segment) => next |= 1 << (at + 1),
                    _ => {}
                }
            }
            reached = self.skip_any(next);
            if reached == 0 {
                break;
            }
        }
        reached
    }

    /// `**` may stand for nothing.
    fn skip_any(&self, mut reached: u128) -> u128 {
        for (at, part) in self.parts.iter().enumerate() {
            if *part == Part::Any && reached & (1 << at) != 0 {
                reached |= 1 << (at + 1);
            }
        }
        reached
    }
}

/// One `**` between any two of the most segments that a path may have, and some to spare.
const MOST_PARTS: usize = 100;

/// The usual walk with one place to come back to: linear but for stars, and never exponential.
fn segment_matches(pattern: &str, segment: &str) -> bool {
    if segment.starts_with('.') && pattern.starts_with(['*', '?']) {
        return false;
    }
    let (mut pattern, mut text) = (pattern, segment);
    let mut star: Option<(&str, &str)> = None;
    loop {
        let (mut wanted, mut found) = (pattern.chars(), text.chars());
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                pattern = wanted.as_str();
                star = Some((pattern, text));
            }
            (Some(c), Some(other)) if c == '?' || c == other => {
                (pattern, text) = (wanted.as_str(), found.as_str());
            }
            // The last star stands for one character more.
            _ => match star {
                Some((after, from)) if !from.is_empty() => {
                    let mut rest = from.chars();
                    rest.next();
                    (pattern, text) = (after, rest.as_str());
                    star = Some((after, text));
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, expected) in [
            ("/a/b", "/a/b", true),
            ("/a%2Fb/*", "/a%2Fb/c", true),
            ("/a%2Fb/*", "/a/b/c", false),
            ("/a/b", "/a/b/c", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/a", true),
            ("/**/c", "/a/b/c", true),
            ("/**/c", "/c", true),
            ("b/c", "/a/b/c", true),
            ("*.crt", "/certs/tls.crt", true),
            ("pool_*", "/a/pool_size", true),
            ("*a*b*c", "/xaxbxc", true),
            ("*a*b*c", "/xaxbx", false),
            ("h?st", "/host", true),
            ("h?st", "/hst", false),
            ("/**", "/.confgit/keys/a", false),
            ("/.confgit/**", "/.confgit/keys/a", true),
            ("/*", "/.hidden", false),
            ("", "/a", true),
            ("/", "/a", false),
            ("/**/**/x", "/a/b/x", true),
            ("/é*", "/éa", true),
            ("/?a", "/éa", true),
            ("*", "/é", true),
            ("a*", "/b", false),
            ("*é", "/xé", true),
        ] {
            assert_eq!(PathGlob::new(pattern).matches(&path.parse().unwrap()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_below() {
        for (pattern, path, reaches, covers) in [
            ("/a/**", "/", true, false),
            ("/a/**", "/a", true, true),
            ("/a/**", "/a/b/c", true, true),
            ("/a/**", "/b", false, false),
            ("/a/**", "/a/.b", false, false),
            ("/**", "/", true, true),
            ("/**", "/.confgit", false, false),
            ("/a/*", "/a", true, false),
            ("/a/*", "/a/b", true, false),
            ("/a/*", "/a/b/c", false, false),
            ("/*/x", "/a", true, false),
            ("/**/x", "/a/b", true, false),
            ("/a/*/**", "/a", true, false),
            ("/a/*/**", "/a/b", true, true),
            ("/a/b", "/a/b", true, false),
        ] {
            let (pattern, path) = (PathGlob::new(pattern), path.parse().unwrap());
            assert_eq!(
                (pattern.reaches(&path), pattern.covers(&path)),
                (reaches, covers),
                "{pattern:?} {path}"
            );
        }
    }

    #[test]
    fn hostile_patterns_end() {
        let pattern = format!("/{}", "*a".repeat(200));
        let path: Path = format!("/{}b", "a".repeat(900)).parse().unwrap();
        assert!(!PathGlob::new(&pattern).matches(&path));
        let pattern = "/**/a".repeat(100);
        let path: Path = "/a".repeat(31).parse().unwrap();
        assert!(!PathGlob::new(&pattern).matches(&path));
    }
}
