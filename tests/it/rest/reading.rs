use serde_json::{Value, json};

use super::{each, example, malformed, pages};
use crate::harness::TestProject;

#[test]
fn names_are_listed_by_verb_and_by_parameter() {
    let (_project, server) = example();
    let listed = server.get("/api/config/myapp?list=true").expect(200).json();
    assert_eq!(listed, server.request("LIST", "/api/config/myapp", &[], b"").expect(200).json());
    assert_eq!(each(&listed["entries"], "name"), ["cache", "database", "logging", "motd"]);
    assert_eq!(each(&listed["entries"], "kind"), ["object", "object", "object", "entry"]);
    assert_eq!(listed["entries"][3]["version"], 1);
    assert_eq!(listed["entries"][1]["path"], "/myapp/database");
    // confgit's own files are no part of the root, and are there when asked for.
    let root = server.request("LIST", "/api/config/", &[], b"").expect(200).json();
    assert!(!each(&root["entries"], "name").contains(&json!(".confgit")), "{root}");
    server.get("/api/config/.confgit?list=true").expect(200);
    server.get("/api/config/nowhere?list=true").expect(404);
    assert_eq!(server.get("/api/config/myapp/motd?list=true").expect(200).json()["entries"], json!([]));
    // A name that only prod's own layer has, and the view.
    server.put("/env/prod/only/here", json!(1)).expect(201);
    assert_eq!(
        server.get("/api/config/only?list=true&env=prod").expect(200).json()["entries"][0]["version"],
        1
    );
    server.get("/api/config/only?list=true").expect(404);
}

#[test]
fn pages_go_through_everything_once() {
    let (_project, server) = example();
    let whole = server.get("/api/config/?recursive=true").expect(200).json();
    let all = each(&whole["entries"], "path");
    for limit in [1, 7, 1000] {
        let pages = pages(&server, &format!("/api/config/?recursive=true&limit={limit}&env=base"));
        let found: Vec<Value> = pages.iter().flat_map(|page| each(&page["entries"], "path")).collect();
        assert_eq!(found, all, "{limit} a page");
        assert_eq!(pages.last().unwrap()["next"], Value::Null);
    }
    let names = pages(&server, "/api/config/myapp?list=true&limit=3");
    assert_eq!(
        names.iter().map(|page| page["entries"].as_array().unwrap().len()).collect::<Vec<_>>(),
        [3, 1]
    );
    for (target, reason) in [
        ("/api/config/myapp?recursive=true&after=/services", "is not below that"),
        ("/api/config/myapp?recursive=true&after=%2Fmyapp%2F%2F", "`after` is the `next` of a page"),
        ("/api/config/myapp?recursive=true&limit=0", "`limit` is a number from 1 to 10000"),
        ("/api/config/myapp?recursive=true&limit=10001", "`limit` is a number"),
        ("/api/config/myapp?list=true&after=/other", "is not below that"),
    ] {
        let told = malformed(&server, target);
        assert!(told.contains(reason), "{target}: {told}");
    }
}

#[test]
fn entries_are_found_by_path_and_by_value() {
    let (_project, server) = example();
    let find = |query: &str| {
        each(&server.get(&format!("/api/config/?q={query}")).expect(200).json()["entries"], "path")
    };
    assert_eq!(find("pool_size")[..2], ["/checkout/database/pool_size", "/myapp/database/pool_size"]);
    assert_eq!(find("%2Fmyapp%2F**%2Fpolicy"), ["/myapp/cache/eviction/policy"]);
    assert_eq!(find("CACHE.example%20redis"), ["/myapp/cache/redis/host"]);
    assert_eq!(find("**%2Fredis%2F*%206379"), ["/myapp/cache/redis/port"]);
    assert!(find("no-such-thing-anywhere").is_empty());
    let below = server.get("/api/config/services?q=paywell").expect(200).json();
    assert_eq!(each(&below["entries"], "path").len(), 2);
    // What prod overrides is found with prod's value.
    assert_eq!(server.get("/api/config/myapp?q=40&env=prod").json()["entries"][0]["origin"], "prod");
    let paged = pages(&server, "/api/config/?q=%2Fmyapp%2F**&limit=5");
    let found: usize = paged.iter().map(|page| page["entries"].as_array().unwrap().len()).sum();
    assert_eq!(found, find("%2Fmyapp%2F**").len());
    assert!(malformed(&server, "/api/config/?q=").contains("no word"));
    assert!(
        malformed(&server, "/api/config/myapp/motd?q=a&version=1").contains("`version` belongs to one entry")
    );
}

#[test]
fn fields_select_what_is_shown() {
    let (_project, server) = example();
    let entry = server.get("/api/config/myapp/database/pool_size?fields=value,version").expect(200).json();
    assert_eq!(entry, json!({"value": 10, "version": 1}));
    let all = server.get("/api/config/myapp/database?recursive=true&fields=path,owner").expect(200).json();
    assert_eq!(all["entries"][0], json!({"path": "/myapp/database/pool_size", "owner": "data"}));
    let told = malformed(&server, "/api/config/myapp/database/pool_size?fields=value,size");
    assert!(told.contains("`fields` names `size`; there are: path, value"), "{told}");
    assert!(malformed(&server, "/api/config/myapp?fields=path").contains("add recursive=true"));
    // Another selection is another answer, and a cache has to tell.
    let tag = |fields: &str| {
        let answer = server.get(&format!("/api/config/myapp/database/pool_size?fields={fields}"));
        answer.header("etag").unwrap().to_owned()
    };
    assert_ne!(tag("value"), tag("version"));
}

#[test]
fn toml_goes_out_as_it_may() {
    let (_project, server) = example();
    let answer = server.get("/v1/config/myapp/cache?format=toml").expect(200);
    assert_eq!(answer.header("content-type"), Some("application/toml"));
    let text = answer.text();
    assert!(text.contains("enabled = true") && text.contains("[redis]"), "{text}");
    let accepted = server.request("GET", "/v1/config/myapp/cache", &[("Accept", "application/toml")], b"");
    assert_eq!(accepted.expect(200).text(), text);
    assert!(malformed(&server, "/v1/config/myapp/motd?format=toml").contains("a TOML document is an object"));
}

#[test]
fn every_read_can_be_of_the_past() {
    let (project, server) = example();
    project.git(&["tag", "before", "main"]);
    let first = project.git(&["rev-parse", "main"]).trim().to_owned();
    server.put("/myapp/database/pool_size", json!(11)).expect(200);
    server.put("/myapp/database/host", json!("db")).expect(201);
    server.delete("/myapp/motd").expect(200);
    let time =
        server.get("/api/config/myapp/database/host").json()["updated_at"].as_str().unwrap().to_owned();
    for at in ["1", first.as_str(), "before"] {
        let names = server.get(&format!("/api/config/myapp/database?at={at}")).expect(200).json();
        assert_eq!(names["children"], json!(["pool_size", "timeout"]), "{at}");
        let listed = server.get(&format!("/api/config/myapp?list=true&at={at}")).expect(200).json();
        assert_eq!(each(&listed["entries"], "name"), ["cache", "database", "logging", "motd"], "{at}");
        let found = server.get(&format!("/api/config/myapp?q=pool_size&at={at}&env=prod")).expect(200).json();
        assert_eq!(found["entries"][0]["value"], 40, "{at}");
        let batch = json!({"paths": ["/myapp/motd", "/myapp/database/host"], "at": at});
        let batch = server.post("/api/batch/get", batch).expect(200).json();
        assert!(
            batch["entries"][0]["value"].is_string() && batch["entries"][1]["missing"] == json!(true),
            "{at}"
        );
        assert_eq!(batch["sequence"], 1);
    }
    assert_eq!(server.get(&format!("/v1/config/myapp/database?at={time}")).expect(200).json()["host"], "db");
    let blob = project.git(&["rev-parse", "main:myapp/cache.toml"]);
    project.git(&["tag", "no-commit", blob.trim()]);
    for (at, reason) in [
        ("99", "there is no change set 99 yet"),
        ("2001-01-01T00:00:00Z", "is before the first change set"),
        ("no-commit", "does not name a commit"),
        ("no-such-tag", "is no change set, commit, tag or time"),
        ("0123456789012345678901234567890123456789", "is not in this project"),
    ] {
        for target in
            ["/api/config/myapp?recursive=true", "/api/config/myapp?list=true", "/v1/config/myapp?env=prod"]
        {
            let told = malformed(&server, &format!("{target}&at={at}"));
            assert!(told.contains(reason), "{target} {at}: {told}");
        }
    }
}

#[test]
fn who_is_calling() {
    let project = TestProject::example();
    let server = project.serve_with(&["--anonymous", "reader"], &[]);
    let me = server.get("/api/whoami").expect(200).json();
    let may = ["read", "write", "approve", "govern", "admin", "secrets:use", "secrets:read"];
    assert_eq!(me, json!({"account": "admin", "anonymous": false, "may": may, "project": "project"}));
    let nobody = server.request("GET", "/api/whoami", &[("Authorization", "")], b"").expect(200).json();
    assert_eq!((&nobody["account"], &nobody["may"]), (&json!("anonymous"), &json!(["read"])));
    server.request("GET", "/api/whoami", &[("Authorization", "Bearer cg_wrong")], b"").expect(401);
}
