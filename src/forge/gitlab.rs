use serde_json::{Value, json};

use super::dialect::{A_PAGE, Call, Comment, Dialect, Page, PullRequest, Verdict, comments_of, items, text};

/// REST API, version 4. Pull requests are called merge requests there, comments notes.
pub(super) struct GitLab;

/// A project is named by its path as one segment of the address.
fn project(repository: &str) -> String {
    format!("/projects/{}", repository.replace('/', "%2F"))
}

impl Dialect for GitLab {
    fn headers(&self, token: &str) -> Vec<(&'static str, String)> {
        vec![("private-token", token.to_owned()), ("accept", "application/json".to_owned())]
    }

    fn pull_requests(&self, repository: &str, page: usize) -> Call {
        let project = project(repository);
        Call::get(format!(
            "{project}/merge_requests?state=opened&order_by=updated_at&sort=desc&per_page={A_PAGE}&page={page}"
        ))
    }

    fn read_pull_requests(&self, answer: &Value) -> Page<PullRequest> {
        let pull = |item: &Value| {
            let number = item.get("iid")?.as_u64()?;
            Some(PullRequest {
                number,
                target: text(item, "/target_branch")?,
                head: text(item, "/sha")?,
                head_ref: Some(format!("refs/merge-requests/{number}/head")),
                page: text(item, "/web_url").unwrap_or_default(),
            })
        };
        Page::of(items(answer), pull)
    }

    fn status(
        &self,
        repository: &str,
        pull: &PullRequest,
        commit: &str,
        context: &str,
        verdict: &Verdict,
    ) -> Call {
        let mut body = json!({
            "state": if verdict.is_good { "success" } else { "failed" },
            "description": verdict.description,
            "name": context,
        });
        // It takes no longer ones.
        if !pull.page.is_empty() && pull.page.len() <= 255 {
            body["target_url"] = pull.page.clone().into();
        }
        Call::post(format!("{}/statuses/{commit}", project(repository)), body)
    }

    fn author_of_status(&self, answer: &Value) -> Option<String> {
        answer.pointer("/author/id").map(Value::to_string)
    }

    fn comments(&self, repository: &str, number: u64, page: usize) -> Call {
        let project = project(repository);
        Call::get(format!(
            "{project}/merge_requests/{number}/notes?order_by=created_at&sort=asc&per_page={A_PAGE}&page={page}"
        ))
    }

    fn read_comments(&self, answer: &Value) -> Page<Comment> {
        comments_of(answer, "/body", "/author/id")
    }

    fn comment(&self, repository: &str, number: u64, id: Option<u64>, text: &str) -> Call {
        let (notes, body) =
            (format!("{}/merge_requests/{number}/notes", project(repository)), json!({ "body": text }));
        match id {
            None => Call::post(notes, body),
            Some(id) => Call::change("PUT", format!("{notes}/{id}"), body),
        }
    }
}
