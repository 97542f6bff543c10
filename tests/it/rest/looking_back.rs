use serde_json::{Value, json};

use super::{each, example, malformed, pages};
use crate::harness::git;

#[test]
fn the_history_of_an_object_is_that_of_all_below() {
    let (_project, server) = example();
    server.put("/shop", json!({"a": 1, "b": {"c": 2}})).expect(201);
    server.put("/shop/a", json!(3)).expect(200);
    server.delete("/shop/b/c").expect(200);
    server.put("/other", json!(1)).expect(201);
    let history = server.get("/api/config/shop/history").expect(200).json();
    let line = |item: &Value| {
        (item["path"].clone(), item["version"].clone(), item["value"].clone(), item["sequence"].clone())
    };
    let lines: Vec<_> = history.as_array().unwrap().iter().map(line).collect();
    assert_eq!(
        lines,
        [
            (json!("/shop/b/c"), json!(2), Value::Null, json!(4)),
            (json!("/shop/a"), json!(2), json!(3), json!(3)),
            (json!("/shop/b/c"), json!(1), json!(2), json!(2)),
            (json!("/shop/a"), json!(1), json!(1), json!(2)),
        ]
    );
    assert_eq!(history[0]["deleted"], true);
    assert_eq!(history[3]["message"], "set /shop");
    for limit in 1..=4 {
        let paged = pages(&server, &format!("/api/config/shop/history?limit={limit}"));
        let all: Vec<Value> = paged.iter().flat_map(|page| page.as_array().unwrap().clone()).collect();
        assert_eq!(json!(all), history, "{limit} a page");
    }
    // What is gone as a whole still has its history.
    server.delete("/shop/a").expect(200);
    assert_eq!(server.get("/api/config/shop/history").expect(200).json().as_array().unwrap().len(), 5);
    server.get("/api/config/nowhere/history").expect(404);
    server.get("/api/config/shop/history?env=prod").expect(404);
    for cursor in ["999.0", "5", "x", "-1.0", "2.0.0", "2.9"] {
        assert!(
            malformed(&server, &format!("/api/config/shop/history?before={cursor}")).contains("no cursor"),
            "{cursor}"
        );
    }
    // Everything of a project, whatever its environments.
    assert!(server.get("/api/config/history").status == 404, "a key of that name");
    assert!(!server.get("/api/config//history").json().is_array());
}

#[test]
fn two_versions_of_an_entry_are_compared() {
    let (_project, server) = example();
    let target = "/api/config/myapp/database/pool_size/diff";
    for value in [11, 12] {
        server.put("/myapp/database/pool_size", json!(value)).expect(200);
    }
    let newest = server.get(target).expect(200).json();
    assert_eq!((&newest["from"]["version"], &newest["to"]["version"]), (&json!(2), &json!(3)));
    let change = &newest["changes"][0];
    assert_eq!(
        (&change["type"], &change["old_value"], &change["value"]),
        (&json!("update"), &json!(11), &json!(12))
    );
    assert_eq!(server.get(&format!("{target}?from=1&to=3")).json()["changes"][0]["old_value"], 10);
    let created = server.get(&format!("{target}?from=0&to=1")).expect(200).json();
    assert!(created["changes"][0].get("old_value").is_none(), "{created}");
    let text = server.get(&format!("{target}?from=1&format=unified")).expect(200);
    assert_eq!(text.header("content-type"), Some("text/x-diff; charset=utf-8"));
    let text = text.text();
    assert!(text.starts_with("--- /myapp/database/pool_size\t(base at 1, version 1)\n+++ "), "{text}");
    assert!(text.ends_with("@@ -1 +1 @@\n-10\n+12\n"), "{text}");
    // Its rule demands the value.
    server.delete("/.confgit/schemas/databases").expect(200);
    server.delete("/myapp/database/pool_size").expect(200);
    let gone = server.get(&format!("{target}?from=3&to=4")).expect(200).json();
    assert_eq!(
        (&gone["changes"][0]["type"], &gone["changes"][0]["old_value"]),
        (&json!("delete"), &json!(12))
    );
    server.get(&format!("{target}?from=9")).expect(404);
    malformed(&server, &format!("{target}?from=x"));
    malformed(&server, &format!("{target}?format=html"));
}

#[test]
fn two_moments_and_two_environments_are_compared() {
    let (project, server) = example();
    let first = project.git(&["rev-parse", "main"]).trim().to_owned();
    server.put("/myapp/database/pool_size", json!(11)).expect(200);
    server.put("/env/prod/myapp/motd", json!("closed\nfor today\n")).expect(201);
    server.put("/shop/new", json!([1, 2])).expect(201);
    server.delete("/services/payment-service/refunds").expect(200);
    // What describes an entry goes with it, and is not what this is about.
    let is_own = |path: &Value| path.as_str().is_some_and(|path| path.starts_with("/.confgit/"));
    let paths = |target: &str| {
        let mut paths = each(&server.get(target).expect(200).json()["changes"], "path");
        paths.retain(|path| !is_own(path));
        paths
    };
    let gone = [
        "/services/payment-service/refunds/needs_review_above",
        "/services/payment-service/refunds/window_days",
    ];
    assert_eq!(paths("/api/diff?from=1"), ["/myapp/database/pool_size", gone[0], gone[1], "/shop/new"]);
    assert_eq!(paths(&format!("/api/diff?from={first}&to=3")), ["/myapp/database/pool_size"]);
    assert_eq!(paths("/api/diff?from=1&path=/myapp"), ["/myapp/database/pool_size"]);
    assert_eq!(paths("/api/config/myapp/diff?from=1"), ["/myapp/database/pool_size"]);
    assert_eq!(paths("/api/config/myapp/diff?from=2&to=3"), [""; 0]);
    // prod has a pool size of its own, so that base's is no change for it; what it inherits is.
    assert_eq!(paths("/api/diff?from=1&env=prod"), ["/myapp/motd", gone[0], gone[1], "/shop/new"]);
    // Backwards, everything is the other way round.
    let back = server.get("/api/diff?from=5&to=1&path=/shop").expect(200).json();
    assert_eq!(
        (&back["changes"][0]["type"], &back["changes"][0]["old_value"]),
        (&json!("delete"), &json!([1, 2]))
    );
    let across = server.get("/api/diff?from_env=base&to_env=prod&path=/myapp").expect(200).json();
    let pool = across["changes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["path"] == "/myapp/database/pool_size")
        .unwrap();
    assert_eq!(
        (&pool["old_value"], &pool["value"], &pool["old_origin"], &pool["origin"]),
        (&json!(11), &json!(40), &json!("base"), &json!("prod"))
    );
    let text = server.get("/api/diff?from=2&to=3&env=prod&format=unified").expect(200).text();
    assert!(text.contains("-Welcome to Fernhill") && text.contains("+closed\n+for today\n"), "{text}");
    let paged = pages(&server, "/api/diff?from=1&limit=1");
    assert_eq!(paged.iter().map(|page| page["changes"].as_array().unwrap().len()).sum::<usize>(), 8);
    // Git sees the same files.
    let files = git(&project.config_git(), &["diff", "--name-only", &first, "main"]);
    assert_eq!(
        files.lines().skip(1).collect::<Vec<_>>(),
        ["myapp/database.yaml", "services/payment-service.json", "shop.yaml"]
    );
    for (target, reason) in [
        ("/api/diff", "name two sides"),
        ("/api/diff?from=99", "there is no change set 99"),
        ("/api/diff?from_env=base&env=prod", "`env` names both sides"),
        ("/api/diff?from=1&after=/shop&path=/myapp", "is not below that"),
        ("/api/diff?from=", "`from` is a sequence"),
        ("/api/diff?from=1&path=//", "`path`"),
    ] {
        let told = malformed(&server, target);
        assert!(told.contains(reason), "{target}: {told}");
    }
    server.get("/api/diff?from_env=base&to_env=nowhere").expect(404);
}

#[test]
fn commits_are_listed_and_shown() {
    let (project, server) = example();
    server.put("/myapp/database/pool_size", json!(11)).expect(200);
    server.put("/env/prod/myapp/motd", json!("closed")).expect(201);
    // A push of two commits is one change set.
    let clone = project.temp.path().join("clone");
    project.git(&["clone", "-q", ".", clone.to_str().unwrap()]);
    for (number, file) in [(1, "pushed.yaml"), (2, "more.yaml")] {
        std::fs::write(clone.join(file), format!("n: {number}\n")).unwrap();
        git(&clone, &["add", "-A"]);
        git(&clone, &["commit", "-qm", &format!("by hand {number}")]);
    }
    git(&clone, &["push", "-q"]);
    server.delete("/nowhere").expect(404);
    let list = server.get("/api/commits").expect(200).json();
    let commits = &list["commits"];
    assert_eq!(each(commits, "sequence")[..4], [json!(4), json!(4), json!(3), json!(2)]);
    assert_eq!(
        each(commits, "message")[..3],
        [json!("by hand 2"), json!("by hand 1"), json!("set /myapp/motd")]
    );
    assert_eq!(
        (&commits[0]["author"], &commits[2]["env"], &commits[3]["updated_by"]),
        (&json!("Tess Ter"), &json!("prod"), &json!("admin"))
    );
    // The first change set set up four environments.
    assert_eq!(commits.as_array().unwrap().len(), 8);
    assert_eq!(each(&server.get("/api/commits?env=prod").json()["commits"], "sequence"), [3, 1]);
    assert_eq!(
        each(&server.get("/api/commits?path=/myapp/database&env=base").json()["commits"], "sequence"),
        [2, 1]
    );
    for limit in [1, 3] {
        let paged = pages(&server, &format!("/api/commits?limit={limit}"));
        let all: Vec<Value> =
            paged.iter().flat_map(|page| page["commits"].as_array().unwrap().clone()).collect();
        assert_eq!(json!(all), *commits, "{limit} a page");
    }
    let id = commits[0]["revision"].as_str().unwrap();
    let one = server.get(&format!("/api/commits/{id}")).expect(200).json();
    assert_eq!(
        (&one["message"], &one["changes"][0]["path"], &one["parents"][0]),
        (&json!("by hand 2"), &json!("/more/n"), &commits[1]["revision"])
    );
    assert_eq!(one["changes"].as_array().unwrap().len(), 1);
    let inner = commits[1]["revision"].as_str().unwrap();
    assert_eq!(server.get(&format!("/api/commits/{inner}")).json()["changes"][0]["path"], "/pushed/n");
    let set = server.get("/api/commits/2").expect(200).json();
    assert_eq!((&set["changes"][0]["old_value"], &set["changes"][0]["value"]), (&json!(10), &json!(11)));
    assert_eq!((&set["changes"][0]["old_version"], &set["changes"][0]["version"]), (&json!(1), &json!(2)));
    let unified = server.get("/api/commits/2?format=unified").expect(200).text();
    assert!(unified.contains("-10\n+11\n"), "{unified}");
    assert!(malformed(&server, "/api/commits/1").contains("moved several branches"));
    assert_eq!(server.get("/api/commits/1?env=dev").expect(200).json()["env"], "dev");
    let paged = pages(&server, "/api/commits/1?env=base&limit=20");
    assert!(paged.len() > 3);
    for (target, reason) in [
        ("/api/commits?before=zzz", "no cursor"),
        ("/api/commits?before=77.0", "the newest is 4"),
        ("/api/commits?before=3.9", "change set 3 has"),
        ("/api/commits/no-such-tag", "is no change set, commit, tag or time"),
    ] {
        assert!(malformed(&server, target).contains(reason), "{target}");
    }
    server.get("/api/commits?env=nowhere").expect(404);
}

/// Who goes on from the sequence that a diff answered misses nothing, whatever is written meanwhile.
#[test]
fn a_diff_up_to_now_has_all_up_to_its_sequence() {
    let (_project, server) = example();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let mut seen = std::collections::BTreeSet::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..300 {
                server.put(&format!("/race/f{number}/k"), json!(number)).expect(201);
            }
            is_done.store(true, std::sync::atomic::Ordering::Release);
        });
        let mut from = 1;
        loop {
            let was_done = is_done.load(std::sync::atomic::Ordering::Acquire);
            let diff = server.get(&format!("/api/diff?from={from}")).expect(200).json();
            seen.extend(each(&diff["changes"], "path").iter().map(|path| path.as_str().unwrap().to_owned()));
            from = diff["to"]["sequence"].as_u64().unwrap();
            if was_done {
                break;
            }
        }
    });
    let missed: Vec<_> = (0..300).filter(|n| !seen.contains(&format!("/race/f{n}/k"))).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
