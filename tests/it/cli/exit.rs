//! Exit codes, messages that say what to do, and ends that are no failure.

use std::process::Stdio;

use super::{On, Ran, command};
use crate::harness::TestProject;

#[test]
fn exit_codes_tell_scripts_what_happened() {
    let project = TestProject::example();
    let server = project.serve();
    let on = On::Server(&server);
    on.run(&["set", "/t/v", "1"]).ok();
    for (arguments, code, says) in [
        (&["get", "/nowhere"][..], 3, "/nowhere does not exist in base"),
        (&["get", "/t/v", "-e", "nowhere"], 3, "there are: base, dev, staging, prod"),
        (&["get", "/nowhere", "-e", "nowhere", "--default", "1"], 3, "no environment `nowhere`"),
        (&["get", "/t/v", "--version", "9"], 3, "its newest is 1"),
        (&["history", "/nowhere"], 3, "does not exist"),
        (&["set", "/t/v", "2", "--if-version", "7"], 5, "it is now in version 1"),
        (&["set", "/t/v", "2", "--create"], 5, "/t/v exists already, in version 1"),
        (&["set", "/t/v/w", "2"], 5, "/t/v"),
        (&["set", "/", "2"], 2, "the root cannot be written"),
        (&["get", "a//b"], 2, "segment 2 is empty"),
        (&["get", "/t", "--raw"], 2, "use --format yaml"),
        (&["set", "/t/v", "@/nowhere/file"], 2, "/nowhere/file cannot be read"),
        (&["set", "/t/v", "1", "--schema", "{"], 2, "--schema is no JSON"),
        (&["get", "/t/v", "--version", "1", "--at", "1"], 2, "cannot be used with"),
        (&["log", "-e", "nowhere"], 3, "no environment `nowhere`"),
        (&["serve", ".", "--repo", "."], 2, "has no use for --repo"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
        (&["get", "/t/v", "--at", "yesterday"], 2, "RFC 3339"),
    ] {
        let stderr = on.run(arguments).fails(code);
        assert!(stderr.starts_with("error: ") && stderr.contains(says), "{arguments:?}: {stderr}");
        assert!(!stderr.contains(&server.key), "{arguments:?} shows the key");
    }
    assert_eq!(on.run(&["get", "/t/v"]).ok(), "1\n");
}

#[test]
fn a_place_in_a_file_is_named_once() {
    let project = TestProject::example();
    let server = project.serve();
    let stderr = On::Server(&server).run(&["set", "/myapp/database/pool_size/x", "1"]).fails(5);
    assert_eq!(stderr.matches("myapp/database.yaml:").count(), 1, "{stderr}");
}

#[test]
fn without_a_server_or_a_key_one_is_told_what_to_do() {
    let stderr =
        Ran::from(command(&[]).args(["--server", "http://127.0.0.1:1", "get", "/x"]).output().unwrap());
    let stderr = stderr.fails(1);
    assert!(stderr.contains("no server answers at http://127.0.0.1:1 (connection refused)"), "{stderr}");
    assert!(stderr.contains("confgit demo"), "{stderr}");
    let project = TestProject::empty();
    let server = project.serve();
    let url = format!("http://{}", server.address);
    let run = |token: &str| {
        let variables = [("CONFGIT_SERVER", url.as_str()), ("CONFGIT_TOKEN", token)];
        Ran::from(command(&variables).args(["get", "/x"]).output().unwrap())
    };
    assert!(run("").fails(4).contains("set CONFGIT_TOKEN"));
    let stderr = run("cg_not-a-key-of-this-server").fails(4);
    assert!(!stderr.contains("not-a-key"), "{stderr}");
    let stderr = run("cg_with a space").fails(2);
    assert!(stderr.contains("CONFGIT_TOKEN") && !stderr.contains("with a"), "{stderr}");
    let stderr = On::Repo(&project.dir()).run(&["get", "/x"]).fails(1);
    assert!(stderr.contains("served by another process") && stderr.contains("--server"), "{stderr}");
    let taken = command(&[])
        .arg("serve")
        .arg(TestProject::empty().dir())
        .args(["--listen", &server.address])
        .output();
    assert!(Ran::from(taken.unwrap()).fails(1).contains("another server is there"));
}

#[test]
fn something_else_than_confgit_is_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>");
    });
    let stderr =
        Ran::from(command(&[("CONFGIT_TOKEN", "cg_x")]).args(["--server", &url, "status"]).output().unwrap());
    let stderr = stderr.fails(1);
    assert!(stderr.contains("it answered 502: <html>"), "{stderr}");
    answering.join().unwrap();
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let project = TestProject::example();
    for arguments in [&["ls", "-r"][..], &["completions", "bash"], &["get", "--help"]] {
        let mut child = command(&[])
            .arg("--repo")
            .arg(project.dir())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn help_shows_no_key() {
    let help = command(&[("CONFGIT_TOKEN", "cg_secret")]).args(["set", "--help"]).output().unwrap();
    let help = Ran::from(help).ok();
    assert!(help.contains("CONFGIT_TOKEN") && !help.contains("cg_secret"), "{help}");
}
