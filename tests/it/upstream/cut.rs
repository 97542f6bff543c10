//! The way to the upstream breaks off at each step of fetching and pushing.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::{follower, upstream};
use crate::harness::{TestProject, git_command, wait_for};

/// Carries connections to a server; each breaks off after so many bytes in both directions together.
fn way_to(server: &str, most: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, server) = (listener.local_addr().unwrap().to_string(), server.to_owned());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else { return };
            let carried = Arc::new(AtomicUsize::new(0));
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let (most, carried) = (most.clone(), carried.clone());
                std::thread::spawn(move || {
                    let mut buffer = [0; 64];
                    loop {
                        let count = from.read(&mut buffer).unwrap_or(0);
                        let so_far = carried.fetch_add(count, Ordering::SeqCst) + count;
                        let is_over = count == 0 || so_far > most.load(Ordering::SeqCst);
                        if is_over || to.write_all(&buffer[..count]).is_err() {
                            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                            return;
                        }
                    }
                });
            }
        }
    });
    address
}

#[test]
fn an_upstream_that_breaks_off_at_any_step_loses_nothing() {
    let first = TestProject::with_files(&[
        ("meta/settings.yaml", "environments:\n  base: { branch: main }\n"),
        ("base/app.yaml", "host: h0\n"),
    ]);
    let origin = first.serve();
    let most = Arc::new(AtomicUsize::new(usize::MAX));
    let address = way_to(&origin.address, most.clone());
    let project = follower(&format!("http://{address}/config.git"), ", token: key, poll: 1s");
    std::fs::write(project.dir().join("secrets/key"), &origin.key).unwrap();
    let server = project.serve();
    let heads = || [&project, &first].map(|one| one.git(&["rev-parse", "main"]));
    let is_same = || heads()[0] == heads()[1];
    wait_for("the first fetch", is_same);
    let mut failed = 0;
    for bytes in [0, 100, 400, 900, 1_400, 2_000, 2_600, 3_500, 5_000] {
        most.store(bytes, Ordering::SeqCst);
        origin.put(&format!("/app/there{bytes}"), json!(bytes)).expect(201);
        server.put(&format!("/app/here{bytes}"), json!(bytes)).expect(201);
        let before = std::time::Instant::now();
        wait_for("the way to break off, or all to get through", || {
            upstream(&server)["last_error"].is_string() || (is_same() && before.elapsed().as_secs() > 1)
        });
        failed += usize::from(upstream(&server)["last_error"].is_string());
        most.store(usize::MAX, Ordering::SeqCst);
        wait_for("both to hold the same", is_same);
        for side in [&server, &origin] {
            for place in ["here", "there"] {
                side.get(&format!("/v1/config/app/{place}{bytes}")).expect(200);
            }
        }
    }
    assert!(failed >= 5, "{failed} of them broke off");
    assert!(upstream(&server)["overruled"].is_null());
    // No key stays where one is looked for.
    std::fs::remove_file(project.dir().join("secrets/key")).unwrap();
    server.stop();
    origin.stop();
    for one in [&project, &first] {
        let fsck =
            git_command(Path::new(&one.config_git())).args(["fsck", "--full", "--strict"]).output().unwrap();
        assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stderr));
    }
}
