//! Previews and promotions on the command line, on a server and on a directory alike.

use std::fs;

use serde_json::json;

use super::{On, on_both};

#[test]
fn a_preview_shows_each_environment_once() {
    on_both(|on| {
        let seen = on.run(&["preview", "/.confgit/variables/SHOP_URL", "https://new"]).ok();
        assert!(
            seen.starts_with("base: 1 entry differs: 1 changed\n~ /.confgit/variables/SHOP_URL"),
            "the others have their own: {seen}"
        );
        assert!(
            seen.contains("    - https://shop.example.internal\n    + https://new\n  changing with it: "),
            "{seen}"
        );
        let pool = on.run(&["preview", "/myapp/database/pool_size", "11", "-o", "json"]).json();
        assert_eq!((&pool["accepted"], &pool["changed"]), (&json!(true), &json!(true)));
        let gone = on.run(&["preview", "/checkout/database/user", "--delete"]).ok();
        assert!(
            gone.starts_with(
                "base, dev, staging, prod: 1 entry differs: 1 removed\n- /checkout/database/user"
            ),
            "{gone}"
        );
        let same = on.run(&["preview", "/myapp/database/pool_size", "10", "-e", "staging"]);
        assert!(
            same.stdout.contains("/myapp/database/pool_size") || same.stdout.starts_with("no environment")
        );
        // What would be refused is told at its place, and nothing was written by any of it.
        let wrong = on.run(&["preview", "/checkout/database/pool_size", "many"]);
        assert_eq!((wrong.code, wrong.stderr.as_str()), (4, "error: 1 problem was found\n"));
        assert!(wrong.stdout.contains("refused: base: checkout/database.yaml:7:1: "), "{}", wrong.stdout);
        assert!(on.run(&["log", "-n", "1", "-o", "json"]).json()[0]["sequence"] == 1);
        for (arguments, code) in [
            (&["preview", "/a"][..], 2),
            (&["preview", "/a", "null"], 2),
            (&["preview", "/a", "1", "--delete"], 2),
            (&["preview", "/no/such", "--delete"], 3),
        ] {
            on.run(arguments).fails(code);
        }
    });
}

#[test]
fn a_promotion_shows_both_sides_and_takes_a_decision() {
    on_both(|on| {
        on.run(&["set", "/t/host", "dev-db", "-e", "dev", "-m", "try the new cluster"]).ok();
        on.run(&["set", "/t/host", "stage-db", "-e", "staging", "-m", "what the testers want"]).ok();
        on.run(&["set", "/t/list", "[1]", "-e", "dev"]).ok();
        let dry = on.run(&["promote", "dev", "staging", "/t", "--dry-run"]);
        assert_eq!(dry.code, 5, "something is to be decided");
        assert!(
            dry.stdout.starts_with("what dev has otherwise than base, for staging:\n\nstaging, prod: "),
            "{}",
            dry.stdout
        );
        let told = on.run(&["promote", "dev", "staging", "/t"]);
        assert_eq!(told.code, 5);
        let lines: Vec<&str> = told.stdout.lines().collect();
        assert!(lines[0].starts_with("/t/host  was nothing"), "{}", told.stdout);
        for (line, words) in [
            (1, ["OURS (staging)", "THEIRS (dev)"]),
            (2, ["stage-db", "dev-db"]),
            (4, ["what the testers want", "try the new cluster"]),
        ] {
            let at =
                words.map(|word| lines[line].find(word).unwrap_or_else(|| panic!("{word}: {}", told.stdout)));
            assert!(at[0] < at[1], "{}", told.stdout);
        }
        assert!(lines[3].contains("author") && told.stderr.contains("--ours or --theirs"), "{}", told.stdout);
        on.run(&["promote", "dev", "staging", "/t", "-o", "json"]);

        // Decided in a file: not yet, then.
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("decide.yaml");
        let name = file.to_str().unwrap();
        assert_eq!(on.run(&["promote", "dev", "staging", "/t", "--conflicts", name]).code, 5);
        let resolve = ["promote", "dev", "staging", "/t", "--resolve", name];
        assert!(on.run(&resolve).fails(2).contains("/t/host is not decided"));
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("  # ours:   stage-db  (") && text.contains("  # theirs: dev-db  ("), "{text}");
        fs::write(&file, text.replace("  take:\n", "  value: agreed\n")).unwrap();
        let made = on.run(&resolve).ok();
        assert_eq!(
            made,
            "dev → staging: 2 entries changed  (sequence 5)\n  /t/host  version 2\n  /t/list  version 1\n"
        );
        assert_eq!(
            on.run(&["get", "/t", "-e", "prod", "--format", "json"]).json(),
            json!({"host": "agreed", "list": [1]})
        );
        assert_eq!(
            on.run(&["promote", "dev", "staging", "/t"]).ok(),
            "nothing of dev is new for staging: nothing changed\n"
        );
        assert!(on.run(&resolve).fails(5).contains("is in no conflict"));

        // One side of all of them.
        on.run(&["set", "/t/host", "dev-2", "-e", "dev"]).ok();
        assert_eq!(on.run(&["promote", "dev", "staging", "/t"]).code, 5);
        let kept = on.run(&["promote", "dev", "staging", "/t", "--ours"]).ok();
        assert!(kept.contains("what was decided is noted, and no entry changed"), "{kept}");
        on.run(&["set", "/t/host", "dev-3", "-e", "dev"]).ok();
        let taken = on.run(&["promote", "dev", "staging", "/t", "--theirs", "-m", "as dev has it"]).ok();
        assert!(taken.contains("/t/host  version 3"), "{taken}");
        assert_eq!(
            on.run(&["log", "-e", "staging", "-n", "1", "-o", "json"]).json()[0]["message"],
            "as dev has it"
        );
        on.run(&["promote", "staging", "prod"]).fails(2);
        on.run(&["promote", "dev", "nowhere"]).fails(3);
        on.run(&["promote", "dev", "staging", "-e", "dev"]).fails(2);
    });
}

#[test]
fn conflicts_are_decided_in_an_editor() {
    on_both(|on| {
        let temp = tempfile::tempdir().unwrap();
        let promote = |on: &On<'_>, script: &str| -> super::Ran {
            let file = temp.path().join("editor.sh");
            fs::write(&file, script).unwrap();
            let mut command = on.command();
            command.env("PATH", std::env::var("PATH").unwrap_or_default());
            command.env("EDITOR", format!("sh {}", file.display())).env("TMPDIR", temp.path());
            command.args(["promote", "dev", "staging", "/t", "--edit"]).output().unwrap().into()
        };
        for (env, value) in [("dev", "a"), ("staging", "b")] {
            on.run(&["set", "/t/host", value, "-e", env]).ok();
            on.run(&["set", "/t/port", &format!("\"{value}\""), "-e", env]).ok();
        }
        // Left as it is, nothing is written, and the text is kept.
        let left = promote(on, "true").fails(1);
        assert!(left.contains("/t/host is not decided") && left.contains("is kept in"), "{left}");
        let out = promote(on, ": > $1").fails(5);
        assert!(out.contains("2 entries were changed in both") && out.contains("is kept in"), "{out}");
        // What is not decided yet is shown again with the reason.
        let script = "if grep -q '^# error: /t/port is not decided' $1\n\
            then sed -i 's/^  take:$/  delete: true/' $1\n\
            else sed -i '0,/^  take:$/s//  take: theirs/' $1\nfi";
        let made = promote(on, script).ok();
        assert!(made.starts_with("dev → staging: 2 entries changed"), "{made}");
        assert_eq!(on.run(&["get", "/t", "-e", "staging", "--format", "json"]).json(), json!({"host": "a"}));
    });
}
