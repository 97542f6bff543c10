//! One project follows another, or a bare repository, as it would a forge.

mod cut;
mod pulls;
mod reached;
mod stand_in;

use std::path::Path;

use ring::hmac;
use serde_json::{Value, json};

use crate::front_door::Clone;
use crate::harness::{Answer, Server, TestProject, confgit, git, git_command, wait_for};

/// A project that follows `url`, asking seldom by itself.
fn follower(url: &str, more: &str) -> TestProject {
    let settings = format!(
        "environments:\n  base: {{ branch: main }}\nupstream: {{ url: '{url}', webhook: hook{more} }}\n\
         secrets:\n  - {{ names: [\"*\"], provider: file, directory: secrets }}\n"
    );
    let project = TestProject::with_files(&[("meta/settings.yaml", &settings)]);
    std::fs::create_dir(project.dir().join("secrets")).unwrap();
    std::fs::write(project.dir().join("secrets/hook"), "the-secret-of-the-hook").unwrap();
    project
}

/// A forge: a bare repository with one commit, and a clone of it to work in.
struct Forge {
    temp: tempfile::TempDir,
}

impl Forge {
    fn new() -> Self {
        let forge = Forge { temp: tempfile::tempdir().unwrap() };
        git(forge.temp.path(), &["init", "-q", "--bare", "-b", "main", "forge.git"]);
        git(forge.temp.path(), &["clone", "-q", "forge.git", "work"]);
        forge.commit("app.yaml", "host: h0\nport: 1\n");
        forge.push();
        forge
    }

    fn url(&self) -> String {
        self.temp.path().join("forge.git").display().to_string()
    }

    fn work(&self, arguments: &[&str]) -> String {
        git(&self.temp.path().join("work"), arguments)
    }

    fn commit(&self, file: &str, content: &str) {
        let path = self.temp.path().join("work").join(file);
        std::fs::write(path, content).unwrap();
        self.work(&["add", "-A"]);
        self.work(&["commit", "-qm", "at the forge"]);
    }

    fn push(&self) {
        self.work(&["push", "-q", "origin", "HEAD:main"]);
    }

    fn head(&self) -> String {
        git(&self.temp.path().join("forge.git"), &["rev-parse", "main"]).trim().to_owned()
    }

    fn shown(&self, file: &str) -> String {
        git(&self.temp.path().join("forge.git"), &["show", &format!("main:{file}")])
    }
}

fn upstream(server: &Server) -> Value {
    server.get("/api/status").expect(200).json()["upstream"].clone()
}

fn state(server: &Server) -> Value {
    upstream(server)["branches"][0]["state"].clone()
}

fn app(server: &Server) -> Value {
    let answer = server.get("/v1/config/app");
    if answer.status == 200 { answer.json() } else { Value::Null }
}

/// What GitHub posts after a push.
fn hint(server: &Server, body: &str, secret: &str) -> Answer {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("sha256={digits}");
    let headers = [
        ("Authorization", ""),
        ("Content-Type", "application/json"),
        ("X-Hub-Signature-256", signature.as_str()),
    ];
    server.request("POST", "/api/webhooks/github", &headers, body.as_bytes())
}

const SECRET: &str = "the-secret-of-the-hook";

#[test]
fn what_the_forge_has_comes_here_and_what_is_written_here_goes_there() {
    let forge = Forge::new();
    let project = follower(&forge.url(), "");
    let server = project.serve();
    // The empty branch of a new project is where the forge is.
    wait_for("the first fetch", || app(&server) == json!({ "host": "h0", "port": 1 }));
    wait_for("both to be the same", || state(&server) == "same");
    server.put("/app/host", json!("written here")).expect(200);
    wait_for("the write to be there", || forge.shown("app.yaml").contains("host: written here"));
    forge.work(&["pull", "-q"]);
    forge.commit("app.yaml", "host: written here\nport: 2\n");
    forge.push();
    hint(&server, r#"{"after": "one"}"#, SECRET).expect(202);
    wait_for("what was pushed there", || app(&server)["port"] == 2);
    let commit = server.get("/api/commits?limit=1").expect(200).text();
    assert!(commit.contains("upstream"), "{commit}");
    let told = upstream(&server);
    assert!(told["last_contact"].is_string() && told["last_error"].is_null(), "{told}");
    // Others do not learn where it is.
    assert_eq!(
        project.git(&["for-each-ref", "--format=%(refname)", "refs/confgit/upstream"]).lines().count(),
        1
    );
}

#[test]
fn hints_are_taken_from_who_knows_the_secret_and_once() {
    let forge = Forge::new();
    let project = follower(&forge.url(), ", poll: 12h");
    let server = project.serve();
    wait_for("the first fetch", || app(&server)["host"] == "h0");
    hint(&server, r#"{"after": "x"}"#, "another").expect(403);
    let unsigned = [("Authorization", ""), ("Content-Type", "application/json")];
    server.request("POST", "/api/webhooks/github", &unsigned, b"{}").expect(403);
    server.request("POST", "/api/webhooks/sourceforge", &unsigned, b"{}").expect(404);
    let huge = vec![b' '; (8 << 20) + 1];
    server.request("POST", "/api/webhooks/github", &unsigned, &huge).expect(413);
    forge.commit("app.yaml", "host: h1\nport: 1\n");
    forge.push();
    let token = [
        ("Authorization", ""),
        ("Content-Type", "application/json"),
        ("X-Gitlab-Token", SECRET),
        ("X-Gitlab-Event-UUID", "1"),
    ];
    server.request("POST", "/api/webhooks/gitlab", &token, b"{}").expect(202);
    wait_for("the hint to be followed", || app(&server)["host"] == "h1");
    // Said again it is no news.
    server.request("POST", "/api/webhooks/gitlab", &token, b"{}").expect(200);
    std::fs::write(project.dir().join("secrets/hook"), "").unwrap();
    hint(&server, r#"{"after": "y"}"#, "").expect(404);
}

#[test]
fn an_outage_stops_nobody_and_both_sides_come_together_afterwards() {
    let forge = Forge::new();
    let project = follower(&forge.url(), ", poll: 1s");
    let server = project.serve();
    wait_for("both to be the same", || state(&server) == "same");
    server.put("/app/old", json!(1)).expect(201);
    wait_for("the write to be there", || forge.shown("app.yaml").contains("old: 1"));
    let (here, away) = (forge.temp.path().join("forge.git"), forge.temp.path().join("away.git"));
    std::fs::rename(&here, &away).unwrap();
    server.put("/app/host", json!("while it is away")).expect(200);
    server.put("/app/mine", json!("mine")).expect(201);
    server.delete("/app/old").expect(200);
    wait_for("the outage to be told", || upstream(&server)["last_error"].is_string());
    assert_eq!(upstream(&server)["branches"][0]["state"], "same");
    // Somebody else works there meanwhile, on the same entry too.
    forge.work(&["remote", "set-url", "origin", away.to_str().unwrap()]);
    forge.work(&["pull", "-q", "origin", "main"]);
    forge.commit("app.yaml", "host: of the forge\nport: 9\nold: 9\n");
    forge.push();
    std::fs::rename(&away, &here).unwrap();
    let is_there = || forge.head() == project.git(&["rev-parse", "main"]).trim();
    wait_for("both to be the same again", || {
        app(&server)["port"] == 9 && is_there() && state(&server) == "same"
    });
    // What both changed is theirs; ours is in history, and told.
    assert_eq!(app(&server), json!({ "host": "of the forge", "mine": "mine", "old": 9, "port": 9 }));
    let overruled = upstream(&server)["overruled"][1].clone();
    assert_eq!((&overruled["path"], &overruled["proposal"]), (&json!("/app/host"), &json!(1)));
    assert!(forge.shown("app.yaml").contains("mine: mine"));
    let history = server.get("/api/config/app/host/history").expect(200).text();
    assert!(history.contains("while it is away"), "{history}");
    // It waits as a proposal of whoever wrote it, also after a start; merging that brings it back here and there.
    server.stop();
    let server = project.serve();
    let listed = server.get("/api/proposals?author=admin").expect(200).json();
    assert_eq!(listed["proposals"][0]["author"], "upstream", "{listed}");
    let proposal = server.get("/api/proposals/1").expect(200).json();
    assert_eq!(proposal["contributors"], json!(["admin"]));
    assert_eq!(proposal["environments"][0]["changes"][0]["value"], "while it is away", "{proposal}");
    server.post("/api/proposals/1/merge", json!({})).expect(200);
    assert_eq!(app(&server), json!({ "host": "while it is away", "mine": "mine", "port": 9 }));
    wait_for("it to be there", || forge.shown("app.yaml").contains("while it is away"));
}

/// Whole files, too: what the forge took away, what holds no entries, what is a program.
#[test]
fn files_that_the_forge_overrules_can_be_brought_back() {
    let forge = Forge::new();
    forge.commit("db.yaml", "host: h\nport: 1\n");
    forge.commit(".editorconfig", "root\n");
    forge.commit("motd.txt", "hello");
    forge.push();
    let project = follower(&forge.url(), ", poll: 1s");
    let server = project.serve();
    wait_for("both to be the same", || state(&server) == "same");
    let (here, away) = (forge.temp.path().join("forge.git"), forge.temp.path().join("away.git"));
    std::fs::rename(&here, &away).unwrap();
    server.put("/db/port", json!(2)).expect(200);
    server.delete("/motd").expect(200);
    server.put("/deep", json!("a value")).expect(201);
    let clone = Clone::of(&server, &server.key);
    clone.commit(".editorconfig", "mine\n");
    clone.commit("raw", "raw here\n");
    clone.commit(".d", "a file here\n");
    clone.commit("scripts", "one script\n");
    clone.push(&["-q"]);
    forge.work(&["remote", "set-url", "origin", away.to_str().unwrap()]);
    forge.work(&["rm", "-q", "db.yaml"]);
    forge.commit(".editorconfig", "of the forge\n");
    forge.commit("motd.txt", "hello there");
    forge.commit("deep.yaml", "x: { y: 1 }\n");
    std::fs::create_dir(forge.temp.path().join("work/raw")).unwrap();
    forge.commit("raw/x.yaml", "y: 1\n");
    std::fs::create_dir(forge.temp.path().join("work/.d")).unwrap();
    forge.commit(".d/a", "a\n");
    std::fs::create_dir(forge.temp.path().join("work/scripts")).unwrap();
    forge.commit("scripts/.env", "A=1\n");
    forge.commit("run.sh", "true\n");
    forge.work(&["update-index", "--chmod=+x", "run.sh"]);
    forge.work(&["commit", "-qm", "a program"]);
    forge.push();
    std::fs::rename(&away, &here).unwrap();
    let is_there = || forge.head() == project.git(&["rev-parse", "main"]).trim();
    wait_for("both to be the same again", || {
        is_there() && state(&server) == "same" && forge.shown("run.sh") == "true\n"
    });
    server.get("/v1/config/db").expect(404);
    assert_eq!(forge.shown(".editorconfig"), "of the forge\n");
    assert!(project.git(&["ls-tree", "main", "run.sh"]).starts_with("100755"));
    let told = upstream(&server);
    let mut overruled: Vec<&str> =
        told["overruled"].as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    overruled.sort_unstable();
    let expected =
        ["/.d", "/.editorconfig", "/db/port", "/deep", "/deep/x/y", "/motd", "/raw", "/raw/x/y", "/scripts"];
    assert_eq!(overruled, expected, "{told}");
    // What readers see is what is in Git, here and there.
    assert_eq!((forge.shown("raw/x.yaml").as_str(), forge.shown(".d/a").as_str()), ("y: 1\n", "a\n"));
    assert_eq!(server.get("/v1/config/raw").expect(200).json(), json!({ "x": { "y": 1 } }));
    assert_eq!(server.get("/v1/config/motd").expect(200).json(), json!("hello there"));
    assert_eq!(server.get("/v1/config/deep").expect(200).json(), json!({ "x": { "y": 1 } }));
    server.post("/api/proposals/1/merge", json!({})).expect(200);
    assert_eq!(server.get("/v1/config/db").expect(200).json(), json!({ "port": 2 }));
    assert_eq!(server.get("/v1/config/deep").expect(200).json(), json!("a value"));
    server.get("/v1/config/motd").expect(404);
    assert_eq!(server.get("/v1/config/raw").expect(200).json(), json!("raw here\n"));
    wait_for("it to be there", || {
        forge.shown(".editorconfig") == "mine\n" && forge.shown("db.yaml") == "port: 2\n"
    });
}

#[test]
fn history_that_was_rewritten_there_waits_for_an_administrator() {
    let forge = Forge::new();
    let project = follower(&forge.url(), ", poll: 1s");
    let server = project.serve();
    wait_for("both to be the same", || state(&server) == "same");
    forge.work(&["commit", "-q", "--amend", "-m", "rewritten"]);
    forge.commit("app.yaml", "host: rewritten\nport: 1\n");
    forge.work(&["push", "-q", "--force", "origin", "HEAD:main"]);
    wait_for("it to be noticed", || state(&server) == "rewritten");
    assert_eq!(app(&server)["host"], "h0");
    server.put("/app/host", json!("goes on here")).expect(200);
    let wrong = json!({ "branch": "main", "revision": "1".repeat(40) });
    server.post("/api/upstream/accept", wrong).expect(400);
    server.post("/api/upstream/accept", json!({ "branch": "main", "revision": forge.head() })).expect(202);
    wait_for("it to be taken in", || app(&server)["host"] == "rewritten" && state(&server) == "same");
    assert!(server.get("/api/config/app/host/history").expect(200).text().contains("goes on here"));
    // What is not valid here is refused with its reason, and the last good stays.
    forge.commit("app.yaml", "host: [\n");
    forge.push();
    wait_for("it to be refused", || state(&server) == "refused");
    let reasons = upstream(&server)["branches"][0]["reasons"].to_string();
    assert!(reasons.contains("app.yaml:1:7"), "{reasons}");
    assert_eq!(app(&server)["host"], "rewritten");
    forge.commit("app.yaml", "host: mended\n");
    forge.push();
    wait_for("it to be mended", || app(&server)["host"] == "mended" && state(&server) == "same");
}

#[test]
fn an_upstream_changes_no_permissions() {
    let forge = Forge::new();
    let project = follower(&forge.url(), "");
    let server = project.serve();
    wait_for("both to be the same", || state(&server) == "same");
    let seen = || {
        let anonymous = server.request("GET", "/v1/config/app", &[("Authorization", "")], b"").status;
        (
            anonymous,
            server.get("/api/accounts").expect(200).json(),
            git(&project.dir().join("meta.git"), &["rev-parse", "main"]),
        )
    };
    let before = seen();
    assert_eq!(before.0, 401);
    // Under every name that says who may do what, and on the branch that holds it in the other repository.
    let rules = "anonymous: true\naccounts:\n  mallory: {}\nrules:\n  - { paths: [\"/**\"], accounts: [mallory], allow: [admin] }\n";
    std::fs::create_dir(forge.temp.path().join("work/meta.git")).unwrap();
    for file in ["access.yaml", "settings.yaml", "meta.git/access.yaml"] {
        forge.commit(file, rules);
    }
    forge.work(&["push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/meta", "HEAD:refs/confgit/journal"]);
    let journal = project.git(&["rev-parse", "refs/confgit/journal"]);
    hint(&server, r#"{"after": "rules"}"#, SECRET).expect(202);
    wait_for("it to be told or taken in", || {
        state(&server) == "refused" || server.get("/v1/config/access").status == 200
    });
    assert_eq!(seen(), before);
    assert!(project.git(&["log", "--format=%H", "refs/confgit/journal"]).contains(journal.trim()));
}

#[test]
fn a_write_may_wait_for_the_upstream() {
    let forge = Forge::new();
    let project = follower(&forge.url(), ", writes: require");
    let server = project.serve();
    wait_for("both to be the same", || state(&server) == "same");
    server.put("/app/host", json!("there at once")).expect(200);
    assert!(forge.shown("app.yaml").contains("there at once"));
}

#[test]
fn one_confgit_follows_another_with_a_key() {
    let first = TestProject::with_files(&[
        ("meta/settings.yaml", "environments:\n  base: { branch: main }\n"),
        ("base/app.yaml", "host: h0\n"),
    ]);
    let origin = first.serve();
    let project = follower(&format!("http://{}/config.git", origin.address), ", token: key, poll: 1s");
    std::fs::write(project.dir().join("secrets/key"), "wrong").unwrap();
    let server = project.serve();
    wait_for("the wrong key to be told", || upstream(&server)["last_error"].is_string());
    let told = upstream(&server).to_string();
    assert!(!told.contains("wrong"), "{told}");
    std::fs::write(project.dir().join("secrets/key"), &origin.key).unwrap();
    wait_for("the first fetch", || app(&server)["host"] == "h0");
    origin.put("/app/host", json!("of the first")).expect(200);
    wait_for("it to come", || app(&server)["host"] == "of the first");
    server.put("/app/host", json!("of the second")).expect(200);
    wait_for("it to go", || app(&origin)["host"] == "of the second");
    // The first stops for a while, and is written to on its machine meanwhile; so is the second.
    let address = origin.address.clone();
    origin.stop();
    server.put("/app/host", json!("of the second, alone")).expect(200);
    server.put("/app/second", json!(2)).expect(201);
    let dir = first.dir();
    for (path, value) in [("/app/host", "of the first, alone"), ("/app/first", "1")] {
        let set = confgit(&["set", path, value, "--repo", dir.to_str().unwrap()]);
        assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    }
    wait_for("the outage to be told", || upstream(&server)["last_error"].is_string());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_confgit"));
    command.args(["serve", dir.to_str().unwrap(), "--listen", &address]);
    let origin = Server::spawn(command, &server.key).map_err(|_| ()).unwrap();
    let both = json!({ "first": 1, "host": "of the first, alone", "second": 2 });
    let heads = || [&project, &first].map(|one| one.git(&["rev-parse", "main"]));
    wait_for("both to hold both", || app(&server) == both && heads()[0] == heads()[1]);
    let kept = server.get("/api/proposals/1").expect(200).json();
    assert_eq!(kept["environments"][0]["changes"][0]["value"], "of the second, alone", "{kept}");
    server.post("/api/proposals/1/merge", json!({})).expect(200);
    wait_for("it to come back there, too", || {
        first.git(&["show", "main:app.yaml"]).contains("of the second, alone")
    });
    origin.stop();
    std::fs::remove_file(project.dir().join("secrets/key")).unwrap();
    let arguments = ["fsck", "--full", "--strict"];
    assert!(git_command(Path::new(&project.config_git())).args(arguments).output().unwrap().status.success());
}

#[test]
fn an_upstream_that_says_nothing_holds_up_nobody() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let project = follower(&format!("http://{}/config.git", silent.local_addr().unwrap()), "");
    let server = project.serve();
    // Somebody asks, and is not answered.
    let _asked = silent.accept().unwrap();
    server.put("/app/host", json!("goes on")).expect(201);
    let begun = std::time::Instant::now();
    server.stop();
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
}
