//! Commands that go on: `watch`, `run`, `agent`, `client`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Server, TestProject, wait_for};
use crate::running::Running;

fn until_watching(server: &Server, client: &str) {
    let target = format!("/api/clients?client={client}");
    wait_for("the watch to begin", || !server.get(&target).json()["clients"].as_array().unwrap().is_empty());
}

fn project() -> TestProject {
    TestProject::with_files(&[
        (
            "meta/settings.yaml",
            "environments:\n  base: { branch: main }\n  prod: { branch: prod, inherits: base }\n",
        ),
        ("base/app.yaml", "host: h0\nport: 1\n"),
        ("base/other.yaml", "x: 1\n"),
    ])
}

#[test]
fn watch_tells_changes_and_runs_commands() {
    let project = project();
    let server = project.serve();
    let file = project.temp.path().join("events.json");
    let command = format!("cat > {0}.new && mv {0}.new {0}", file.display());
    let arguments = ["watch", "/app", "--env", "prod", "--client", "w1", "--exec", &command];
    let table = Running::start(&server, &arguments);
    let lines =
        Running::start(&server, &["watch", "--resolved", "--initial", "-o", "json", "--client", "w2"]);
    until_watching(&server, "w1");
    until_watching(&server, "w2");
    lines.wait_for(r#""type":"initial","path":"/other/x","value":1"#);
    let edits = json!({"edits": [
        {"op": "put", "path": "/app/host", "value": "h1"}, {"op": "delete", "path": "/app/port"},
    ]});
    server.post("/api/batch", edits).expect(200);
    table.wait_for("update  /app/host  \"h0\" -> \"h1\"  #2 ");
    table.wait_for("delete  /app/port  1  #2 ");
    lines.wait_for(r#""type":"delete","path":"/app/port","old_value":1"#);
    wait_for("the command to have run", || file.exists());
    let events: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let paths: Vec<&Value> = events.as_array().unwrap().iter().map(|event| &event["path"]).collect();
    assert_eq!(paths, ["/app/host", "/app/port"], "all of a change set at once");
    let follows = || server.get("/api/clients?client=w1").json()["clients"][0]["acknowledged"].clone();
    wait_for("the acknowledgement", || follows() == 2);
    // A server that was away is gone on with from where it broke off.
    let port = server.address.clone();
    server.stop();
    table.wait_for("trying again");
    let mut command = Command::new(env!("CARGO_BIN_EXE_confgit"));
    command.args(["serve", project.dir().to_str().unwrap(), "--listen", &port]);
    let server = Server::spawn(command, &project.key).unwrap();
    server.put("/app/host", json!("h2")).expect(200);
    table.wait_for("\"h1\" -> \"h2\"");
    assert_eq!(table.printed().matches("/app/host").count(), 2, "{}", table.printed());
}

#[test]
fn watch_ends_where_it_is_refused() {
    let project = project();
    let server = project.serve();
    for (arguments, code, says) in [
        (&["watch", "--env", "nowhere"][..], 3, "there is no environment `nowhere`"),
        (&["watch", "--since", "99"], 2, "no change set 99"),
        (&["watch", "--token", "nonsense"], 4, "key"),
        (&["watch", "--repo", "."], 2, "confgit serve"),
    ] {
        let mut running = Running::start(&server, arguments);
        assert_eq!(running.child.wait().unwrap().code(), Some(code), "{arguments:?}");
        running.wait_for(says);
    }
}

#[test]
fn run_starts_anew_with_other_values() {
    let project = project();
    let server = project.serve();
    let script = "echo \"host=$HOST port=$PORT key=${CONFGIT_TOKEN-none}\"; trap 'exit 7' TERM; while :; do sleep 0.05; done";
    let run = Running::start(
        &server,
        &["run", "--env", "prod", "--prefix", "/app", "--client", "r1", "--", "sh", "-c", script],
    );
    run.wait_for("host=h0 port=1 key=none");
    until_watching(&server, "r1");
    server.put("/app/host?env=prod", json!("h1")).expect(201);
    run.wait_for("host=h1 port=1");
    server.put("/other/x", json!(5)).expect(200);
    server.put("/app/port", json!(2)).expect(200);
    run.wait_for("host=h1 port=2");
    assert_eq!(run.printed().lines().count(), 3, "what others read starts nothing: {}", run.printed());
    assert!(!run.told().contains("h1"), "no value is told: {}", run.told());
    run.wait_for("change set 4 changed PORT");
    assert_eq!(run.end(), Some(7), "the command's own code");
    wait_for("it to have taken leave", || {
        server.get("/api/clients").json()["clients"].as_array().unwrap().is_empty()
    });
}

#[test]
fn run_signals_passes_codes_on_and_fails_clearly() {
    let project = project();
    let server = project.serve();
    let script = "trap 'echo got HUP' HUP; echo ready; while :; do sleep 0.05; done";
    let run = Running::start(
        &server,
        &["run", "--prefix", "/app", "--signal", "hup", "--client", "r2", "--", "sh", "-c", script],
    );
    run.wait_for("ready");
    until_watching(&server, "r2");
    server.put("/app/host", json!("h1")).expect(200);
    run.wait_for("got HUP");
    assert_eq!(run.printed().matches("ready").count(), 1);
    drop(run);
    for (arguments, code) in [
        (&["run", "--once", "--prefix", "/app", "--", "sh", "-c", "exit 42"][..], 42),
        (&["run", "--once", "--prefix", "/app", "--", "sh", "-c", "kill -9 $$"], 137),
        (&["run", "--once", "--prefix", "/app", "--", "/no/such/program"], 1),
        (&["run", "--once", "--prefix", "/nothing", "--", "true"], 3),
        (&["run", "--once", "--prefix", "/app"], 2),
    ] {
        let mut run = Running::start(&server, arguments);
        assert_eq!(run.child.wait().unwrap().code(), Some(code), "{arguments:?}: {}", run.told());
    }
}

#[test]
fn an_agent_keeps_files_also_while_the_server_is_away() {
    let project = project();
    let server = project.serve();
    let dir = project.temp.path().join("agent");
    std::fs::create_dir(&dir).unwrap();
    let (list, cache) = (dir.join("list.yaml"), dir.join("cache"));
    let at = |name: &str| dir.join(name).display().to_string();
    let text = format!(
        "client: a1\nfiles:\n  - {{ path: /app, env: prod, format: env, to: {0}, mode: \"0640\", exec: \"echo once >> {1}\" }}\n  \
         - {{ path: /app, format: json, to: {2}, exec: \"echo once >> {1}\" }}\n  - {{ path: /other, format: env, to: {3} }}\n",
        at("app.env"),
        at("hook"),
        at("app.json"),
        at("x"),
    );
    std::fs::write(&list, text).unwrap();
    let arguments = ["agent", "--list", list.to_str().unwrap(), "--cache", cache.to_str().unwrap()];
    let agent = Running::start(&server, &arguments);
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
    wait_for("the files", || read("app.env").contains("HOST=h0") && !read("x").is_empty());
    assert!(read("x").ends_with("\nX=1\n"), "{}", read("x"));
    assert_eq!(serde_json::from_str::<Value>(&read("app.json")).unwrap(), json!({"host": "h0", "port": 1}));
    let mode = |name: &str| Path::new(&dir.join(name)).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("app.env"), mode("app.json")), (0o640, 0o600));
    wait_for("the command", || read("hook") == "once\n");
    until_watching(&server, "a1");
    server.put("/app/host", json!("h1")).expect(200);
    wait_for("the change", || read("app.env").contains("HOST=h1") && read("app.json").contains("h1"));
    wait_for("the command to run once for both", || read("hook") == "once\nonce\n");
    // What cannot be written leaves the last good copy: two values would have one name.
    server.put("/other/x", json!({"a-b": 1, "a_b": 2})).expect(200);
    agent.wait_for("the last good copy stays");
    assert!(read("x").ends_with("\nX=1\n"), "{}", read("x"));
    server.put("/app/host", json!("h2")).expect(200);
    wait_for("the next change", || read("app.env").contains("HOST=h2"));
    // The change of the other file was none of these.
    wait_for("the command to run for this change", || read("hook") == "once\nonce\nonce\n");
    server.stop();
    agent.wait_for("trying again");
    assert!(read("x").ends_with("\nX=1\n") && read("app.env").contains("HOST=h2"));
    assert_eq!(agent.end(), Some(0));
    // A start while the server is away: files that are gone come back.
    std::fs::remove_file(dir.join("app.env")).unwrap();
    let away = Command::new(env!("CARGO_BIN_EXE_confgit"))
        .args(arguments)
        .arg("--once")
        .env("CONFGIT_SERVER", "http://127.0.0.1:1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&away.stderr);
    assert!(away.status.success() && told.contains("the last good copy stays"), "{told}");
    assert!(read("app.env").contains("HOST=h2"));
    assert!(
        !std::fs::read_dir(&dir)
            .unwrap()
            .flatten()
            .any(|file| file.file_name().to_string_lossy().starts_with(".confgit"))
    );
}

#[test]
fn clients_are_listed() {
    let project = project();
    let server = project.serve();
    let list = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_confgit"))
            .args(["client", "list"])
            .args(arguments)
            .env("CONFGIT_SERVER", format!("http://{}", server.address))
            .env("CONFGIT_TOKEN", &server.key)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(list(&[]), "nobody watches\n");
    assert_eq!(list(&["--lost"]), "nobody is missed\n");
    let _watch = Running::start(&server, &["watch", "/app", "--client", "w3"]);
    until_watching(&server, "w3");
    let text = list(&[]);
    assert!(
        text.contains("w3") && text.contains("1 watch, the newest change set is 1; nobody is behind"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&list(&["-o", "json"])).unwrap();
    assert_eq!(json["clients"][0]["watching"], json!(["/app"]));
}
