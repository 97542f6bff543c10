use serde_json::{Value, json};

use super::dialect::{A_PAGE, Call, Comment, Dialect, Page, PullRequest, Verdict, comments_of, items, text};

/// REST API, version 2022-11-28.
pub(super) struct GitHub;

impl Dialect for GitHub {
    fn headers(&self, token: &str) -> Vec<(&'static str, String)> {
        vec![
            ("authorization", format!("Bearer {token}")),
            ("accept", "application/vnd.github+json".to_owned()),
            ("x-github-api-version", "2022-11-28".to_owned()),
        ]
    }

    fn pull_requests(&self, repository: &str, page: usize) -> Call {
        Call::get(format!(
            "/repos/{repository}/pulls?state=open&sort=updated&direction=desc&per_page={A_PAGE}&page={page}"
        ))
    }

    fn read_pull_requests(&self, answer: &Value) -> Page<PullRequest> {
        pull_requests_of(answer)
    }

    fn status(
        &self,
        repository: &str,
        pull: &PullRequest,
        commit: &str,
        context: &str,
        verdict: &Verdict,
    ) -> Call {
        status_of(repository, pull, commit, context, verdict)
    }

    fn author_of_status(&self, answer: &Value) -> Option<String> {
        answer.pointer("/creator/id").map(Value::to_string)
    }

    fn comments(&self, repository: &str, number: u64, page: usize) -> Call {
        Call::get(format!("/repos/{repository}/issues/{number}/comments?per_page={A_PAGE}&page={page}"))
    }

    fn read_comments(&self, answer: &Value) -> Page<Comment> {
        comments_of(answer, "/body", "/user/id")
    }

    fn comment(&self, repository: &str, number: u64, id: Option<u64>, text: &str) -> Call {
        comment_of(repository, number, id, text)
    }
}

/// The pull requests of a list; Gitea has the same.
pub(super) fn pull_requests_of(answer: &Value) -> Page<PullRequest> {
    let pull = |item: &Value| {
        let number = item.get("number")?.as_u64()?;
        Some(PullRequest {
            number,
            target: text(item, "/base/ref")?,
            head: text(item, "/head/sha")?,
            head_ref: Some(format!("refs/pull/{number}/head")),
            page: text(item, "/html_url").unwrap_or_default(),
        })
    };
    Page::of(items(answer), pull)
}

/// A status; Gitea takes the same.
pub(super) fn status_of(
    repository: &str,
    pull: &PullRequest,
    commit: &str,
    context: &str,
    verdict: &Verdict,
) -> Call {
    let mut body = json!({
        "state": if verdict.is_good { "success" } else { "failure" },
        "description": verdict.description,
        "context": context,
    });
    if !pull.page.is_empty() {
        body["target_url"] = pull.page.clone().into();
    }
    Call::post(format!("/repos/{repository}/statuses/{commit}"), body)
}

/// A comment; Gitea takes the same.
pub(super) fn comment_of(repository: &str, number: u64, id: Option<u64>, text: &str) -> Call {
    let body = json!({ "body": text });
    match id {
        None => Call::post(format!("/repos/{repository}/issues/{number}/comments"), body),
        Some(id) => Call::change("PATCH", format!("/repos/{repository}/issues/comments/{id}"), body),
    }
}
