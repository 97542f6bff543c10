//! Somebody runs `git gc` and `git repack` on the repository of a running server, again and again.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{TestProject, git_command};

/// How long both go on.
const WHILE: Duration = Duration::from_secs(6);

#[test]
fn gc_and_repack_from_outside_do_no_harm() {
    let project = TestProject::example();
    let server = project.serve();
    let begun = Instant::now();
    let mut written = [0u64; 4];
    std::thread::scope(|scope| {
        let (server, project) = (&server, &project);
        let collector = scope.spawn(move || {
            let mut runs = 0;
            while begun.elapsed() < WHILE {
                let arguments: &[&str] = match runs % 3 {
                    0 => &["repack", "-adq"],
                    1 => &["gc", "--quiet", "--prune=now"],
                    _ => &["repack", "-dq", "--geometric=2"],
                };
                let output = git_command(&project.config_git()).args(arguments).output().unwrap();
                assert!(
                    output.status.success(),
                    "git {arguments:?}: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
                runs += 1;
            }
            runs
        });
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                scope.spawn(move || {
                    let mut version = 0u64;
                    while begun.elapsed() < WHILE {
                        version += 1;
                        let path = format!("/gc/w{writer}");
                        let answer = server.put(&path, json!(version));
                        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
                        assert_eq!(answer.json()["version"], version);
                        // Old versions are read from packs that may just be going away.
                        let old = version.div_ceil(2);
                        let read = server.get(&format!("/api/config{path}?version={old}")).expect(200).json();
                        assert_eq!(read["value"], old);
                    }
                    version
                })
            })
            .collect();
        for (last, writer) in written.iter_mut().zip(writers) {
            *last = writer.join().unwrap();
        }
        assert!(collector.join().unwrap() >= 2, "git had no time to run");
    });
    project.git(&["fsck", "--full", "--strict"]);
    let commits: u64 = project.git(&["rev-list", "--count", "main"]).trim().parse().unwrap();
    assert_eq!(commits, 1 + written.iter().sum::<u64>());
    server.stop();
    let server = project.serve();
    for (writer, last) in written.iter().enumerate() {
        assert_eq!(server.get(&format!("/api/config/gc/w{writer}")).json()["version"], *last);
    }
}
