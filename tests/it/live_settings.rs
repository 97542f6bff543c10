//! Settings and accounts take effect when they are pushed, and a bad file does not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Server, TestProject, git};

const BASE: &str =
    "default: base\nenvironments:\n  base: { branch: main }\n  prod: { branch: prod, inherits: base }\n";

fn push(project: &TestProject, name: &str, content: &str) {
    let folder = tempfile::tempdir().unwrap();
    let meta = project.dir().join("meta.git");
    git(folder.path(), &["clone", "-q", meta.to_str().unwrap(), "meta"]);
    let tree = folder.path().join("meta");
    std::fs::write(tree.join(name), content).unwrap();
    git(&tree, &["add", "-A"]);
    git(&tree, &["commit", "-q", "-m", "change the settings"]);
    git(&tree, &["push", "-q", "origin", "HEAD:main"]);
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn value(server: &Server, target: &str) -> Value {
    let answer = server.get(target);
    if answer.status == 200 { answer.json() } else { Value::Null }
}

#[test]
fn what_is_pushed_takes_effect_and_mistakes_do_not() {
    let project = TestProject::with_files(&[
        ("meta/settings.yaml", BASE),
        ("base/app.yaml", "list: [1]\nregion: \"${REGION:none}\"\npassword: \"${secret:pw}\"\n"),
        ("prod/app.yaml", "list: [2]\n"),
    ]);
    let server = project.serve_with(&[], &[("REGION", "eu"), ("CONFGIT_SECRET_PW", "hush")]);
    let list = "/v1/config/app/list?env=prod";
    assert_eq!(value(&server, list), json!([2]));
    assert_eq!(value(&server, "/v1/config/app/region"), "none");
    let whole = value(&server, "/api/config/app?env=prod&recursive=true");
    push(&project, "settings.yaml", &format!("{BASE}merge:\n  /app/list: append\n"));
    until("arrays are joined", || value(&server, list) == json!([1, 2]));
    assert_ne!(value(&server, "/api/config/app?env=prod&recursive=true"), whole, "in every answer");
    // References, secrets and an environment.
    push(
        &project,
        "settings.yaml",
        &format!(
            "{BASE}  eu: {{ branch: eu, inherits: prod }}\nreferences: {{process: [REGION]}}\n\
             secrets:\n  - {{names: [pw], provider: env}}\nlimits: {{value_bytes: 100}}\n"
        ),
    );
    until("the environment is there", || value(&server, "/v1/config/app/region?env=eu") == "eu");
    assert_eq!(value(&server, list), json!([2]), "as it was");
    assert_eq!(value(&server, "/v1/config/app/password"), "hush");
    server.put("/env/eu/app/list", json!([3])).expect(201);
    server.put("/app/long", json!("x".repeat(200))).expect(413);
    assert_eq!(project.git(&["show", "eu:app.yaml"]), "list:\n  - 3\n");
    // A mistake keeps the old ones, and is told.
    push(&project, "settings.yaml", "environments: []\n");
    let refused = || server.get("/api/status").json()["refused_settings"].clone();
    until("the mistake is told", || refused().is_array());
    assert_eq!(refused()[0]["file"], "settings.yaml");
    assert_eq!(value(&server, "/v1/config/app/region?env=eu"), "eu");
    server.put("/app/more", json!(1)).expect(201);
    push(&project, "settings.yaml", BASE);
    until("the mistake is mended", || refused().is_null());
    server.get("/v1/config/app?env=eu").expect(404);
    // A key that is taken away opens nothing any more.
    push(&project, "access.yaml", "accounts: {}\n");
    until("the key is gone", || server.get("/api/whoami").status == 401);
}
