use std::fmt::Write as _;

use super::name::names;
use super::{BundleEntry, BundleFault, BundleOrigin, fault, headline, text_of};

/// The format that `java.util.Properties.load` reads: in ISO 8859-1, so that all else is escaped.
pub(super) fn write(origin: &BundleOrigin, entries: &[BundleEntry]) -> Result<String, Vec<BundleFault>> {
    let name = |path: &crate::model::Path| {
        let path = if path.is_root() { &origin.path } else { path };
        let segments: Vec<_> = path.segments().collect();
        Ok(if path == &origin.path {
            segments.last().cloned().unwrap_or_default().into_owned()
        } else {
            segments.join(".")
        })
    };
    let names = names(entries, name)?;
    let mut text = String::new();
    let _ = writeln!(text, "# {}", escaped(&headline(origin), false));
    let mut faults = Vec::new();
    for (name, entry) in names.iter().zip(entries) {
        match text_of(&entry.value) {
            Ok(value) => {
                let _ = writeln!(text, "{}={}", escaped(name, true), escaped(&value, false));
            }
            Err(reason) => faults.push(fault(&entry.path, reason)),
        }
    }
    if faults.is_empty() { Ok(text) } else { Err(faults) }
}

/// Escapes as `java.util.Properties.store` does; of a key also what would end it.
fn escaped(text: &str, is_key: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            ' ' if is_key || at == 0 => out.push_str("\\ "),
            '=' | ':' | '#' | '!' if is_key => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{entries, origin};
    use super::*;

    #[test]
    fn keys_and_values_are_escaped() {
        let list = entries(&[
            ("/database/host", "\"db\""),
            ("/a b/c=d", "\" x\""),
            ("/uni", "\"ä😀\\n\\\\\""),
            ("/n", "1.50"),
            ("/list", "[1]"),
        ]);
        assert_eq!(
            write(&origin("/app"), &list).unwrap(),
            "# /app of prod, change set 7, revision abc\n\
             database.host=db\n\
             a\\ b.c\\=d=\\ x\n\
             uni=\\u00e4\\ud83d\\ude00\\n\\\\\n\
             n=1.50\n\
             list=[1]\n"
        );
        assert!(write(&origin("/app/port"), &entries(&[("/", "1")])).unwrap().ends_with("\nport=1\n"));
        let twice = entries(&[("/a.b", "1"), ("/a/b", "2")]);
        assert!(write(&origin("/x"), &twice).is_err());
    }
}
