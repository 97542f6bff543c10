use serde_json::{Value, json};

use super::dialect::{
    COMMENTS_A_PAGE, Call, Comment, Dialect, PullRequest, Verdict, comments_of, items, text,
};

/// Bitbucket Cloud, version 2.0. It has no refs of pull requests: their branches are fetched, and those of other
/// repositories cannot be.
pub(super) struct Bitbucket;

impl Dialect for Bitbucket {
    fn headers(&self, token: &str) -> Vec<(&'static str, String)> {
        vec![("authorization", format!("Bearer {token}")), ("accept", "application/json".to_owned())]
    }

    fn pull_requests(&self, repository: &str) -> Call {
        Call::get(format!("/repositories/{repository}/pullrequests?state=OPEN&sort=-updated_on&pagelen=50"))
    }

    fn read_pull_requests(&self, answer: &Value) -> Vec<PullRequest> {
        let pull = |item: &Value| {
            let (from, to) = ("/source/repository/full_name", "/destination/repository/full_name");
            let is_own = text(item, from).is_some() && text(item, from) == text(item, to);
            let branch = text(item, "/source/branch/name")?;
            Some(PullRequest {
                number: item.get("id")?.as_u64()?,
                target: text(item, "/destination/branch/name")?,
                head: text(item, "/source/commit/hash")?,
                head_ref: is_own.then(|| format!("refs/heads/{branch}")),
                page: text(item, "/links/html/href").unwrap_or_default(),
            })
        };
        answer.get("values").map(items).unwrap_or_default().iter().filter_map(pull).collect()
    }

    fn status(
        &self,
        repository: &str,
        pull: &PullRequest,
        commit: &str,
        context: &str,
        verdict: &Verdict,
    ) -> Call {
        let body = json!({
            "key": context,
            "state": if verdict.is_good { "SUCCESSFUL" } else { "FAILED" },
            "name": context,
            "description": verdict.description,
            // It has to have one.
            "url": pull.page,
        });
        Call::post(format!("/repositories/{repository}/commit/{commit}/statuses/build"), body)
    }

    fn comments(&self, repository: &str, number: u64, page: usize) -> Call {
        Call::get(format!(
            "/repositories/{repository}/pullrequests/{number}/comments?sort=created_on&pagelen={COMMENTS_A_PAGE}&page={page}"
        ))
    }

    fn read_comments(&self, answer: &Value) -> Vec<Comment> {
        answer.get("values").map(|values| comments_of(values, "/content/raw")).unwrap_or_default()
    }

    fn comment(&self, repository: &str, number: u64, id: Option<u64>, text: &str) -> Call {
        let (comments, body) = (
            format!("/repositories/{repository}/pullrequests/{number}/comments"),
            json!({ "content": { "raw": text } }),
        );
        match id {
            None => Call::post(comments, body),
            Some(id) => Call::change("PUT", format!("{comments}/{id}"), body),
        }
    }
}
