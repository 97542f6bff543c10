//! Completions, as real shells ask for them.

use std::path::Path;
use std::process::Command;

use crate::cli::{On, on_both};
use crate::harness::TestProject;

/// What bash offers for the last of the words.
fn bash(on: &On<'_>, words: &[&str]) -> Vec<String> {
    let script = r#"
        source <(confgit completions bash)
        complete -p confgit > /dev/null || exit 9
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9
        _clap_complete_confgit confgit "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut command = Command::new("bash");
    let folder = Path::new(env!("CARGO_BIN_EXE_confgit")).parent().unwrap().display().to_string();
    command.env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap_or_default()));
    command.args(["--norc", "-c", script, "bash", "confgit"]);
    match on {
        On::Server(server) => {
            command
                .env("CONFGIT_SERVER", format!("http://{}", server.address))
                .env("CONFGIT_TOKEN", &server.key);
        }
        On::Repo(dir) => {
            command.arg("--repo").arg(dir).env_remove("CONFGIT_SERVER");
        }
    }
    let output = command.args(words).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "a shell that completes is told nothing");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_is_offered_paths_environments_and_versions() {
    on_both(|on| {
        on.run(&["set", "/shop", r#"{"alpha": 1, "alps": {"deep": {"x": 1, "y": 2}}, "$(touch x)": 1}"#])
            .ok();
        on.run(&["set", "/shop/alpha", "2"]).ok();
        on.run(&["set", "/shop/prod-only", "2", "-e", "prod"]).ok();
        for (words, expected) in [
            (&["get", "/shop/al"][..], &["/shop/alpha", "/shop/alps/"][..]),
            (&["get", "shop/alp"], &["shop/alpha", "shop/alps/"]),
            (&["get", "/sho"], &["/shop/"]),
            (&["get", "shop.alph"], &["shop.alpha"]),
            (&["get", "shop.alps.d"], &["shop.alps.deep.x", "shop.alps.deep.y"]),
            (&["set", "/shop/alps/deep/"], &["/shop/alps/deep/x", "/shop/alps/deep/y"]),
            (&["tree", "/shop/$"], &[]),
            (&["get", "/shop/p"], &[]),
            (&["--env", "prod", "get", "/shop/p"], &["/shop/prod-only"]),
            (&["get", "-e", "prod", "/shop/p"], &["/shop/prod-only"]),
            (&["get", "/shop/alpha", "--env", "p"], &["prod"]),
            (&["rollback", "/shop/alpha", ""], &["2", "1"]),
            (&["get", "/shop/alpha", "--version", "1"], &["1"]),
            (&["import", ".", "--to", "/sho"], &["/shop/"]),
            (&["unse"], &["unset"]),
            (&["get", "/nowhere/x"], &[]),
        ] {
            let offered = bash(on, words);
            let options: Vec<&String> = offered.iter().filter(|word| !word.starts_with('-')).collect();
            assert_eq!(options, expected.iter().collect::<Vec<_>>(), "{words:?}");
        }
    });
}

#[test]
fn a_shell_never_waits_and_never_hears_of_errors() {
    let project = TestProject::example();
    let server = project.serve();
    // A project that is served, and a server that is not there.
    assert!(bash(&On::Repo(&project.dir()), &["get", "/my"]).is_empty());
    assert!(bash(&On::Repo(Path::new("/nowhere")), &["get", "/my"]).is_empty());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let offered = bash(&On::Server(&server), &["--server", &silent, "get", "/my"]);
    assert!(offered.is_empty(), "{offered:?}");
}

#[test]
fn other_shells_have_scripts() {
    for (shell, word) in [
        ("zsh", "#compdef confgit"),
        ("fish", "complete "),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = crate::cli::command(&[]).args(["completions", shell]).output().unwrap().stdout;
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains(word) && script.contains("CONFGIT_COMPLETE"), "{shell}: {script}");
    }
}
