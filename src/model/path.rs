use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// An absolute, case-sensitive configuration path such as `/myapp/database/host`.
///
/// The text form joins the segments with `/`. Inside a segment a `/` is written `%2F` and a `%` is
/// written `%25`; no other escape exists, so every text form names one path and every path has one
/// text form. The root is `/`, without segments.
///
/// ```
/// use confgit::model::Path;
/// let path: Path = "/myapp/routes/a%2Fb".parse().unwrap();
/// assert_eq!(path.segments().last().unwrap(), "a/b");
/// assert!("/myapp/../etc".parse::<Path>().is_err());
/// ```
///
/// Paths are ordered segment by segment, as one meets them walking a tree whose names are sorted: what is
/// below a path comes right after it.
///
/// ```
/// # use confgit::model::Path;
/// let path = |text: &str| text.parse::<Path>().unwrap();
/// assert!(path("/a") < path("/a/x") && path("/a/x") < path("/a-b"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path(Arc<str>);

impl Ord for Path {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.0.contains('%') || other.0.contains('%') {
            return self.segments().cmp(other.segments());
        }
        // No segment holds a control character, so zero is below everything but the end.
        let below_all = |byte: u8| if byte == b'/' { 0 } else { byte };
        self.0.bytes().map(below_all).cmp(other.0.bytes().map(below_all))
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a text names no configuration path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Two slashes in a row, or one at the end.
    #[error("segment {index} is empty")]
    EmptySegment {
        /// Which segment, from 1.
        index: usize,
    },
    /// A segment `.` or `..`.
    #[error("segment {index} is `{segment}`, which is not allowed")]
    DotSegment {
        /// Which segment, from 1.
        index: usize,
        /// The segment.
        segment: String,
    },
    /// NUL, a line break or another control character.
    #[error("segment {index} contains the control character U+{code:04X}")]
    ControlCharacter {
        /// Which segment, from 1.
        index: usize,
        /// The character's code point.
        code: u32,
    },
    /// More bytes than the limit.
    #[error("the path is {actual} bytes long; the limit is {limit}")]
    TooLong {
        /// Bytes in the text form.
        actual: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// More segments than the limit.
    #[error("the path has {actual} segments; the limit is {limit}")]
    TooDeep {
        /// Segments in the path.
        actual: usize,
        /// Segments allowed.
        limit: usize,
    },
}

impl Path {
    /// The most bytes a path's text form may have.
    pub const MAX_BYTES: usize = 1024;
    /// The most segments a path may have.
    pub const MAX_SEGMENTS: usize = 32;

    /// The path without segments.
    pub fn root() -> Self {
        Path(Arc::from("/"))
    }

    /// The path of these segments, each in its unescaped form.
    pub fn from_segments<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Result<Self, PathError> {
        let mut text = String::new();
        let mut count = 0;
        for segment in segments {
            count += 1;
            check_segment(count, segment.as_ref())?;
            text.push('/');
            push_escaped(&mut text, segment.as_ref());
        }
        Self::within_limits(text, count)
    }

    fn within_limits(text: String, segments: usize) -> Result<Self, PathError> {
        if text.len() > Self::MAX_BYTES {
            return Err(PathError::TooLong { actual: text.len(), limit: Self::MAX_BYTES });
        }
        if segments > Self::MAX_SEGMENTS {
            return Err(PathError::TooDeep { actual: segments, limit: Self::MAX_SEGMENTS });
        }
        Ok(if text.is_empty() { Self::root() } else { Path(text.into()) })
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the path without segments.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The unescaped segments, first to last.
    pub fn segments(&self) -> Segments<'_> {
        Segments { rest: if self.is_root() { None } else { Some(&self.0[1..]) } }
    }

    /// The last segment, unescaped; none for the root.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        if self.is_root() {
            return None;
        }
        self.0.rsplit('/').next().map(unescape)
    }

    /// The path one segment shorter; none for the root.
    pub fn parent(&self) -> Option<Path> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.rfind('/').unwrap_or(0);
        Some(if cut == 0 { Self::root() } else { Path(self.0[..cut].into()) })
    }

    /// This path with one more segment, given unescaped.
    pub fn child(&self, segment: &str) -> Result<Path, PathError> {
        let count = self.segments().count() + 1;
        check_segment(count, segment)?;
        let mut text = String::with_capacity(self.0.len() + 1 + segment.len());
        if !self.is_root() {
            text.push_str(&self.0);
        }
        text.push('/');
        push_escaped(&mut text, segment);
        Self::within_limits(text, count)
    }

    /// This path followed by the segments of another.
    pub fn join(&self, tail: &Path) -> Result<Path, PathError> {
        Self::from_segments(self.segments().chain(tail.segments()))
    }

    /// Whether this path is the other or lies above it.
    pub fn is_prefix_of(&self, other: &Path) -> bool {
        self.is_root()
            || other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What is left of this path below a prefix of it; none when it is no prefix.
    pub fn strip_prefix(&self, prefix: &Path) -> Option<Path> {
        if prefix.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&*prefix.0)?;
        match rest.as_bytes().first() {
            None => Some(Self::root()),
            Some(b'/') => Some(Path(rest.into())),
            Some(_) => None,
        }
    }
}

fn check_segment(index: usize, segment: &str) -> Result<(), PathError> {
    if segment.is_empty() {
        return Err(PathError::EmptySegment { index });
    }
    if segment == "." || segment == ".." {
        return Err(PathError::DotSegment { index, segment: segment.to_owned() });
    }
    match segment.chars().find(|c| c.is_control()) {
        Some(c) => Err(PathError::ControlCharacter { index, code: u32::from(c) }),
        None => Ok(()),
    }
}

fn push_escaped(text: &mut String, segment: &str) {
    if !segment.contains(['/', '%']) {
        return text.push_str(segment);
    }
    for c in segment.chars() {
        match c {
            '/' => text.push_str("%2F"),
            '%' => text.push_str("%25"),
            c => text.push(c),
        }
    }
}

pub(super) fn unescape(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut plain = String::with_capacity(segment.len());
    let mut rest = segment;
    // One pass from the left: `%252F` is the three characters `%2F`, not a slash.
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let (decoded, length) = match rest.as_bytes().get(at + 1..at + 3) {
            Some(b"2F" | b"2f") => ('/', 3),
            Some(b"25") => ('%', 3),
            _ => ('%', 1),
        };
        plain.push(decoded);
        rest = &rest[at + length..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

impl std::str::FromStr for Path {
    type Err = PathError;

    /// Reads the text form; a missing first `/` is forgiven, a `%` that starts no escape is itself.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let text = text.strip_prefix('/').unwrap_or(text);
        if text.is_empty() {
            return Ok(Self::root());
        }
        if text.len() > 3 * Self::MAX_BYTES {
            return Err(PathError::TooLong { actual: text.len(), limit: Self::MAX_BYTES });
        }
        Self::from_segments(text.split('/').map(unescape))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({})", self.0)
    }
}

/// The unescaped segments of a [`Path`].
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let (segment, tail) = match rest.split_once('/') {
            Some((segment, tail)) => (segment, Some(tail)),
            None => (rest, None),
        };
        self.rest = tail;
        Some(unescape(segment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_rejects() {
        for (text, expected) in [
            ("/", Ok("/")),
            ("", Ok("/")),
            ("a/b", Ok("/a/b")),
            ("/a%2Fb", Ok("/a%2Fb")),
            ("/100%", Ok("/100%25")),
            ("/a%252Fb", Ok("/a%252Fb")),
            ("//a", Err(PathError::EmptySegment { index: 1 })),
            ("/a/", Err(PathError::EmptySegment { index: 2 })),
            ("/a/..", Err(PathError::DotSegment { index: 2, segment: "..".into() })),
            ("/a\0", Err(PathError::ControlCharacter { index: 1, code: 0 })),
            ("/a\u{7f}", Err(PathError::ControlCharacter { index: 1, code: 0x7f })),
        ] {
            assert_eq!(
                text.parse::<Path>().as_ref().map(Path::as_str),
                expected.as_ref().copied(),
                "{text:?}"
            );
        }
        assert!(matches!("/a".repeat(33).parse::<Path>(), Err(PathError::TooDeep { actual: 33, limit: 32 })));
        assert!(matches!("a".repeat(1024).parse::<Path>(), Err(PathError::TooLong { actual: 1025, .. })));
    }

    #[test]
    fn an_escaped_percent_before_2f_is_no_slash() {
        let path = Path::from_segments(["a%2Fb"]).unwrap();
        assert_eq!(path.as_str(), "/a%252Fb");
        assert_eq!(path.name().unwrap(), "a%2Fb");
    }

    #[test]
    fn order_is_that_of_segments() {
        let texts =
            ["/", "/a", "/a/b", "/a/b/c", "/a!", "/a-b", "/a%25", "/a%2F", "/a%2Fx", "/a0", "/b", "/é"];
        let paths: Vec<Path> = texts.iter().map(|text| text.parse().unwrap()).collect();
        for a in &paths {
            for b in &paths {
                assert_eq!(a.cmp(b), a.segments().cmp(b.segments()), "{a} {b}");
                assert_eq!(a.cmp(b).is_eq(), a == b, "{a} {b}");
            }
        }
        let mut sorted = paths.clone();
        sorted.sort();
        let sorted: Vec<&str> = sorted.iter().map(Path::as_str).collect();
        let expected =
            ["/", "/a", "/a/b", "/a/b/c", "/a!", "/a%25", "/a-b", "/a%2F", "/a%2Fx", "/a0", "/b", "/é"];
        assert_eq!(sorted, expected);
    }

    #[test]
    fn prefixes() {
        let (a, ab, abc): (Path, Path, Path) =
            ("/a".parse().unwrap(), "/a/b".parse().unwrap(), "/a/bc".parse().unwrap());
        assert!(a.is_prefix_of(&ab) && ab.is_prefix_of(&ab) && !ab.is_prefix_of(&abc));
        assert_eq!(ab.strip_prefix(&a).unwrap().as_str(), "/b");
        assert_eq!(abc.strip_prefix(&ab), None);
        assert_eq!(ab.parent().unwrap(), a);
        assert_eq!(a.parent().unwrap(), Path::root());
        assert_eq!(a.join(&ab).unwrap().as_str(), "/a/a/b");
    }
}
