//! The command line, as a person and a script meet it: the real binary on a real server and on a directory.

mod complete;
mod demo;
mod edit;
mod exit;
mod export;
mod live;
mod look;
mod promoting;
mod tree;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{Server, TestProject};

/// What a command printed and how it ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// What was printed, if the command succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// What was said of the failure, if it has this exit code.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "a failure prints no result");
        self.stderr
    }

    #[track_caller]
    pub fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The binary, without anything of the caller's environment.
pub fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confgit"));
    command.env_clear().env("USER", "tess").envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

/// Where a scenario runs.
pub enum On<'a> {
    Server(&'a Server),
    Repo(&'a Path),
}

impl On<'_> {
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, b"")
    }

    /// The binary, working on this.
    pub fn command(&self) -> Command {
        match self {
            On::Server(server) => {
                let url = format!("http://{}", server.address);
                command(&[("CONFGIT_SERVER", &url), ("CONFGIT_TOKEN", &server.key)])
            }
            On::Repo(dir) => {
                let mut command = command(&[]);
                command.arg("--repo").arg(dir);
                command
            }
        }
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command();
        let pipes =
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        // A command that does not read its input may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap().into()
    }
}

/// Runs a scenario on a server, and on a directory without one.
pub fn on_both(scenario: fn(&On<'_>)) {
    let project = TestProject::example();
    scenario(&On::Server(&project.serve()));
    let project = TestProject::example();
    scenario(&On::Repo(&project.dir()));
}

#[test]
fn a_value_is_set_read_and_taken_away() {
    on_both(|on| {
        let path = "/myapp/database/connection_string";
        let first = on.run(&["set", path, "postgres://localhost:5432/mydb", "-m", "add it"]).ok();
        assert_eq!(first, format!("{path} = postgres://localhost:5432/mydb  (version 1, sequence 2)\n"));
        on.run(&["set", path, "postgres://newhost:5432/mydb"]).ok();
        assert_eq!(on.run(&["get", path]).ok(), "postgres://newhost:5432/mydb\n");
        assert_eq!(
            on.run(&["get", "myapp.database.connection_string", "--raw"]).ok(),
            "postgres://newhost:5432/mydb"
        );
        assert_eq!(on.run(&["get", path, "--version", "1"]).ok(), "postgres://localhost:5432/mydb\n");
        assert_eq!(on.run(&["get", path, "--at", "2"]).ok(), "postgres://localhost:5432/mydb\n");
        let back = on.run(&["rollback", path, "1"]).ok();
        assert_eq!(back, format!("{path} = postgres://localhost:5432/mydb  (version 3, sequence 4)\n"));
        let gone = on.run(&["unset", path, "-m", "not needed"]).ok();
        assert_eq!(gone, format!("{path} removed  (version 4, sequence 5)\n"));
        assert_eq!(on.run(&["get", path, "--default", "none"]).ok(), "none\n");
        let history = on.run(&["history", path]).ok();
        let lines: Vec<&str> = history.lines().collect();
        assert!(lines[0].starts_with("VERSION  AGE"), "{history}");
        assert!(
            lines[1].starts_with("4 ") && lines[1].contains("(deleted)") && lines[1].ends_with("not needed")
        );
        assert!(lines[4].starts_with("1 ") && lines[4].ends_with("add it"), "{history}");
        let newest = on.run(&["history", path, "-n", "1", "-o", "json"]).json();
        assert_eq!((newest[0]["version"].as_u64(), newest[0]["deleted"].as_bool()), (Some(4), Some(true)));
        let log = on.run(&["log", path, "-n", "1"]).ok();
        assert!(log.contains("(version 4, sequence 5)") && log.contains("    not needed"), "{log}");
    });
}

#[test]
fn environments_inherit_and_hide() {
    on_both(|on| {
        assert_eq!(on.run(&["get", "/myapp/database/pool_size"]).ok(), "10\n");
        let prod = on.run(&["get", "/myapp/database/pool_size", "-e", "prod", "-o", "json"]).json();
        assert_eq!((prod["value"].as_u64(), prod["origin"].as_str()), (Some(40), Some("prod")));
        on.run(&["unset", "/myapp/motd", "--env", "prod", "--hide"]).ok();
        let error = on.run(&["get", "/myapp/motd", "--env", "prod"]).fails(3);
        assert_eq!(error, "error: /myapp/motd does not exist in prod\n");
        assert!(on.run(&["get", "/myapp/motd"]).ok().starts_with("Welcome to Fernhill"));
    });
}

#[test]
fn values_are_read_as_json_where_they_are_json() {
    on_both(|on| {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("ca.crt");
        std::fs::write(&file, "-----BEGIN\nx\n-----END\n").unwrap();
        let file = format!("@{}", file.display());
        for (arguments, input, json) in [
            (&["set", "/t/v", "5"][..], "", "5"),
            (&["set", "/t/v", "-5.10"], "", "-5.10"),
            (&["set", "/t/v", "5", "--string"], "", "\"5\""),
            (&["set", "/t/v", "no"], "", "\"no\""),
            (&["set", "/t/v", "[1, 2]"], "", "[1,2]"),
            (&["set", "/t/v", "-"], "from stdin\n", "\"from stdin\""),
            (&["set", "/t/v", &file, "--string"], "", r#""-----BEGIN\nx\n-----END\n""#),
        ] {
            on.run_with_input(arguments, input.as_bytes()).ok();
            let value = on.run(&["get", "/t/v", "--format", "json"]).ok();
            let compact: String = value.lines().map(str::trim).collect::<Vec<_>>().join("");
            assert_eq!(compact, json, "{arguments:?}");
        }
        let error = on.run(&["set", "/t/v", "null"]).fails(2);
        assert!(error.contains("confgit unset"), "{error}");
    });
}

#[test]
fn objects_are_written_listed_and_printed() {
    on_both(|on| {
        let set = on.run(&["set", "/shop", r#"{"a": 1, "b": {"c": "no", "d": ""}}"#]).ok();
        assert!(set.starts_with("/shop: 3 entries changed  (sequence 2)\n  /shop/a    version 1\n"), "{set}");
        assert_eq!(on.run(&["get", "/shop"]).ok(), "/shop/a    = 1\n/shop/b/c  = no\n/shop/b/d  = \"\"\n");
        assert_eq!(on.run(&["get", "/shop", "--format", "yaml"]).ok(), "a: 1\nb:\n  c: \"no\"\n  d: \"\"\n");
        let children = on.run(&["get", "/shop", "-o", "json"]).json();
        assert_eq!(children["children"], serde_json::json!(["a", "b"]));
        let entries = on.run(&["get", "/shop", "--recursive", "-o", "json"]).json();
        assert_eq!(entries["entries"][1]["path"], "/shop/b/c");
        assert_eq!(on.run(&["ls", "/shop"]).ok(), "a\nb/\n");
        assert_eq!(on.run(&["ls", "/shop/"]).ok(), "a\nb/\n");
        assert_eq!(on.run(&["ls", "/shop/a"]).ok(), "/shop/a\n");
        let root = on.run(&["ls"]).ok();
        assert!(root.starts_with("certs/\n") && !root.contains(".confgit"), "{root}");
        let long = on.run(&["ls", "/shop", "-r"]).ok();
        let columns: Vec<Vec<&str>> = long.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(columns[0], ["PATH", "VALUE", "VERSION", "AGE", "AUTHOR"]);
        assert_eq!(columns[2][..3], ["/shop/b/c", "no", "1"]);
        let gone = on.run(&["unset", "/shop"]).ok();
        assert!(gone.starts_with("/shop: 3 entries changed"), "{gone}");
    });
}

#[test]
fn metadata_comes_and_goes() {
    on_both(|on| {
        let path = "/myapp/database/pool_size";
        on.run(&[
            "set",
            path,
            "11",
            "--description",
            "how many",
            "--owner",
            "ines",
            "--schema",
            r#"{"type": "integer"}"#,
        ])
        .ok();
        let entry = on.run(&["get", path, "-o", "json"]).json();
        assert_eq!(
            (entry["description"].as_str(), entry["owner"].as_str()),
            (Some("how many"), Some("ines"))
        );
        assert_eq!(entry["schema"], serde_json::json!({ "type": "integer" }));
        let yaml = on.run(&["get", path, "-o", "yaml"]).ok();
        assert!(yaml.contains("\nschema:\n  type: integer\n"), "{yaml}");
        on.run(&["set", path, "11", "--owner", "", "--schema", "null"]).ok();
        let entry = on.run(&["get", path, "-o", "json"]).json();
        assert_eq!(
            (entry["description"].as_str(), entry.get("owner"), entry.get("schema")),
            (Some("how many"), None, None)
        );
    });
}

#[test]
fn odd_keys_survive_the_way() {
    on_both(|on| {
        for (path, value) in [
            ("/odd/a%2Fb", "1"),
            ("/odd/50%25", "2"),
            ("/odd/ä ?&#+;", "3"),
            ("/odd/history", "4"),
            ("/env/prod/x", "5"),
            ("/odd/tls.key", "6"),
        ] {
            on.run(&["set", path, value]).ok();
            assert_eq!(on.run(&["get", path]).ok(), format!("{value}\n"), "{path}");
        }
        assert_eq!(on.run(&["ls", "/odd"]).ok(), "50%25\na%2Fb\nhistory\ntls.key\nä ?&#+;\n");
    });
}

#[test]
fn bytes_come_out_as_they_are() {
    let project = TestProject::example();
    let server = project.serve();
    let url = format!("http://{}", server.address);
    let output = command(&[("CONFGIT_TOKEN", &server.key)])
        .args(["--server", &url, "get", "/storefront/favicon.png", "--raw"])
        .output()
        .unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/example-repo/base/storefront/favicon.png");
    assert_eq!(output.stdout, std::fs::read(file).unwrap());
}

#[test]
fn status_tells_environments_and_problems() {
    on_both(|on| {
        let status = on.run(&["status"]).ok();
        assert!(status.contains("writes    possible, 0 waiting"), "{status}");
        assert!(status.lines().any(|line| line.starts_with("prod ") && line.contains("staging")), "{status}");
        assert_eq!(on.run(&["status", "-o", "json"]).json()["environments"][0]["name"], "base");
    });
    let project = TestProject::with_files(&[("base/broken.yaml", "a: 1\na: 2\n")]);
    let on = On::Repo(&project.dir());
    let status = on.run(&["status"]).ok();
    assert!(status.contains("base: broken.yaml:2:1: "), "{status}");
}
