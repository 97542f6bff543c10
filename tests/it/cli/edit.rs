//! `confgit set` with an editor, which is a script here.

use std::fs;
use std::path::Path;

use crate::cli::{On, Ran, on_both};

/// Runs `set --edit` with a script of the shell as the editor; `$1` is the file.
fn edit(on: &On<'_>, temp: &Path, script: &str, arguments: &[&str]) -> Ran {
    let file = temp.join("editor.sh");
    fs::write(&file, script).unwrap();
    let mut command = on.command();
    command.env("PATH", std::env::var("PATH").unwrap_or_default());
    command.env("EDITOR", format!("sh {}", file.display())).env("TMPDIR", temp);
    command.args(["set", "--edit"]).args(arguments).output().unwrap().into()
}

#[test]
fn what_is_there_is_edited_and_only_what_changed_is_written() {
    on_both(|on| {
        let temp = tempfile::tempdir().unwrap();
        let edit = |script: &str, arguments: &[&str]| edit(on, temp.path(), script, arguments);
        on.run(&["set", "/shop", r#"{"a": 1, "b": {"c": "no", "d": 2}, "e": 1.10}"#]).ok();
        let script = "cp $1 $(dirname $1)/seen; sed -i -e 's/^a: 1/a: 5/' -e '/^  d:/d' -e '$a new: [x]' $1";
        let set = edit(script, &["/shop", "-m", "by hand"]).ok();
        let seen = fs::read_to_string(temp.path().join("seen")).unwrap();
        assert!(seen.ends_with("# ---\na: 1\nb:\n  c: \"no\"\n  d: 2\ne: 1.10\n"), "{seen}");
        assert!(set.starts_with("/shop: 3 entries changed"), "{set}");
        let value = on.run(&["get", "/shop", "--format", "json"]).json();
        assert_eq!(value, serde_json::json!({"a": 5, "b": {"c": "no"}, "e": 1.10, "new": ["x"]}));
        let versions = on.run(&["ls", "/shop", "-r", "-o", "json"]).json();
        let versions: Vec<_> =
            versions["entries"].as_array().unwrap().iter().map(|e| e["version"].as_u64()).collect();
        assert_eq!(versions, [Some(2), Some(1), Some(1), Some(1)]);
        assert_eq!(on.run(&["history", "/shop/a", "-o", "json"]).json()[0]["message"], "by hand");
        // A string is shown as it is, and its last line is not ended by the way.
        on.run(&["set", "/text", "a: [", "--string"]).ok();
        assert_eq!(edit("printf 'b: [\\n' > $1", &["/text"]).ok(), "/text = b: [  (version 2, sequence 5)\n");
        assert_eq!(on.run(&["get", "/text", "--raw"]).ok(), "b: [");
        assert_eq!(edit("true", &["/text"]).ok(), "/text: nothing changed\n");
        assert_eq!(edit("sed -i 's/^a: 5/a:   5 # c/' $1", &["/shop"]).ok(), "/shop: nothing changed\n");
        assert!(edit("false", &["/text"]).fails(1).contains("nothing was written"));
        assert_eq!(edit("echo 7 >> $1", &["/brand/new"]).ok(), "/brand/new = 7  (version 1, sequence 6)\n");
    });
}

#[test]
fn what_is_inherited_is_shown_but_not_taken_over() {
    on_both(|on| {
        let temp = tempfile::tempdir().unwrap();
        on.run(&["set", "/shop", r#"{"a": 1, "b": 2}"#]).ok();
        on.run(&["set", "/shop/b", "3", "-e", "prod"]).ok();
        let script = "cp $1 $(dirname $1)/seen; sed -i 's/^b: 3/b: 4/' $1";
        edit(on, temp.path(), script, &["/shop", "-e", "prod"]).ok();
        let seen = fs::read_to_string(temp.path().join("seen")).unwrap();
        assert!(seen.contains("#   /shop/a = 1  (from base)\n") && seen.ends_with("# ---\nb: 3\n"), "{seen}");
        on.run(&["set", "/shop/a", "9"]).ok();
        assert_eq!(
            on.run(&["get", "/shop", "-e", "prod", "--format", "json"]).json(),
            serde_json::json!({"a": 9, "b": 4})
        );
    });
}

#[test]
fn mistakes_come_back_and_nothing_is_lost() {
    on_both(|on| {
        let temp = tempfile::tempdir().unwrap();
        on.run(&["set", "/shop", r#"{"a": 1}"#]).ok();
        // The first time it breaks the text, the second time it mends it.
        let script =
            "if grep -q '# error: line' $1; then sed -i 's/\\[$/[]/' $1; else sed -i 's/^a: 1/a: [/' $1; fi";
        edit(on, temp.path(), script, &["/shop"]).ok();
        assert_eq!(on.run(&["get", "/shop/a"]).ok(), "[]\n");
        let script = "grep -q '# error: line' $1 || sed -i 's/^a: .*/a: {/' $1";
        let refused = edit(on, temp.path(), script, &["/shop"]).fails(1);
        assert!(kept(&refused).ends_with("a: {\n"), "{refused}");
    });
}

/// The text that an error says is kept.
fn kept(error: &str) -> String {
    let file = error.lines().next().unwrap().split("the edited text is kept in ").nth(1).unwrap();
    fs::read_to_string(file).unwrap()
}

#[test]
fn a_change_of_somebody_else_is_told_and_the_text_kept() {
    let project = crate::harness::TestProject::example();
    let server = project.serve();
    let on = On::Server(&server);
    let temp = tempfile::tempdir().unwrap();
    on.run(&["set", "/shop", r#"{"a": 1, "b": 1}"#]).ok();
    // While the editor is open, another one writes.
    let program = env!("CARGO_BIN_EXE_confgit");
    let script = format!("{program} set /shop/a 2 > /dev/null; sed -i 's/^a: 1/a: 3/' $1");
    let refused = edit(&on, temp.path(), &script, &["/shop"]).fails(5);
    assert!(kept(&refused).ends_with("a: 3\nb: 1\n"), "{refused}");
    assert_eq!(on.run(&["get", "/shop/a"]).ok(), "2\n");
    // What others write beside it is no hindrance.
    let script = format!("{program} set /shop/b 5 > /dev/null; sed -i 's/^a: 2/a: 3/' $1");
    edit(&on, temp.path(), &script, &["/shop"]).ok();
    assert_eq!(on.run(&["get", "/shop", "--format", "json"]).json(), serde_json::json!({"a": 3, "b": 5}));
}

#[test]
fn without_editor_or_terminal_it_says_so() {
    on_both(|on| {
        assert!(on.run(&["set", "/a", "--edit"]).fails(2).contains("set VISUAL or EDITOR"));
        assert!(on.run(&["set", "/a"]).fails(2).contains("without a terminal no editor is opened"));
        assert!(on.run(&["set", "/a", "--create"]).fails(2).contains("a VALUE is missing"));
    });
}

#[test]
fn files_of_a_format_are_read_as_such() {
    on_both(|on| {
        let temp = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            fs::write(temp.path().join(name), content).unwrap();
            format!("@{}", temp.path().join(name).display())
        };
        for (arguments, input, json) in [
            (&["set", "/t", &file("a.yaml", "a: no # c\n")][..], "", r#"{"a":"no"}"#),
            (&["set", "/t", &file("a.toml", "a = [1]\n")], "", r#"{"a":[1]}"#),
            (&["set", "/t", &file("a.json", "{\"a\": 1.10}")], "", r#"{"a":1.10}"#),
            (&["set", "/t", &file("a.conf", "b: 1\n"), "--format", "yaml"], "", r#"{"b":1}"#),
            (&["set", "/t", "-", "--format", "toml"], "c = 1\n", r#"{"c":1}"#),
            (&["set", "/t", "{d: 1}", "--format", "yaml"], "", r#"{"d":1}"#),
        ] {
            on.run_with_input(arguments, input.as_bytes()).ok();
            let value = on.run(&["get", "/t", "--format", "json"]).ok();
            let compact: String = value.split_whitespace().collect();
            assert_eq!(compact, json, "{arguments:?}");
        }
        let bad = file("bad.yaml", "a: 1\nb: [\n");
        assert!(on.run(&["set", "/t", &bad]).fails(2).contains("bad.yaml: line "));
        on.run(&["set", "/u", &bad, "--string"]).ok();
        assert!(on.run(&["set", "/t", &file("empty.yaml", "# c\n")]).fails(2).contains("is empty"));
    });
}
