use serde_json::json;

use super::{Clone, SETTINGS, assert_clean, project, url};

#[test]
fn what_is_pushed_is_in_force_at_once() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    clone.commit("app.yaml", "host: h1 # the host\nport: 1\n");
    let second = clone.commit("app.yaml", "host: h2\nport: 1\nnew: true\n");
    let told = clone.push(&[]);
    assert!(told.contains("remote: main: change set 2 is in force"), "{told}");
    let entry = server.get("/api/config/app/host").expect(200).json();
    assert_eq!(
        (&entry["value"], &entry["version"], &entry["revision"]),
        (&json!("h2"), &json!(3), &json!(second))
    );
    assert_eq!(server.get("/api/config/app/new").expect(200).json()["version"], 1);
    let history = server.get("/api/config/app/host/history").expect(200).json();
    let shown: Vec<_> =
        history.as_array().unwrap().iter().map(|v| (v["value"].clone(), v["sequence"].clone())).collect();
    assert_eq!(shown, [(json!("h2"), json!(2)), (json!("h1"), json!(2)), (json!("h0"), json!(1))]);
    // The API writes on, and a restart sees the same.
    server.put("/app/host", json!("h3")).expect(200);
    drop(server);
    let server = project.serve();
    assert_eq!(server.get("/api/config/app/host").expect(200).json()["version"], 4);
    clone.git(&["pull", "-q", "--rebase=false", &url(&server, "config.git"), "main"]);
    assert!(clone.read("app.yaml").contains("host: h3"));
    clone.commit("README.md", "no configuration\n");
    let address = url(&server, "config.git");
    clone.push(&[&address, "main"]);
    assert_clean(&project);
}

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    let project = project();
    let server = project.serve();
    let head = || server.get("/api/status").expect(200).json()["sequence"].clone();
    let clone = Clone::of(&server, &server.key);
    let start = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let refused = |file: &str, content: &str, expected: &[&str]| {
        clone.commit(file, content);
        let told = clone.refused(&[]);
        for expected in expected {
            assert!(told.contains(expected), "{expected}: {told}");
        }
        clone.git(&["reset", "-q", "--hard", &start]);
    };
    let before = head();
    refused("app.yaml", "host: h0\nport: [\n", &["main: the change would break", "app.yaml:2:7", "[parse]"]);
    // Both environments would show it.
    refused(
        "app.yaml",
        "host: h0\nport: 70000\n",
        &["base: app.yaml:2:1: /app/port: value is greater", "[schema]"],
    );
    refused("app.json", "{\"host\": 1}", &["/app/host", "[double-spelling]"]);
    refused(
        "App.yaml",
        "a: 1\n",
        &["`App.yaml` and `app.yaml` differ only in upper and lower case", "[file]"],
    );
    refused("WEB/x.yaml", "a: 1\n", &["`WEB` and `web` differ only"]);
    std::os::unix::fs::symlink("app.yaml", clone.dir.join("link.yaml")).unwrap();
    clone.commit_all("a link");
    let told = clone.refused(&[]);
    assert!(told.contains("link.yaml: a symbolic link is not followed"), "{told}");
    clone.git(&["reset", "-q", "--hard", &start]);
    clone.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{start},sub")]);
    clone.git(&["commit", "-qm", "a submodule"]);
    let told = clone.refused(&[]);
    assert!(told.contains("sub: a submodule is not followed"), "{told}");
    clone.git(&["reset", "-q", "--hard", &start]);
    assert_eq!(head(), before);
    assert_clean(&project);
}

#[test]
fn refs_of_every_kind() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    // A branch that no environment shows may hold anything, go back and go.
    clone.git(&["checkout", "-q", "-b", "feature"]);
    clone.commit("app.yaml", "port: [\n");
    clone.push(&["origin", "feature"]);
    clone.git(&["commit", "-q", "--amend", "-m", "another"]);
    assert!(clone.refused(&["origin", "feature"]).contains("non-fast-forward"));
    clone.push(&["--force", "origin", "feature"]);
    clone.git(&["tag", "-a", "v1", "-m", "one"]);
    clone.push(&["origin", "v1"]);
    assert!(project.git(&["for-each-ref"]).contains("refs/tags/v1"));
    clone.push(&["origin", "--delete", "feature"]);
    clone.push(&["origin", "--delete", "v1"]);
    assert!(!project.git(&["for-each-ref"]).contains("feature"));
    for name in ["refs/confgit/journal", "refs/notes/x", "refs/heads/x.lock", "refs/for/moon"] {
        let told = clone.refused(&["origin", &format!("main:{name}")]);
        assert!(
            told.contains("no such ref can be pushed") || told.contains("invalid refspec"),
            "{name}: {told}"
        );
    }
    let told = clone.refused(&["origin", "main^{tree}:refs/heads/tree"]);
    assert!(told.contains("it has to lead to a commit"), "{told}");
    // An environment whose branch is not there yet begins with what is pushed.
    clone.git(&["checkout", "-q", "main"]);
    clone.push(&["origin", "--delete", "prod"]);
    assert_eq!(server.get("/v1/config/app?env=prod").expect(200).json()["port"], 1);
    clone.git(&["checkout", "-q", "--orphan", "fresh"]);
    clone.git(&["rm", "-rfq", "."]);
    clone.commit("app.yaml", "port: 7\n");
    clone.push(&["origin", "fresh:prod"]);
    assert_eq!(server.get("/v1/config/app?env=prod").expect(200).json()["port"], 7);
    assert_eq!(server.get("/api/config/app/port?env=prod").expect(200).json()["version"], 3);
    assert_clean(&project);
}

#[test]
fn history_is_rewritten_by_administrators_and_journaled() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    server.put("/app/host", json!("lost")).expect(200);
    clone.git(&["fetch", "-q"]);
    let lost = clone.git(&["rev-parse", "origin/main"]).trim().to_owned();
    clone.commit("app.yaml", "host: other\nport: 1\n");
    assert!(clone.refused(&[]).contains("non-fast-forward"));
    let told = clone.push(&["--force"]);
    assert!(told.contains("forced update") && told.contains("change set 3"), "{told}");
    assert_eq!(server.get("/api/config/app/host").expect(200).json()["value"], "other");
    // What was lost is kept for history.
    assert!(project.git(&["for-each-ref", "refs/confgit/kept"]).contains(&lost));
    assert_eq!(server.get("/api/config/app/host?version=2").expect(200).json()["value"], "lost");
    assert_clean(&project);
}

#[test]
fn all_or_nothing_and_what_is_asked_of_a_push() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    clone.git(&["checkout", "-q", "prod"]);
    clone.commit("app.yaml", "port: [\n");
    clone.git(&["checkout", "-q", "main"]);
    clone.commit("app.yaml", "host: both\nport: 1\n");
    let told = clone.refused(&["--atomic", "origin", "main", "prod"]);
    assert!(told.contains("atomic push fail") && told.contains("app.yaml:1:7"), "{told}");
    assert_eq!(server.get("/v1/config/app").expect(200).json()["host"], "h0");
    // Without that, what can move does.
    let told = clone.refused(&["origin", "main", "prod"]);
    assert!(told.contains("main -> main") && told.contains("prod -> prod (not valid)"), "{told}");
    assert_eq!(server.get("/v1/config/app").expect(200).json()["host"], "both");
    // Two environments at once are one change set.
    clone.git(&["checkout", "-q", "prod"]);
    clone.git(&["reset", "-q", "--hard", "origin/prod"]);
    clone.commit("app.yaml", "port: 3\n");
    clone.git(&["checkout", "-q", "main"]);
    clone.commit("app.yaml", "host: together\nport: 1\n");
    let told = clone.push(&["--atomic", "origin", "main", "prod"]);
    assert_eq!(told.matches("change set 3 is in force").count(), 2, "{told}");
    clone.commit("app.yaml", "host: optional\nport: 1\n");
    let told = clone.refused(&["-o", "ci.skip"]);
    assert!(told.contains("there is no push option `ci.skip`; there are `no-merge`"), "{told}");
    clone.push(&["-o", "no-merge"]);
    assert_clean(&project);
}

#[test]
fn settings_are_pushed_or_refused_as_a_whole() {
    let project = project();
    let server = project.serve();
    let clone = Clone::with(&url(&server, "meta.git"), &[]);
    clone.commit("settings.yaml", &format!("{SETTINGS}  dev: {{ branch: dev, inherits: base }}\n"));
    clone.push(&[]);
    assert_eq!(server.get("/v1/config/app?env=dev").expect(200).json()["host"], "h0");
    let start = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    clone.commit("settings.yaml", "environments:\n  base: { branch: 7 }\n");
    let told = clone.refused(&[]);
    assert!(told.contains("settings.yaml:2:11") && told.contains("[settings]"), "{told}");
    clone.git(&["reset", "-q", "--hard", &start]);
    let told = clone.refused(&["origin", "main:other"]);
    assert!(told.contains("settings are on refs/heads/main"), "{told}");
    // An account that is made meanwhile is not lost.
    server.post("/api/accounts", json!({ "name": "new" })).expect(201);
    clone.commit("settings.yaml", SETTINGS);
    assert!(clone.refused(&[]).contains("rejected"));
    clone.git(&["pull", "-q", "--rebase"]);
    clone.push(&[]);
    assert!(server.get("/api/accounts").expect(200).text().contains("new"));
    server.get("/v1/config/app?env=dev").expect(404);
    // Who pushed is told, whoever the commit says that made it.
    let pushed = server.get("/api/audit?what=settings-pushed").expect(200).json();
    let head = clone.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let newest = &pushed["items"][0];
    assert_eq!(pushed["items"].as_array().unwrap().len(), 2, "{pushed}");
    assert_eq!((&newest["account"], &newest["action"]), (&json!("admin"), &json!("push")));
    assert!(newest["detail"].as_str().unwrap().ends_with(&head), "{pushed}");
    let journal = project.git(&["log", "-1", "--format=%B", "refs/confgit/journal"]);
    assert!(!journal.contains("Tess"), "{journal}");
}

/// Nobody reads yet what a branch holds that is none of an environment, so it may hold anything; one that becomes the branch of
/// an environment has to be as any other.
#[test]
fn an_environment_does_not_begin_with_what_is_not_valid() {
    let project = project();
    let server = project.serve();
    let clone = Clone::of(&server, &server.key);
    let settings = Clone::with(&url(&server, "meta.git"), &[]);
    let dev = || server.post("/api/environments", json!({ "name": "dev", "inherits": "base" }));
    let with_dev = format!("{SETTINGS}  dev: {{ branch: dev, inherits: base }}\n");
    settings.commit("settings.yaml", &with_dev);
    clone.git(&["checkout", "-q", "--orphan", "dev"]);
    clone.git(&["rm", "-rqf", "."]);
    for (file, content, refused) in [
        ("app.yaml", "host: [\n", "app.yaml:"),
        ("app.yaml", "port: 70000\n", "value is greater than the maximum of 65535"),
        ("app.yaml", "host: ${ref:/nowhere}\n", "/nowhere"),
    ] {
        clone.commit(file, content);
        clone.push(&["-q", "-f", "origin", "dev"]);
        let errors = dev().expect(422).json()["errors"].to_string();
        assert!(errors.contains(refused.trim_end_matches(':')), "{errors}");
        let told = settings.refused(&["-q"]);
        assert!(told.contains(refused), "{told}");
        server.get("/v1/config/app?env=dev").expect(404);
    }
    std::os::unix::fs::symlink("app.yaml", clone.dir.join("link.yaml")).unwrap();
    clone.commit("app.yaml", "port: 7\n");
    clone.push(&["-q", "-f", "origin", "dev"]);
    assert!(dev().expect(422).text().contains("a symbolic link is not followed"));
    std::fs::remove_file(clone.dir.join("link.yaml")).unwrap();
    clone.commit("app.yaml", "port: 7\n");
    clone.push(&["-q", "-f", "origin", "dev"]);
    settings.push(&["-q"]);
    assert_eq!(server.get("/v1/config/app?env=dev").expect(200).json(), json!({ "host": "h0", "port": 7 }));
    assert_clean(&project);
}
