use serde_json::json;

use super::components::Components;
use super::operation::Operation;
use crate::api::http::{commits, diff};
use crate::wire;

pub(super) fn operations(components: &mut Components) -> Vec<Operation> {
    let patch = || ("text/x-diff", json!({ "type": "string" }));
    let difference = [("application/json", components.answer::<wire::Diff>()), patch()];
    let details = [("application/json", components.answer::<wire::CommitDetails>()), patch()];
    vec![
        Operation::new(
            "get",
            "/api/diff",
            "compare",
            "What differs between two moments, or two environments",
        )
        .tagged("changes")
        .says("`from` and `to` are moments as `at` names them; `from_env` and `to_env` are environments.")
        .pages(diff::PAGE, diff::MOST_PER_PAGE)
        .formats(&["json", "unified"])
        .query(&diff::OF_PROJECT)
        .conditional()
        .read("What differs.", true, &difference)
        .problems(&[404, 410, 413, 503]),
        Operation::new("get", "/api/commits", "list_commits", "Commits, newest first")
            .tagged("changes")
            .pages(commits::PAGE, commits::MOST_PER_PAGE)
            .ends(json!({ "type": "string", "pattern": "^[0-9]{1,18}\\.[0-9]{1,18}$" }))
            .query(&commits::LIST)
            .conditional()
            .read("A page of commits.", true, &[("application/json", components.answer::<wire::Commits>())])
            .problems(&[404, 410, 413, 503]),
        Operation::new("get", "/api/commits/{revision}", "read_commit", "One commit, and what it changed")
            .tagged("changes")
            .pages(diff::PAGE, diff::MOST_PER_PAGE)
            .formats(&["json", "unified"])
            .query(&commits::ONE)
            .conditional()
            .read("The commit.", true, &details)
            .problems(&[404, 410, 413, 503]),
    ]
}
