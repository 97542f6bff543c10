//! Starting: `init`, `serve` and `demo`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Ran, command};
use crate::harness::TestProject;

#[test]
fn init_prints_the_key_once_and_what_comes_next() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("my data");
    let init = |more: &[&str]| Ran::from(command(&[]).arg("init").arg(&dir).args(more).output().unwrap());
    let stdout = init(&[]).ok();
    assert!(stdout.contains("export CONFGIT_TOKEN=cg_"), "{stdout}");
    assert!(stdout.contains(&format!("confgit serve '{}'", dir.display())), "{stdout}");
    assert!(init(&[]).fails(1).contains("is not empty"));
    assert!(init(&["--from", "/nowhere"]).fails(2).contains("is no folder"));
    let other = temp.path().join("other");
    let json = Ran::from(command(&[]).arg("init").arg(&other).args(["-o", "json"]).output().unwrap()).json();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["key"]);
    let key = json["key"].as_str().unwrap();
    for file in files_below(&other) {
        let content = std::fs::read(&file).unwrap();
        assert!(
            !content.windows(key.len()).any(|part| part == key.as_bytes()),
            "{} holds the key",
            file.display()
        );
    }
}

#[test]
fn serve_refuses_what_is_no_project() {
    let temp = tempfile::tempdir().unwrap();
    let serve = |arguments: &[&str]| {
        Ran::from(command(&[]).arg("serve").arg(temp.path()).args(arguments).output().unwrap())
    };
    assert!(serve(&["--listen", "127.0.0.1:0"]).fails(1).contains("confgit init"));
    assert!(serve(&["--listen", "127.0.0.1:0", "--log", "lou=d=er"]).fails(2).contains("CONFGIT_LOG"));
    let stderr = serve(&["--anonymous", "admin", "--listen", "0.0.0.0:0"]).fails(1);
    assert!(stderr.contains("loopback"), "{stderr}");
}

#[test]
fn the_first_start_makes_the_project_and_tells_its_key_once() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("volume/project");
    let key_of = |stdout: &str| {
        let mut lines = stdout.lines().map(str::trim);
        lines.find(|line| line.starts_with("cg_")).map(str::to_owned)
    };
    let start = || {
        let mut serve = command(&[]);
        serve.arg("serve").arg(&dir).args(["--init", "--listen", "127.0.0.1:0", "--log", "debug"]);
        let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while !text.contains("listening on ") {
            assert_ne!(stdout.read_line(&mut text).unwrap(), 0, "{text}");
        }
        (child, text)
    };
    let (child, first) = start();
    assert!(first.starts_with("the key of the first administrator, shown this once:\n"), "{first}");
    let key = key_of(&first).unwrap();
    let address = first.lines().find_map(|line| line.strip_prefix("listening on ")).unwrap();
    let server = format!("http://{address}");
    let put =
        command(&[("CONFGIT_SERVER", &server), ("CONFGIT_TOKEN", &key)]).args(["set", "/a/k", "1"]).output();
    Ran::from(put.unwrap()).ok();
    terminate(&child);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(!ran.stderr.contains(&key), "the key is in the log: {}", ran.stderr);

    let (child, second) = start();
    assert_eq!(key_of(&second), None, "{second}");
    terminate(&child);
    child.wait_with_output().unwrap();
    let written = crate::harness::git(&dir.join("config.git"), &["show", "main:a.yaml"]);
    assert_eq!(written, "k: 1\n", "the second start keeps what was written after the first");
    let names: Vec<_> = std::fs::read_dir(temp.path().join("volume")).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing is left beside the project: {names:?}");
}

#[test]
fn the_first_key_goes_to_a_file_when_asked() {
    use std::os::unix::fs::PermissionsExt as _;
    let temp = tempfile::tempdir().unwrap();
    let (dir, key_file) = (temp.path().join("project"), temp.path().join("first-key"));
    let serve = |arguments: &[&str]| {
        let mut serve = command(&[]);
        serve.arg("serve").arg(&dir).args(["--listen", "192.0.2.1:1"]).args(arguments);
        Ran::from(serve.output().unwrap())
    };
    let file = key_file.to_str().unwrap();
    assert!(serve(&["--init-key-file", file]).fails(2).contains("--init"));
    // The address is nobody's, so each of these starts ends by itself, the project made or not.
    assert!(serve(&["--init", "--init-key-file", file]).fails(1).contains("192.0.2.1"));
    let key = std::fs::read_to_string(&key_file).unwrap();
    assert!(key.starts_with("cg_") && key.len() == 52, "{key}");
    assert_eq!(std::fs::metadata(&key_file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(dir.join("config.git").is_dir());
    // A file that is there is somebody's; the project is not made without its key.
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(serve(&["--init", "--init-key-file", file]).fails(1).contains("cannot be written"));
    assert!(!dir.exists());
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("mine"), "").unwrap();
    assert!(serve(&["--init"]).fails(1).contains("192.0.2.1"), "the address is tried before the project");
    assert!(!dir.join("config.git").exists(), "what is not empty is left alone");
}

#[test]
fn logs_are_one_json_object_a_line_when_asked() {
    let project = TestProject::empty();
    let mut serve = command(&[("CONFGIT_LOG", "info")]);
    serve.arg("serve").arg(project.dir()).args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on 127.0.0.1:"), "{line}");
    terminate(&child);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let logged: Vec<serde_json::Value> =
        ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(logged.iter().any(|event| event["message"] == "listening"), "{}", ran.stderr);
}

#[test]
fn a_demo_starts_afresh_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (demo, lines) = start_demo(&[], place.path());
    let address = lines[0].strip_prefix("listening on ").unwrap().to_owned();
    let key = lines.iter().find_map(|line| line.strip_prefix("export TOKEN=")).unwrap();
    assert!(lines.contains(&format!("export CONFGIT_TOKEN={key}")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("without a key")), "{lines:?}");
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        let url = format!("http://{address}");
        Ran::from(command(variables).args(["--server", &url]).args(arguments).output().unwrap())
    };
    assert_eq!(run(&[], &["get", "/myapp/database/pool_size"]).ok(), "10\n");
    let written =
        run(&[("CONFGIT_TOKEN", key)], &["set", "/myapp/database/pool_size", "11", "-o", "json"]).json();
    assert_eq!(written["version"], 2);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    demo.end();
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "the demo's data is left");
}

#[test]
fn a_demo_keeps_its_data_where_it_is_told_to() {
    let place = tempfile::tempdir().unwrap();
    let kept = place.path().join("kept");
    let (demo, lines) = start_demo(&["--dir", kept.to_str().unwrap()], place.path());
    assert!(lines.iter().any(|line| line.contains("(kept)")), "{lines:?}");
    demo.end();
    assert!(kept.join("config.git").is_dir());
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    let again = command(&[]).args(["demo", "--listen", "127.0.0.1:0", "--dir"]).arg(&kept).output().unwrap();
    assert!(Ran::from(again).fails(1).contains("is not empty"));
}

#[test]
fn a_demo_is_for_this_machine_only() {
    let ran = Ran::from(command(&[]).args(["demo", "--listen", "0.0.0.0:0"]).output().unwrap());
    assert!(ran.fails(2).contains("from other machines"));
}

/// A running demo; ended when dropped.
struct Demo(Child);

impl Demo {
    /// Asks it to end, and waits until it has.
    fn end(mut self) {
        terminate(&self.0);
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a demo whose temporary files go below `place`, and answers what it says until its last line.
fn start_demo(arguments: &[&str], place: &Path) -> (Demo, Vec<String>) {
    let mut command = command(&[("TMPDIR", place.to_str().unwrap())]);
    command.args(["demo", "--listen", "127.0.0.1:0"]).args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let is_last = line.starts_with("Ctrl-C");
        lines.push(line);
        if is_last {
            break;
        }
    }
    (Demo(child), lines)
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}
