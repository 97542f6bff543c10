use serde_json::json;

use crate::harness::{Server, TestProject, confgit};

/// A server of three projects, each with a key of its own.
fn three() -> (Vec<TestProject>, Server) {
    let projects: Vec<TestProject> = (0..3).map(|_| TestProject::example()).collect();
    let dirs: Vec<String> =
        projects.iter().map(|project| project.dir().to_str().unwrap().to_owned()).collect();
    let more = [format!("web={}", dirs[1]), format!("docs={}", dirs[2])];
    let server = projects[0].serve_with(&[&more[0], &more[1]], &[]);
    (projects, server)
}

#[test]
fn several_projects_are_apart() {
    let (projects, server) = three();
    let as_of = |index: usize| format!("Bearer {}", projects[index].key);
    let (first, web) = (as_of(0), as_of(1));
    let call = |method: &str, target: &str, key: &str, body: &str| {
        server.request(method, target, &[("Authorization", key)], body.as_bytes())
    };
    call("PUT", "/p/web/api/config/myapp/database/pool_size", &web, "{\"value\": 77}").expect(200);
    call("PUT", "/api/config/only/here", &first, "{\"value\": 1}").expect(201);
    assert_eq!(call("GET", "/p/web/v1/config/myapp/database/pool_size", &web, "").expect(200).json(), 77);
    assert_eq!(call("GET", "/v1/config/myapp/database/pool_size", &first, "").json(), 10);
    assert_eq!(call("GET", "/p/project/v1/config/only/here", &first, "").expect(200).json(), 1);
    call("GET", "/p/web/v1/config/only/here", &web, "").expect(404);
    // A key opens its own project and no other.
    call("GET", "/p/web/v1/config/myapp", &first, "").expect(401);
    call("GET", "/v1/config/myapp", &web, "").expect(401);
    assert_eq!(call("GET", "/p/web/api/whoami", &web, "").json()["project"], "web");
    assert_eq!(call("GET", "/p/web/api/status", &web, "").expect(200).json()["sequence"], 2);
    assert_eq!(call("GET", "/p/docs/api/status", &as_of(2), "").expect(200).json()["sequence"], 1);
    call("GET", "/p/nowhere/api/status", &first, "").expect(404);
    call("GET", "/p/", &first, "").expect(404);
    call("GET", "/p/web", &web, "").expect(404);
    // The next page is of the same project.
    let page = call("GET", "/p/web/api/config/myapp?recursive=true&limit=2", &web, "").expect(200);
    assert!(page.header("link").unwrap().starts_with("</p/web/api/config/myapp?"), "{page:?}");
    let ready = server.get("/readyz").expect(200).json();
    assert_eq!(ready["projects"].as_object().unwrap().len(), 3);
    let metrics = server.get("/metrics").expect(200).text();
    assert!(metrics.contains("project=\"web\"") && metrics.contains("project=\"docs\""), "{metrics}");
    // Each has its own commits, under its own lock.
    assert_eq!(
        projects[1].git(&["log", "-1", "--format=%s", "main"]).trim(),
        "set /myapp/database/pool_size"
    );
    projects[2].git(&["fsck", "--strict"]);
    let other = confgit(&["--repo", projects[2].dir().to_str().unwrap(), "ls"]);
    assert!(!other.status.success(), "a server has the third project too");
}

#[test]
fn the_command_line_works_on_any_of_them() {
    let (projects, server) = three();
    let url = format!("http://{}/p/docs", server.address);
    let run = |arguments: &[&str]| {
        let mut command = crate::cli::command(&[("CONFGIT_TOKEN", &projects[2].key)]);
        let output = command.args(["--server", &url]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["set", "/docs/title", "Handbook"]);
    assert_eq!(run(&["get", "/docs/title"]), "Handbook\n");
    for number in 0..60 {
        let body = json!({"value": number});
        let headers = [("Authorization", format!("Bearer {}", projects[2].key))];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        server.request("PUT", "/p/docs/api/config/docs/n", &headers, body.to_string().as_bytes());
    }
    // More than a page of history, so that the client has to follow a link.
    assert_eq!(run(&["history", "/docs/n", "-n", "60"]).lines().count(), 61);
}

#[test]
fn two_projects_of_one_name_are_refused() {
    let project = TestProject::example();
    let dir = project.dir();
    let dir = dir.to_str().unwrap();
    let output = confgit(&["serve", dir, dir, "--listen", "127.0.0.1:0"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("two projects are named `project`"), "{told}");
}
