//! `deploy/`: the command line that each file there starts the server with is one that works.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_yaml::Value;

use crate::harness::{Server, TestProject, confgit};

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)).unwrap()
}

/// The arguments of a container's file: its `CMD`, which is JSON.
fn of_containerfile() -> Vec<String> {
    let text = file("Containerfile");
    let last = text.lines().rfind(|line| line.starts_with("CMD ")).unwrap();
    serde_json::from_str(&last["CMD ".len()..]).unwrap()
}

fn of_compose() -> Vec<String> {
    let compose: Value = serde_yaml::from_str(&file("compose.yaml")).unwrap();
    let command = compose["services"]["confgit"]["command"].as_sequence().unwrap();
    command.iter().map(|argument| argument.as_str().unwrap().to_owned()).collect()
}

fn of_unit() -> Vec<String> {
    let text = file("confgit.service").replace("%S/confgit", "/data");
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/confgit ")).unwrap();
    line.split(' ').map(str::to_owned).collect()
}

/// The list below `args:`, with what Helm puts in.
fn of_chart() -> Vec<String> {
    let text = file("helm/confgit/templates/statefulset.yaml");
    let lines = text.lines().map(str::trim).skip_while(|line| *line != "args:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("- ") || line.starts_with('#'));
    let arguments = lines.filter_map(|line| line.strip_prefix("- ")).map(|argument| {
        if argument.starts_with("{{") { "/data/project".to_owned() } else { argument.to_owned() }
    });
    arguments.collect()
}

/// Starts a server with these arguments, moved to a directory and a port of the test.
fn start(arguments: &[String], data: &Path) -> (Server, String) {
    let here = arguments.iter().map(|argument| {
        let argument = argument.replace("/data", data.to_str().unwrap());
        if argument.ends_with(":8000") { "127.0.0.1:0".to_owned() } else { argument }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_confgit"));
    command.args(here).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut printed = String::new();
    while !printed.contains("listening on ") {
        assert_ne!(stdout.read_line(&mut printed).unwrap(), 0, "{arguments:?}: {printed}");
    }
    let address = printed.lines().find_map(|line| line.strip_prefix("listening on ")).unwrap().to_owned();
    (Server { child, address, key: String::new(), log: Default::default() }, printed)
}

#[test]
fn every_file_starts_a_server_on_an_empty_volume() {
    for (name, arguments) in [
        ("Containerfile", of_containerfile()),
        ("compose.yaml", of_compose()),
        ("confgit.service", of_unit()),
        ("helm", of_chart()),
    ] {
        assert_eq!(arguments[0], "serve", "{name}: {arguments:?}");
        let data = tempfile::tempdir().unwrap();
        let (mut server, printed) = start(&arguments, data.path());
        server.wait_ready();
        let told = std::fs::read_to_string(data.path().join("first-key")).unwrap_or(printed);
        server.key = told.split_whitespace().find(|word| word.starts_with("cg_")).unwrap().to_owned();
        server.put("/a/k", serde_json::json!(1)).expect(201);
        let url = format!("http://{}", server.address);
        let ready = confgit(&["ready", "--server", &url]);
        assert!(ready.status.success(), "{name}: {}", String::from_utf8_lossy(&ready.stderr));
        server.stop();
        let gone = confgit(&["ready", "--server", &url]);
        assert_eq!(gone.status.code(), Some(1), "nobody is ready any more");
    }
}

#[test]
fn a_server_that_cannot_write_is_not_ready() {
    let project = TestProject::empty();
    let server = project.serve_with(&[], &[("CONFGIT_FAILPOINTS", "all-synced=error@1")]);
    let url = format!("http://{}", server.address);
    let ready = || confgit(&["ready", "--server", &url]);
    assert_eq!(String::from_utf8_lossy(&ready().stdout), "ready\n");
    server.put("/a/k", serde_json::json!(1)).expect(503);
    let output = ready();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not ready"), "{output:?}");
}

#[test]
fn the_health_checks_are_a_command_of_ours() {
    let compose: Value = serde_yaml::from_str(&file("compose.yaml")).unwrap();
    let test = serde_json::to_value(&compose["services"]["confgit"]["healthcheck"]["test"]).unwrap();
    assert_eq!(test, serde_json::json!(["CMD", "/confgit", "ready"]));
    assert!(file("Containerfile").contains("CMD [\"/confgit\", \"ready\"]"));
}

#[test]
fn what_stops_a_server_waits_longer_than_it_takes() {
    for (name, patience) in [
        ("confgit.service", "TimeoutStopSec=30\n"),
        ("compose.yaml", "stop_grace_period: 30s\n"),
        ("helm/confgit/templates/statefulset.yaml", "terminationGracePeriodSeconds: 30\n"),
    ] {
        assert!(file(name).contains(patience), "{name}: a server takes 20 seconds, and its last writes");
    }
}

#[test]
fn the_image_is_built_from_what_the_context_lets_through() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignore = std::fs::read_to_string(root.join(".dockerignore")).unwrap();
    let let_through: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let containerfile = file("Containerfile");
    let copies = containerfile.lines().filter_map(|line| line.strip_prefix("COPY "));
    let mut copied: Vec<&str> = Vec::new();
    for copy in copies.filter(|copy| !copy.starts_with("--from")) {
        let words: Vec<&str> = copy.split(' ').collect();
        copied.extend(&words[..words.len() - 1]);
    }
    assert_eq!(copied, let_through);
    assert!(copied.iter().all(|name| root.join(name).exists()), "{copied:?}");
}

/// What the program is built from is in the image that builds it.
#[test]
fn the_image_is_built_from_all_that_it_takes() {
    let text = file("Containerfile");
    let copied: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"))
        .flat_map(|line| line.split(' ').rev().skip(1).collect::<Vec<_>>())
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut needed = vec!["Cargo.toml".to_owned(), "Cargo.lock".to_owned(), "build.rs".to_owned()];
    let mut waiting = vec![root.join("src"), root.join("build.rs")];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for quoted in text.split('"').skip(1).step_by(2) {
            let above = quoted.trim_start_matches("../");
            let named = quoted.strip_prefix("$CARGO_MANIFEST_DIR/").or((above != quoted).then_some(above));
            let named = named.or_else(|| path.ends_with("build.rs").then_some(quoted));
            if let Some(folder) = named.and_then(|named| named.split('/').next())
                && root.join(folder).exists()
                && !folder.is_empty()
            {
                needed.push(folder.to_owned());
            }
        }
    }
    needed.push("src".to_owned());
    for needed in needed {
        assert!(copied.contains(&needed.as_str()), "{needed} is not copied: {copied:?}");
    }
}
