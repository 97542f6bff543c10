use super::dialect::{A_PAGE, Call, Dialect};

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

    fn comments(&self, repository: &str, number: u64, page: usize) -> Call {
        Call::get(format!("/repos/{repository}/issues/{number}/comments?per_page={A_PAGE}&page={page}"))
    }
}
