//! The transcripts of `docs/` are run as they stand, and what they say that commands print is what they print.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// One command of the transcript, and the lines that it says are printed.
struct Step {
    command: String,
    expected: Vec<String>,
}

/// The commands between ```` ```console ```` and ```` ``` ````.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        match (line, line.strip_prefix("$ ")) {
            ("```console", _) => is_inside = true,
            ("```", _) => is_inside = false,
            (_, Some(command)) if is_inside => {
                steps.push(Step { command: command.to_owned(), expected: Vec::new() });
            }
            (line, _) if is_inside => steps.last_mut().unwrap().expected.push(line.to_owned()),
            _ => {}
        }
    }
    steps
}

/// Whether lines are as expected: a line `…` stands for any number of them, a `…` within a line for any text, and
/// blanks for any number of blanks.
fn matches(expected: &[String], actual: &[&str]) -> bool {
    match (expected.split_first(), actual.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            matches(rest, actual) || actual.split_first().is_some_and(|(_, later)| matches(expected, later))
        }
        (Some((first, rest)), Some((line, later))) => line_matches(first, line) && matches(rest, later),
        _ => false,
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (expected, line) = (squeezed(expected), squeezed(line));
    let mut parts = expected.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut is_open = false;
    for part in parts {
        is_open = true;
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || (is_open && expected.ends_with('…'))
}

#[test]
fn the_transcript_of_a_day_is_true() {
    run("docs/a-day.md", 25);
}

#[test]
fn the_transcript_of_access_is_true() {
    run("docs/access.md", 25);
}

#[test]
fn the_transcript_of_git_is_true() {
    run("docs/git.md", 20);
}

/// Runs the commands of a transcript, of which there are more than `least`.
fn run(file: &str, least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let temp = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let text = std::fs::read_to_string(root.join(file)).unwrap().replace(":8000", &format!(":{port}"));
    let steps = steps(&text);
    assert!(steps.len() > least, "the transcript was not found");
    let mut script = String::from("trap 'kill $server' EXIT\n");
    for (number, step) in steps.iter().enumerate() {
        script.push_str(&format!("echo '@@@{number}'\n{}\n", step.command));
        if step.command.starts_with("confgit serve") {
            script.push_str("server=$!\n");
        }
    }
    std::fs::write(temp.path().join("day.sh"), script).unwrap();
    std::os::unix::fs::symlink(root.join("example-repo"), temp.path().join("example-repo")).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_confgit"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", "exec bash day.sh 2>&1"])
        .current_dir(temp.path())
        .env_clear()
        .envs([("PATH", path.as_str()), ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("HOME", "/nonexistent")])
        .envs([
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "safe.directory"),
            ("GIT_CONFIG_VALUE_0", "*"),
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    // What the server says when it is there may come with any of the first commands.
    let printed = printed.replace(&format!("listening on 127.0.0.1:{port}\n"), "");
    let mut found: Vec<Vec<&str>> = Vec::new();
    for line in printed.lines() {
        match line.strip_prefix("@@@") {
            Some(_) => found.push(Vec::new()),
            None => found.last_mut().unwrap().push(line),
        }
    }
    assert_eq!(found.len(), steps.len(), "{printed}");
    let told = steps.iter().zip(&found).filter_map(|(step, actual)| {
        let expected: Vec<String> =
            step.expected.iter().filter(|line| !line.starts_with("listening on ")).cloned().collect();
        let (command, expected_text, actual_text) = (&step.command, expected.join("\n"), actual.join("\n"));
        let is_true = matches(&expected, actual);
        (!is_true).then(|| format!("$ {command}\nexpected:\n{expected_text}\nprinted:\n{actual_text}\n"))
    });
    let told: Vec<String> = told.collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}
