//! `schemas/openapi.json`: a document that validators accept, true of a real server, and shown by it.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Server, TestProject, python};

const DESCRIPTION: &str = include_str!("../../schemas/openapi.json");

/// Runs a program to its end; panics with what it said when it fails.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} (`make test` installs what it needs)\n{stdout}\n{stderr}");
    stdout.into_owned()
}

#[test]
fn a_validator_accepts_the_description() {
    let script = "import json, sys; from openapi_spec_validator import validate; \
        validate(json.load(open(sys.argv[1])))";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/openapi.json");
    run(Command::new(python()).args(["-c", script, file]));
}

#[test]
fn the_server_serves_the_description_and_names_the_project_that_was_asked() {
    let project = TestProject::example();
    let server = project.serve();
    let answer = server.get("/openapi.json").expect(200);
    assert_eq!(answer.text(), DESCRIPTION);
    let name = server.get("/api/whoami").json()["project"].as_str().unwrap().to_owned();
    let served = server.get(&format!("/p/{name}/openapi.json")).expect(200).json();
    assert_eq!(served["servers"][0]["url"], format!("/p/{name}"));
    let committed: Value = serde_json::from_str(DESCRIPTION).unwrap();
    assert_eq!(served["paths"], committed["paths"]);
}

/// Every method on every path of the description: one that is not described is 405, and `Allow` names those
/// that are.
#[test]
fn methods_are_those_of_the_description() {
    let project = TestProject::example();
    let server = project.serve();
    let document: Value = serde_json::from_str(DESCRIPTION).unwrap();
    for (template, item) in document["paths"].as_object().unwrap() {
        let described: Vec<String> =
            item.as_object().unwrap().keys().map(|method| method.to_ascii_uppercase()).collect();
        let path = template.replace("{path}", "motd").replace("{env}", "prod").replace("{revision}", "1");
        let path = path.replace("{file}", "docs.js");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "LIST", "BREW"] {
            let is_list = method == "LIST" && template.starts_with("/api/config") && !is_operation(template);
            let is_head = method == "HEAD" && described.iter().any(|other| other == "GET");
            let answer = server.request(method, &path, &[], b"");
            if is_list || is_head || described.iter().any(|other| other == method) {
                assert_ne!(answer.status, 405, "{method} {path}");
                continue;
            }
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text());
            let mut allowed: Vec<&str> = answer.header("allow").unwrap().split(", ").collect();
            allowed.retain(|method| !matches!(*method, "HEAD" | "LIST"));
            allowed.sort_unstable();
            let mut expected: Vec<&str> = described.iter().map(String::as_str).collect();
            expected.sort_unstable();
            assert_eq!(allowed, expected, "{method} {path}");
        }
    }
}

fn is_operation(template: &str) -> bool {
    ["/history", "/diff", "/explain", "/rollback"].iter().any(|end| template.ends_with(end))
}

/// Found by schemathesis: a NUL in `at=` was a 500, because any text was used as the name of a file below
/// `refs/tags`. Worse, `..` climbed out of it, so that `at=../heads/prod` was taken for a tag.
#[test]
fn what_can_be_no_tag_is_looked_for_nowhere() {
    let project = TestProject::example();
    let server = project.serve();
    for name in ["%00", "a%00b", "..%2Fheads%2Fmain", "..%2F..%2F..%2Fmeta.git%2Frefs%2Fheads%2Fmain", "%1F"]
    {
        let answer = server.get(&format!("/v1/config/motd?at={name}")).expect(400);
        assert!(answer.text().contains("is no change set, commit, tag or time"), "{}", answer.text());
    }
    let body = serde_json::json!({ "to": "\u{0}" });
    server.post("/api/environments/prod/rollback", body).expect(400);
}

/// Found by schemathesis: `limit` and `after` were not looked at where the answer had no pages.
#[test]
fn parameters_of_pages_are_checked_everywhere() {
    let project = TestProject::example();
    let server = project.serve();
    for target in
        ["/api/config?limit=10001", "/api/config/motd?limit=0", "/api/config/motd/diff?from=1&limit=0"]
    {
        server.get(target).expect(400);
    }
}

/// Found by schemathesis: `0`, however it is written, was a 500, because no change set has that number.
#[test]
fn no_commit_is_before_the_first() {
    let project = TestProject::example();
    let server = project.serve();
    for revision in ["0", "0000"] {
        let problem = server.get(&format!("/api/commits/{revision}")).expect(400).json();
        assert_eq!(problem["type"], "/problems/no-such-moment", "{problem}");
    }
    let long = "v".repeat(5_000);
    server.get(&format!("/v1/config/motd?at={long}")).expect(400);
    server.get(&format!("/api/commits/{long}")).expect(400);
}

/// Found by schemathesis: JSON Schema takes `1.0` for a whole number, and so do writers of JSON without integers.
#[test]
fn whole_numbers_may_have_a_fraction_of_zero() {
    let project = TestProject::example();
    let server = project.serve();
    server.post("/api/config/myapp/motd/rollback", serde_json::json!({ "to_version": 1.0 })).expect(200);
    for number in [1.5, -1.0, 1e300] {
        let refused =
            server.post("/api/config/myapp/motd/rollback", serde_json::json!({ "to_version": number }));
        assert!(refused.expect(400).text().contains("is no whole number"));
    }
}

fn schemathesis(server: &Server, project: &TestProject) -> String {
    let st = std::path::Path::new(&python()).with_file_name("st");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/openapi.json");
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis.toml");
    let hooks = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis_hooks.py");
    let mut command = Command::new(st);
    command.env("SCHEMATHESIS_HOOKS", hooks);
    command.current_dir(project.temp.path()).args(["--config-file", config, "run", file]);
    command.args(["--url", &format!("http://{}", server.address)]);
    command.args(["--header", &format!("Authorization: Bearer {}", server.key)]);
    command.args(["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "5", "--seed", "1"]);
    command.args([
        "--max-time",
        "80",
        "--generation-database",
        "none",
        "--no-color",
        "--continue-on-failure",
    ]);
    run(&mut command)
}

#[test]
fn schemathesis_finds_nothing() {
    let project = TestProject::example();
    let server = project.serve();
    println!("{}", schemathesis(&server, &project));
}

/// The page runs in a real browser with no network but this server, and shows what the description says.
#[test]
fn a_browser_shows_the_operations() {
    let project = TestProject::example();
    let server = project.serve();
    let mut browser = Command::new("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"]);
    browser.args(["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=20000"]);
    browser.arg(format!("--user-data-dir={}", project.temp.path().join("browser").display()));
    browser.arg(format!("http://{}/docs", server.address));
    let output = browser.output();
    let output = output.unwrap_or_else(|error| panic!("{error}; install it: apt-get install chromium"));
    let page = String::from_utf8_lossy(&output.stdout);
    for summary in ["Writes an earlier version again", "Several edits, all or nothing, as one change set"] {
        assert!(page.contains(summary), "{summary} is missing:\n{page}\n{:?}", output.stderr.len());
    }
}

/// A path of several segments, and a slash within a key, reach the server as they were typed, with the key.
#[test]
fn a_person_tries_an_operation_in_a_browser() {
    let project = TestProject::example();
    let server = project.serve();
    server.put("/paths/a%2Fb", serde_json::json!("a slash in a key")).expect(201);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser_docs.py");
    run(Command::new(python()).args([script, &format!("http://{}", server.address), &server.key]));
}
