//! Bytes of any kind, given to the reader and to the editor.

use confgit::document::{Change, Format, Op, edit, read};
use confgit::model::Limits;
use proptest::prelude::*;

use super::values::{config, lookup, same, value};

fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        "[ab1 \n\r\t:#'\"{}\\[\\],.~é=&*!|>%@`?<_-]{0,60}".prop_map(String::into_bytes),
        prop::collection::vec(
            prop::sample::select(vec![
                "a: ",
                "b:",
                "\n",
                "\n",
                "  ",
                "- ",
                "{",
                "}",
                "[",
                "]",
                ", ",
                "&x ",
                "*x",
                "<<: ",
                "|\n",
                ">-\n",
                "# c",
                "'s'",
                "\"d\"",
                "!!str ",
                "? ",
                "---\n",
                "...\n",
                "1",
                "\t",
                "\r\n",
                "[t]\n",
                "[[u]]\n",
                "a = 1\n",
                "b.c = { d = 2 }\n",
                "= ",
                "\"a\": ",
                "\u{feff}",
                "~",
                "%YAML 1.2\n",
                "|+\n",
                "|2\n",
                "\"\"\"",
                "'''",
            ]),
            0..16,
        )
        .prop_map(|parts| parts.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(config(3000))]

    /// Whatever the bytes, nothing panics, and what an edit gives says what was asked.
    #[test]
    fn no_bytes_break_the_reader_or_the_editor(bytes in noise(), new in value(true), path in prop::collection::vec("[abt]", 0..3)) {
        let limits = Limits::default();
        for format in [Format::Yaml, Format::Json, Format::Toml, Format::Text, Format::Raw] {
            if let Ok(document) = read(format, &bytes, &limits) {
                let _ = document.position_of(&path);
            }
            for op in [Op::Set(new.clone()), Op::Remove] {
                let is_set = matches!(op, Op::Set(_));
                let Ok(edited) = edit(format, &bytes, &[Change { keys: &path, op }], &limits) else { continue };
                let again = read(format, &edited.bytes, &limits).expect("was read before");
                prop_assert_eq!(again.value(), edited.document.value());
                let found = lookup(again.value(), &path);
                let done = if is_set { found.is_some_and(|found| same(&new, found)) } else { path.is_empty() || found.is_none() };
                prop_assert!(done);
            }
        }
    }
}
