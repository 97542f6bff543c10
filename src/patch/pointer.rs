use std::fmt;

/// A JSON Pointer (RFC 6901): the names and indices from the root of a value to one of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

/// Why a text is no JSON Pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// A pointer is empty or begins with a slash.
    #[error("a JSON Pointer is empty or begins with `/`")]
    NoSlash,
    /// A `~` that is not `~0` or `~1`.
    #[error("in a JSON Pointer `~` is written ~0 and `/` within a name ~1")]
    BadEscape,
}

impl Pointer {
    /// Reads the text form.
    ///
    /// ```
    /// use confgit::patch::Pointer;
    /// assert_eq!(Pointer::parse("/a~1b/m~0n/0").unwrap().tokens(), ["a/b", "m~n", "0"]);
    /// assert!(Pointer::parse("a").is_err() && Pointer::parse("/~2").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Pointer(Vec::new()));
        }
        let rest = text.strip_prefix('/').ok_or(PointerError::NoSlash)?;
        rest.split('/').map(unescape).collect::<Result<_, _>>().map(Pointer)
    }

    /// The names and indices, outermost first.
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// Whether the other points at this part or into it.
    pub(super) fn is_prefix_of(&self, other: &Pointer) -> bool {
        other.0.starts_with(&self.0)
    }
}

fn unescape(token: &str) -> Result<String, PointerError> {
    let mut plain = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(c) = characters.next() {
        match (c, c == '~') {
            (_, true) => match characters.next() {
                Some('0') => plain.push('~'),
                Some('1') => plain.push('/'),
                _ => return Err(PointerError::BadEscape),
            },
            (c, false) => plain.push(c),
        }
    }
    Ok(plain)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}
