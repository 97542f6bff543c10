use std::borrow::Cow;

use super::Path;

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
    Segment(Vec<char>),
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
            let part = if part == "**" { Part::Any } else { Part::Segment(part.chars().collect()) };
            // Two in a row say no more than one, and would be tried one against the other.
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        PathGlob { parts }
    }

    /// Whether a path is one that the pattern means.
    pub fn matches(&self, path: &Path) -> bool {
        let segments: Vec<Cow<'_, str>> = path.segments().collect();
        // Which parts of the pattern may come next after the segments so far: bit by bit, so that the time is
        // bounded by segments times parts.
        let mut reached = vec![false; self.parts.len() + 1];
        reached[0] = true;
        self.skip_any(&mut reached);
        for segment in &segments {
            let mut next = vec![false; reached.len()];
            for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| reached[*at]) {
                match part {
                    Part::Any if !segment.starts_with('.') => next[at] = true,
                    Part::Segment(pattern) if segment_matches(pattern, segment) => next[at + 1] = true,
                    _ => {}
                }
            }
            self.skip_any(&mut next);
            reached = next;
        }
        reached[self.parts.len()]
    }

    /// `**` may stand for nothing.
    fn skip_any(&self, reached: &mut [bool]) {
        for (at, part) in self.parts.iter().enumerate() {
            if reached[at] && *part == Part::Any {
                reached[at + 1] = true;
            }
        }
    }
}

/// The usual walk with one place to come back to: linear but for stars, and never exponential.
fn segment_matches(pattern: &[char], segment: &str) -> bool {
    if segment.starts_with('.') && matches!(pattern.first(), Some('*' | '?')) {
        return false;
    }
    let text: Vec<char> = segment.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, expected) in [
            ("/a/b", "/a/b", true),
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
        ] {
            assert_eq!(PathGlob::new(pattern).matches(&path.parse().unwrap()), expected, "{pattern} {path}");
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
