//! Alerts are posted, signed as Standard Webhooks says, and tried again.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use super::Stream;
use crate::harness::{DEADLINE, TestProject, python};

/// A request that the webhook got: its headers and its body.
struct Got {
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> String {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Answers the first request with 500, and all others with 204.
fn webhook() -> (String, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, got) = channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            let text = loop {
                let count = stream.read(&mut buffer).unwrap();
                bytes.extend_from_slice(&buffer[..count]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
                });
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    break Got { head: head.to_owned(), body: body.to_owned() };
                }
            };
            let status = if number == 0 { "500 Sorry" } else { "204 Taken" };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    (url, got)
}

/// What Python makes of the same secret.
fn signature(secret: &str, got: &Got) -> String {
    let script = "import base64, hashlib, hmac, sys\nsecret, signed = sys.argv[1], sys.stdin.buffer.read()\n\
        key = base64.b64decode(secret.removeprefix('whsec_'))\n\
        print('v1,' + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode())";
    let mut child = Command::new(python())
        .args(["-c", script, secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let signed = format!("{}.{}.{}", got.header("webhook-id"), got.header("webhook-timestamp"), got.body);
    child.stdin.take().unwrap().write_all(signed.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn a_lost_client_is_told_to_a_webhook() {
    let (url, got) = webhook();
    let settings = format!(
        "environments:\n  base: {{ branch: main }}\nclients: {{ lost_after: 1s }}\n\
         secrets:\n  - {{ names: [hook], provider: env }}\nwebhooks:\n  ops: {{ url: \"{url}\", secret: hook, events: [client.lost, client.found] }}\n"
    );
    let project = TestProject::with_files(&[("meta/settings.yaml", &settings), ("base/app.yaml", "a: 1\n")]);
    let secret = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw==";
    let server = project.serve_with(&[], &[("CONFGIT_SECRET_HOOK", secret)]);
    let open = || {
        let mut stream = Stream::open(&server, "/api/config/app?watch=true&client=pay-1");
        stream.ready();
        stream
    };
    open().cut();
    let next = || got.recv_timeout(DEADLINE).expect("no alert came");
    let (refused, taken) = (next(), next());
    assert_eq!(refused.header("webhook-id"), taken.header("webhook-id"), "the same message, tried again");
    assert_eq!(refused.body, taken.body);
    for got in [&refused, &taken] {
        assert_eq!(got.header("webhook-signature"), signature(secret, got));
    }
    let told = taken.json();
    assert_eq!(told["type"], "client.lost");
    for (member, expected) in [
        ("id", json!("pay-1")),
        ("account", json!("admin")),
        ("watching", json!(["/app"])),
        ("env", json!("base")),
    ] {
        assert_eq!(told["data"][member], expected, "{member}");
    }
    let _back = open();
    let found = next();
    assert_eq!(
        (found.json()["type"].clone(), found.header("webhook-id") == taken.header("webhook-id")),
        (json!("client.found"), false)
    );
    let metrics = server.get("/metrics").text();
    assert!(
        metrics.contains("confgit_webhook_deliveries_total{project=\"project\",result=\"failed\"} 1"),
        "{metrics}"
    );
    let log = server.log.lock().unwrap().clone();
    assert!(
        log.contains("an alert was not taken")
            && !log.contains("secret-of-the-tests")
            && !log.contains(secret),
        "{log}"
    );
}
