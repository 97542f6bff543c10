//! The whole surface of REST: every verb, every format, pages, diffs, commits, environments, several projects.

mod environments;
mod explaining;
mod looking_back;
mod projects;
mod promoting;
mod reading;
mod resolving;
mod writing;

use serde_json::Value;

use crate::harness::{Answer, Server, TestProject};

pub fn example() -> (TestProject, Server) {
    let project = TestProject::example();
    let server = project.serve();
    (project, server)
}

/// Sends a body of some media type.
pub fn send(server: &Server, method: &str, target: &str, kind: &str, body: impl AsRef<[u8]>) -> Answer {
    server.request(method, target, &[("Content-Type", kind)], body.as_ref())
}

/// What a list of JSON objects has under one name.
pub fn each(list: &Value, name: &str) -> Vec<Value> {
    list.as_array().unwrap_or_else(|| panic!("{list}")).iter().map(|item| item[name].clone()).collect()
}

/// Follows `Link: rel="next"` to the end; answers what each page has.
pub fn pages(server: &Server, target: &str) -> Vec<Value> {
    let (mut all, mut target) = (Vec::new(), target.to_owned());
    loop {
        let answer = server.get(&target).expect(200);
        all.push(answer.json());
        assert!(all.len() < 1_000, "the pages do not end");
        match answer.header("link") {
            Some(link) => {
                let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
                target = next.unwrap_or_else(|| panic!("{link}")).to_owned();
            }
            None => return all,
        }
    }
}

/// What the server says is wrong with a request that it answers with 400.
#[track_caller]
pub fn malformed(server: &Server, target: &str) -> String {
    let problem = server.get(target).expect(400).json();
    problem["detail"].as_str().unwrap().to_owned()
}
