//! `confgit tree`.

use crate::cli::{On, Ran, on_both};

fn tree(on: &On<'_>, locale: &str, arguments: &[&str]) -> Ran {
    on.command().env("LANG", locale).arg("tree").args(arguments).output().unwrap().into()
}

#[test]
fn a_tree_shows_values_versions_and_origins() {
    on_both(|on| {
        on.run(&["set", "/shop", r#"{"a": 1, "b": {"c": "no", "d": {"e": [1, 2]}}, "z": "x"}"#]).ok();
        on.run(&["set", "/shop/a", "2", "-e", "prod"]).ok();
        let drawn = tree(on, "en_GB.UTF-8", &["/shop", "--env", "prod"]).ok();
        let expected = "/shop\n\
            ├── a = 2  (version 1)\n\
            ├── b\n\
            │   ├── c = no  (version 1, from base)\n\
            │   └── d\n\
            │       └── e = [1,2]  (version 1, from base)\n\
            └── z = x  (version 1, from base)\n\n\
            2 objects, 4 entries\n";
        assert_eq!(drawn, expected);
        let ascii = tree(on, "C", &["shop", "-L", "2"]).ok();
        let expected = "/shop\n\
            |-- a = 1  (version 1)\n\
            |-- b\n\
            |   |-- c = no  (version 1)\n\
            |   `-- d  (1 entry)\n\
            `-- z = x  (version 1)\n\n\
            2 objects, 3 entries\n";
        assert_eq!(ascii, expected);
        assert!(tree(on, "C", &[]).ok().starts_with("/\n|-- "));
        let past = tree(on, "C", &["/shop", "--at", "2", "-o", "json"]).json();
        assert_eq!(past["children"][1]["children"][1]["children"][0]["value"], serde_json::json!([1, 2]));
        assert_eq!(past["children"][0]["value"], 1);
        assert_eq!(
            tree(on, "C", &["/shop/a", "-o", "yaml"]).ok(),
            "name: /shop/a\nvalue: 1\nversion: 1\norigin: base\n"
        );
        assert_eq!(tree(on, "C", &["/shop/a"]).ok(), "/shop/a = 1  (version 1)\n\n0 objects, 1 entry\n");
        tree(on, "C", &["/nowhere"]).fails(3);
        tree(on, "C", &["-L", "0"]).fails(2);
    });
}
