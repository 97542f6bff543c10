//! Looking around and back on the command line: diff, log, search, environments, patches.

use serde_json::json;

use super::{On, on_both};

#[test]
fn a_log_walks_the_branch() {
    on_both(|on| {
        on.run(&["set", "/myapp/database/timeout", "31", "-e", "prod", "-m", "wait longer"]).ok();
        on.run(&["set", "/myapp/cache/ttl", "301", "-m", "a little longer"]).ok();
        let log = on.run(&["log", "--env", "prod", "-o", "json"]).json();
        assert_eq!(log.as_array().unwrap().len(), 2);
        assert_eq!(
            (&log[0]["message"], &log[0]["env"], &log[0]["entries"]),
            (&json!("wait longer"), &json!("prod"), &json!(1))
        );
        let base = on.run(&["log", "-n", "2"]).ok();
        assert!(
            base.contains("    a little longer\n") && base.contains("set up the environment base"),
            "{base}"
        );
        assert!(!base.contains("wait longer"), "{base}");
        let all = on.run(&["log", "--all", "-n", "2"]).ok();
        assert!(
            all.contains("(base, sequence 3, 1 entry)") && all.contains("(prod, sequence 2, 1 entry)"),
            "{all}"
        );
        let below = on.run(&["log", "/myapp/cache", "-n", "1", "-p"]).ok();
        assert!(
            below.contains("~ /myapp/cache/ttl  (version 1 → 2, base, ")
                || below.contains("~ /myapp/cache/ttl  (version 1 → 2, "),
            "{below}"
        );
        assert!(below.contains("    - 300\n    + 301\n"), "{below}");
        let history = on.run(&["history", "/myapp/cache", "-n", "1"]).ok();
        assert!(history.lines().nth(1).unwrap().starts_with("/myapp/cache/ttl  2 "), "{history}");
        on.run(&["log", "--all", "--env", "prod"]).fails(2);
    });
}

#[test]
fn a_diff_shows_what_changed_and_by_whom() {
    on_both(|on| {
        on.run(&["set", "/myapp/database/host", "old-host.internal"]).ok();
        on.run(&["set", "/myapp/database/host", "new-host.internal"]).ok();
        on.run(&["set", "/myapp/motd", "Welcome back\nto the shop\n"]).ok();
        on.run(&["unset", "/myapp/cache/ttl"]).ok();
        let diff = on.run(&["diff", "2", "5"]).ok();
        let expected = [
            "~ /myapp/database/host  (version 1 → 2, ",
            "    - old-host.internal",
            "    + new-host.internal",
            "- /myapp/cache/ttl  (was version 1, base)",
            "    + Welcome back",
            "3 entries differ: 2 changed, 1 removed",
        ];
        for line in expected {
            assert!(diff.lines().any(|found| found.starts_with(line)), "{line}: {diff}");
        }
        assert_eq!(on.run(&["diff", "5"]).ok(), "nothing differs\n");
        let data = on.run(&["diff", "1", "--path", "/myapp/database", "-o", "json"]).json();
        assert_eq!(
            (&data["changes"][0]["value"], data["changes"][0].get("old_value")),
            (&json!("new-host.internal"), None)
        );
        let versions = on.run(&["diff", "--path", "/myapp/database/host", "--versions", "1..2"]).ok();
        assert!(versions.contains("- old-host.internal"), "{versions}");
        let across =
            on.run(&["diff", "--from-env", "base", "--to-env", "prod", "--path", "/myapp/database"]).ok();
        assert!(across.contains("~ /myapp/database/pool_size  (version 1, base → prod, "), "{across}");
        let unified = on.run(&["diff", "2", "3", "--unified"]).ok();
        assert_eq!(
            unified,
            "--- /myapp/database/host\t(base at 2, version 1)\n+++ /myapp/database/host\t(base at 3, version 2)\n@@ -1 +1 @@\n-old-host.internal\n+new-host.internal\n"
        );
        on.run(&["diff"]).fails(2);
        on.run(&["diff", "--versions", "1"]).fails(2);
        on.run(&["diff", "99"]).fails(2);
        on.run(&["diff", "1", "--path", "/nowhere/at/all"]).ok();
    });
}

#[test]
fn environments_are_listed_made_and_rolled_back() {
    on_both(|on| {
        let list = on.run(&["env", "list"]).ok();
        assert!(list.lines().nth(1).unwrap().starts_with("base (default)  main"), "{list}");
        assert!(
            on.run(&["env", "create", "eu", "--inherits", "prod"])
                .ok()
                .starts_with("eu was made  (sequence 2)")
        );
        on.run(&["env", "create", "eu"]).fails(5);
        on.run(&["env", "create", "x", "--inherits", "nowhere"]).fails(2);
        on.run(&["set", "/myapp/database/pool_size", "50", "-e", "eu"]).ok();
        assert_eq!(on.run(&["get", "/myapp/database/pool_size", "-e", "eu"]).ok(), "50\n");
        let back = on.run(&["env", "rollback", "eu", "2", "-m", "too many"]).ok();
        assert!(
            back.starts_with(
                "eu was rolled back: 1 entry changed  (sequence 4)\n  /myapp/database/pool_size  version 2"
            ),
            "{back}"
        );
        assert_eq!(on.run(&["get", "/myapp/database/pool_size", "-e", "eu"]).ok(), "40\n");
        assert!(on.run(&["env", "rollback", "eu", "2"]).ok().starts_with("eu holds that already"));
        assert!(on.run(&["env", "list", "-o", "json"]).json()["environments"][4]["inherits"] == "prod");
        on.run(&["env", "rollback", "nowhere", "1"]).fails(3);
        on.run(&["env", "list", "--env", "prod"]).fails(2);
    });
}

#[test]
fn values_are_searched_and_patched() {
    on_both(|on| {
        let found = on.run(&["search", "POOL_size", "--in", "/myapp", "-e", "prod"]).ok();
        let row: Vec<&str> = found.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["/myapp/database/pool_size", "40", "prod"]);
        assert_eq!(on.run(&["search", "**/eviction/*", "-o", "json"]).json()["entries"][1]["value"], "lru");
        assert!(
            on.run(&["search", "no-such-thing-at-all"])
                .fails(3)
                .contains("nothing below / has no-such-thing")
        );
        let merge =
            on.run(&["patch", "/myapp/database", r#"{"pool_size": 12, "timeout": null}"#, "-m", "less"]).ok();
        assert!(merge.starts_with("/myapp/database: 2 entries changed"), "{merge}");
        on.run_with_input(
            &["patch", "/myapp/database", "-"],
            br#"[{"op": "add", "path": "/host", "value": "h"}]"#,
        )
        .ok();
        assert_eq!(
            on.run(&["get", "/myapp/database"]).ok(),
            "/myapp/database/host       = h\n/myapp/database/pool_size  = 12\n"
        );
        let failed = on.run(&["patch", "/myapp/database", r#"[{"op": "remove", "path": "/x"}]"#]).fails(2);
        assert!(failed.contains("operation 1 (remove `/x`): there is no member `x`"), "{failed}");
        assert!(on.run(&["patch", "/myapp/database", "{pool"]).fails(2).contains("the patch is no JSON"));
        assert!(on.run(&["whoami"]).ok().ends_with("admin, secrets:use and secrets:read\n"));
        assert_eq!(on.run(&["whoami", "-o", "json"]).json()["anonymous"], false);
        on.run(&["unset", "/myapp/motd", "--env", "prod", "--hide", "-m", "not here"]).ok();
        assert!(on.run(&["log", "-e", "prod", "-n", "1"]).ok().contains("not here"));
    });
}

#[test]
fn colours_are_for_terminals() {
    on_both(|on| {
        let On::Server(_) = on else { return };
        on.run(&["set", "/a", "1"]).ok();
        for arguments in [&["diff", "1"][..], &["log", "-p", "-n", "1"], &["env", "list"]] {
            assert!(!on.run(arguments).ok().contains('\x1b'), "{arguments:?}");
        }
    });
}

#[test]
fn an_explanation_names_layers_and_places() {
    on_both(|on| {
        let told = on.run(&["explain", "/myapp/database/pool_size", "--env", "prod"]).ok();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "/myapp/database/pool_size in prod is 40, from prod");
        assert!(lines[3].starts_with("prod ") && lines[3].contains("shown"), "{told}");
        assert!(lines[5].starts_with("base ") && lines[5].contains("main:myapp/database.yaml:3"), "{told}");
        let data = on.run(&["explain", "myapp.database.pool_size", "--env", "prod", "-o", "json"]).json();
        assert_eq!((&data["origin"], &data["layers"][2]["value"]), (&json!("prod"), &json!(10)));
        let nothing = on.run(&["explain", "/no/such", "--at", "1"]).ok();
        assert!(nothing.starts_with("/no/such in base: nothing stands there\n"), "{nothing}");
        on.run(&["explain", "/myapp", "--env", "nowhere"]).fails(3);
    });
}
