use std::borrow::Cow;

use crate::model::Path;

/// A text with references in it, in the order of its parts.
///
/// `${NAME}` is a variable, `${NAME:default}` one that may be missing, `${ref:/path}` what stands at another path,
/// `${secret:name}` a secret, `${with.NAME}` what an extending document gives its template. `$${` is `${` itself.
/// Anything else that begins with `${` is refused, so that a mistake is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression<'a> {
    /// The parts, none of them an empty text.
    pub parts: Vec<Part<'a>>,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text that stands for itself.
    Text(Cow<'a, str>),
    /// A reference, and how it is written.
    Reference(Reference<'a>, &'a str),
}

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<'a> {
    /// A variable, and the scalar of YAML that counts where there is none.
    Variable {
        /// Its name.
        name: &'a str,
        /// The default.
        default: Option<&'a str>,
    },
    /// What stands at a path of the same view.
    Path(Path),
    /// A secret by its name.
    Secret(&'a str),
    /// A parameter of a template.
    With(&'a str),
}

/// Why a text cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// `${` without its end.
    #[error("`{0}` has no closing `}}`; a literal `${{` is written `$${{`")]
    Unclosed(String),
    /// What stands between the braces is none of the references.
    #[error("`{text}` is no reference: {reason}; a literal `${{` is written `$${{`")]
    Malformed {
        /// The reference as it is written.
        text: String,
        /// What is wrong.
        reason: String,
    },
}

/// The longest name of a variable, a parameter or a secret, in bytes.
const MOST_NAME_BYTES: usize = 128;

/// How much of a reference a message shows, in characters.
const MOST_SHOWN: usize = 60;

impl<'a> Expression<'a> {
    /// Reads a text.
    ///
    /// ```
    /// use confgit::resolve::{Expression, Part, Reference};
    /// let expression = Expression::parse("db-${REGION:eu}$${x}").unwrap();
    /// assert_eq!(expression.parts.len(), 3);
    /// let reference = Reference::Variable { name: "REGION", default: Some("eu") };
    /// assert_eq!(expression.parts[1], Part::Reference(reference, "${REGION:eu}"));
    /// assert_eq!(expression.parts[2], Part::Text("${x}".into()));
    /// ```
    pub fn parse(text: &'a str) -> Result<Self, ExpressionError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let is_escaped = rest[..at].ends_with('$');
            if is_escaped {
                push_text(&mut parts, &rest[..at - 1]);
                push_text(&mut parts, "${");
                rest = &rest[at + 2..];
                continue;
            }
            push_text(&mut parts, &rest[..at]);
            let from = &rest[at..];
            let Some(end) = from.find('}') else {
                return Err(ExpressionError::Unclosed(shown(from)));
            };
            let written = &from[..=end];
            let reference = reference(&written[2..end])
                .map_err(|reason| ExpressionError::Malformed { text: shown(written), reason })?;
            parts.push(Part::Reference(reference, written));
            rest = &from[end + 1..];
        }
        push_text(&mut parts, rest);
        Ok(Expression { parts })
    }

    /// The only part, where that is a reference: the value is what it names, of whatever type.
    pub fn whole(&self) -> Option<&Reference<'a>> {
        match &self.parts[..] {
            [Part::Reference(reference, _)] => Some(reference),
            _ => None,
        }
    }

    /// The references in it.
    pub fn references(&self) -> impl Iterator<Item = &Reference<'a>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference, _) => Some(reference),
            Part::Text(_) => None,
        })
    }
}

fn push_text<'a>(parts: &mut Vec<Part<'a>>, text: &'a str) {
    if text.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(Part::Text(before)) => before.to_mut().push_str(text),
        _ => parts.push(Part::Text(Cow::Borrowed(text))),
    }
}

fn reference(inside: &str) -> Result<Reference<'_>, String> {
    if let Some(path) = inside.strip_prefix("ref:") {
        if !path.starts_with('/') {
            return Err("a path begins with `/`".to_owned());
        }
        let path: Path = path.parse().map_err(|error| format!("`{path}` is no path: {error}"))?;
        return if path.is_root() {
            Err("it names everything, itself included".to_owned())
        } else {
            Ok(Reference::Path(path))
        };
    }
    if let Some(name) = inside.strip_prefix("secret:") {
        return if is_secret_name(name) {
            Ok(Reference::Secret(name))
        } else {
            Err("a secret's name has letters, digits, `-`, `_` and `.`".to_owned())
        };
    }
    if let Some(name) = inside.strip_prefix("with.") {
        return if is_name(name) {
            Ok(Reference::With(name))
        } else {
            Err("a parameter's name has letters, digits, `-` and `_`".to_owned())
        };
    }
    let (name, default) = match inside.split_once(':') {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if is_name(name) {
        Ok(Reference::Variable { name, default })
    } else {
        Err("expected `${NAME}`, `${NAME:default}`, `${ref:/path}` or `${secret:name}`".to_owned())
    }
}

fn is_name(name: &str) -> bool {
    let usual = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    usual && !name.is_empty() && name.len() <= MOST_NAME_BYTES
}

/// Whether a secret may have this name: one that is also a plain file name.
pub fn is_secret_name(name: &str) -> bool {
    let usual = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    usual && !name.is_empty() && !name.starts_with('.') && name.len() <= MOST_NAME_BYTES
}

fn shown(text: &str) -> String {
    if text.chars().count() <= MOST_SHOWN {
        return text.to_owned();
    }
    text.chars().take(MOST_SHOWN).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> String {
        let show = |part: &Part<'_>| match part {
            Part::Text(text) => format!("[{text}]"),
            Part::Reference(reference, written) => {
                let kind = match reference {
                    Reference::Variable { name, default } => format!("var {name} {default:?}"),
                    Reference::Path(path) => format!("ref {path}"),
                    Reference::Secret(name) => format!("secret {name}"),
                    Reference::With(name) => format!("with {name}"),
                };
                assert!(text.contains(written));
                format!("<{kind}>")
            }
        };
        match Expression::parse(text) {
            Ok(expression) => expression.parts.iter().map(show).collect(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn texts_are_taken_apart() {
        for (text, expected) in [
            ("", ""),
            ("plain $ {x}", "[plain $ {x}]"),
            ("${A}", "<var A None>"),
            ("a${A:}b", "[a]<var A Some(\"\")>[b]"),
            ("${A:http://x:1}", "<var A Some(\"http://x:1\")>"),
            ("${ref:/a/b}${ref:/c.d}", "<ref /a/b><ref /c.d>"),
            ("${secret:db-password}", "<secret db-password>"),
            ("${with.port}", "<with port>"),
            ("$${A}", "[${A}]"),
            ("x$$${A}", "[x$${A}]"),
            ("$$${A}${B}", "[$${A}]<var B None>"),
            ("ä${A}ö", "[ä]<var A None>[ö]"),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (text, expected) in [
            ("${A", "`${A` has no closing `}`"),
            ("a ${", "`${` has no closing `}`"),
            ("${}", "`${}` is no reference: expected"),
            ("${A B}", "`${A B}` is no reference"),
            ("${ref:/a//b}", "`/a//b` is no path"),
            ("${ref:a/b}", "a path begins with `/`"),
            ("${ref:/}", "it names everything"),
            ("${secret:../x}", "a secret's name has"),
            ("${secret:.x}", "a secret's name has"),
            ("${with.}", "a parameter's name has"),
        ] {
            assert!(parts(text).contains(expected), "{text}: {}", parts(text));
        }
        let long = format!("${{{}", "x".repeat(1000));
        assert!(parts(&long).len() < 200);
    }
}
