use super::name::{joined, names};
use super::{BundleEntry, BundleFault, BundleOrigin, fault, headline, text_of};
use crate::model::Path;

/// Variables, as a POSIX shell reads them with `.` and dotenv libraries from a file. Where the two would differ on a
/// value, it is refused.
pub(super) fn write(origin: &BundleOrigin, entries: &[BundleEntry]) -> Result<String, Vec<BundleFault>> {
    let names = names(entries, |path| variable(path, origin))?;
    let mut text = format!("# {}\n", headline(origin));
    let mut faults = Vec::new();
    for (name, entry) in names.iter().zip(entries) {
        match text_of(&entry.value).and_then(|value| quoted(&value)) {
            Ok(value) => text.push_str(&format!("{name}={value}\n")),
            Err(reason) => faults.push(fault(&entry.path, reason)),
        }
    }
    if faults.is_empty() { Ok(text) } else { Err(faults) }
}

/// The segments below the bundle's path, in capitals and parted by `_`; of an entry alone its own name.
fn variable(path: &Path, origin: &BundleOrigin) -> Result<String, String> {
    let own = if path.is_root() { origin.path.name().map(|name| Path::from_segments([name])) } else { None };
    let path = match &own {
        Some(Ok(own)) => own,
        _ => path,
    };
    let name = joined(path, "_", |c| c.is_ascii_alphanumeric(), '_').to_ascii_uppercase();
    match name.chars().next() {
        None => Err("the root has no name".to_owned()),
        Some(first) if first.is_ascii_digit() => Ok(format!("_{name}")),
        Some(_) => Ok(name),
    }
}

fn quoted(value: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,-".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return Ok(value.to_owned());
    }
    if value.contains(['\0', '\r']) {
        return Err("a carriage return or a zero byte cannot be in a variable".to_owned());
    }
    // Within single quotes a shell takes everything as it is; dotenv libraries know escapes there.
    if !value.contains(['\'', '\\']) {
        return Ok(format!("'{value}'"));
    }
    if !value.contains(['$', '`']) {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        return Ok(format!("\"{escaped}\""));
    }
    Err("shells and dotenv libraries read `$` or a backtick beside `'` or `\\` in different ways".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{entries, origin, reasons};
    use super::*;

    #[test]
    fn values_are_quoted_as_they_need_to_be() {
        let list = entries(&[
            ("/database/host", "\"db.example\""),
            ("/database/port", "5432"),
            ("/a.b/c-d", "true"),
            ("/1st", "\"\""),
            ("/quotes", "\"it's \\\"x\\\"\""),
            ("/dollar", "\"$HOME `id`\""),
            ("/lines", "\"a\\nb\""),
            ("/back", r#""a\\nb""#),
            ("/list", "[1,\"x y\"]"),
        ]);
        assert_eq!(
            write(&origin("/app"), &list).unwrap(),
            "# /app of prod, change set 7, revision abc\n\
             DATABASE_HOST=db.example\n\
             DATABASE_PORT=5432\n\
             A_B_C_D=true\n\
             _1ST=''\n\
             QUOTES=\"it's \\\"x\\\"\"\n\
             DOLLAR='$HOME `id`'\n\
             LINES='a\nb'\n\
             BACK=\"a\\\\nb\"\n\
             LIST='[1,\"x y\"]'\n"
        );
        assert!(write(&origin("/app/port"), &entries(&[("/", "1")])).unwrap().ends_with("\nPORT=1\n"));
    }

    #[test]
    fn what_would_be_read_otherwise_is_refused() {
        let list = entries(&[("/a-b", "1"), ("/a_b", "2")]);
        assert_eq!(
            reasons(write(&origin("/x"), &list).unwrap_err()),
            ["/a_b: it would be called `A_B`, as /a-b is"]
        );
        let list = entries(&[("/a", "\"$x's\""), ("/b", "\"a\\rb\""), ("/c", "1")]);
        let refused = reasons(write(&origin("/x"), &list).unwrap_err());
        assert_eq!(refused.len(), 2);
        assert!(refused[0].contains("in different ways") && refused[1].contains("carriage return"));
    }
}
