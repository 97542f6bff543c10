//! TOML through toml_edit: reading, editing by splicing bytes at its spans, writing.

mod edit;
mod read;
mod write;

pub(super) use edit::edit;
pub(super) use read::{find, read};
pub(super) use write::emit;

#[cfg(test)]
mod tests {
    use super::super::testing::change_in;
    use super::super::{EditError, Format};

    #[test]
    fn edits() {
        for (before, changes, after) in [
            ("a = 1 # one\nb = 2\n", &["a=10"][..], "a = 10 # one\nb = 2\n"),
            ("a = 'x'\n", &["a=\"y\""], "a = 'y'\n"),
            ("a = 'x'\n", &["a=\"it's\""], "a = \"it's\"\n"),
            ("t = 1979-05-27 # d\na = 1\n", &["a=2"], "t = 1979-05-27 # d\na = 2\n"),
            ("n = 1_000\na = 1\n", &["a=2"], "n = 1_000\na = 2\n"),
            ("a = 1\n", &["b=2"], "a = 1\nb = 2\n"),
            ("a = 1", &["b=2"], "a = 1\nb = 2\n"),
            ("", &["a/b=2"], "[a]\nb = 2\n"),
            ("# c\n", &["b=2"], "b = 2\n# c\n"),
            ("# c\n[t]\nx = 1\n", &["a=2"], "a = 2\n# c\n[t]\nx = 1\n"),
            (
                "[t]\nx = 1 # c\n\n# about u\n[u]\ny = 1\n",
                &["t/z=\"s\""],
                "[t]\nx = 1 # c\nz = \"s\"\n\n# about u\n[u]\ny = 1\n",
            ),
            ("[t]\nx = 1\n\n[u]\ny = 1\n", &["t/s={\"k\":1}"], "[t]\nx = 1\n\n[t.s]\nk = 1\n\n[u]\ny = 1\n"),
            ("[t.s]\nx = 1\n", &["t/y=1"], "[t.s]\nx = 1\n\n[t]\ny = 1\n"),
            ("a.b = 1\nz = 1\n", &["a/c=2"], "a.b = 1\na.c = 2\nz = 1\n"),
            ("a.b = 1\n", &["a/c/d=2"], "a.b = 1\na.c = { d = 2 }\n"),
            ("i = { x = 1, t = 1979-05-27 } # c\n", &["i/x=2"], "i = { x = 2, t = 1979-05-27 } # c\n"),
            ("i = { x = 1, y = 2 }\n", &["i/x", "i/z=3"], "i = { y = 2, z = 3 }\n"),
            ("# top\n\n# about a\na = 1\nb = 2\n", &["a"], "# top\n\nb = 2\n"),
            ("a = 1\n\n# about t\n[t]\nx = 1\n\n[u]\ny = 1\n", &["t"], "a = 1\n\n[u]\ny = 1\n"),
            ("[t]\nx = 1\n[u]\ny = 1\n", &["t/x"], "[u]\ny = 1\n"),
            ("[t]\nx = 1\n", &["t={}"], "[t]\n"),
            ("[t]\nx = 1\n", &["t=5"], "t = 5\n"),
            ("[[p]]\nx = 1\n[[p]]\nx = 2\n", &["p=[{\"x\":3}]"], "p = [{ x = 3 }]\n"),
            (
                "[[p]]\nx = 1 # c\n[[p]]\nx = 2\n",
                &["p=[{\"x\":1},{\"x\":2}]"],
                "[[p]]\nx = 1 # c\n[[p]]\nx = 2\n",
            ),
            ("a = 1\r\n", &["b/c=2"], "a = 1\r\n\r\n[b]\r\nc = 2\r\n"),
            ("a = [\n  1, # one\n]\nb = 1\n", &["b=2"], "a = [\n  1, # one\n]\nb = 2\n"),
            ("s = \"\"\"\nx\n\"\"\"\nb = 1\n", &["s"], "b = 1\n"),
        ] {
            assert_eq!(
                change_in(Format::Toml, before, changes).as_deref(),
                Ok(after),
                "{before} {changes:?}"
            );
        }
    }

    #[test]
    fn refusals() {
        for change in ["a=null", "a=[null]", "=5", "a/b=1e999"] {
            assert!(
                matches!(change_in(Format::Toml, "", &[change]), Err(EditError::CannotExpress(_))),
                "{change}"
            );
        }
    }
}
