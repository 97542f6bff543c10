use serde_json::Value;

use super::dialect::{A_PAGE, Call, Comment, Dialect, Page, PullRequest, Verdict, comments_of};
use super::github::{comment_of, pull_requests_of, status_of};

/// API version 1, which is near that of GitHub; that of Forgejo, too.
pub(super) struct Gitea;

impl Dialect for Gitea {
    fn headers(&self, token: &str) -> Vec<(&'static str, String)> {
        vec![("authorization", format!("token {token}")), ("accept", "application/json".to_owned())]
    }

    fn pull_requests(&self, repository: &str, page: usize) -> Call {
        Call::get(format!(
            "/repos/{repository}/pulls?state=open&sort=recentupdate&limit={A_PAGE}&page={page}"
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

    fn comments(&self, repository: &str, number: u64, _: usize) -> Call {
        // There are no pages: all come at once.
        Call::get(format!("/repos/{repository}/issues/{number}/comments"))
    }

    fn read_comments(&self, answer: &Value) -> Page<Comment> {
        comments_of(answer, "/body", "/user/id")
    }

    fn comment(&self, repository: &str, number: u64, id: Option<u64>, text: &str) -> Call {
        comment_of(repository, number, id, text)
    }
}
