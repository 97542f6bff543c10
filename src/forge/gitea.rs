use super::dialect::{A_PAGE, Call, Dialect};

/// API version 1, which has most as GitHub does; that of Forgejo, too.
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

    fn comments(&self, repository: &str, number: u64, _: usize) -> Call {
        // There are no pages: all come at once.
        Call::get(format!("/repos/{repository}/issues/{number}/comments"))
    }
}
