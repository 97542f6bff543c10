use ring::digest;
use serde_json::{Value, json};

use super::dialect::{A_PAGE, Call, Comment, Dialect, Page, PullRequest, Verdict, comments_of, items, text};

/// How long the key of a status may be.
const MOST_KEY_CHARS: usize = 40;

/// Bitbucket Cloud, version 2.0. It has no refs of pull requests: their branches are fetched, and those of other
/// repositories cannot be.
pub(super) struct Bitbucket;

impl Dialect for Bitbucket {
    fn headers(&self, token: &str) -> Vec<(&'static str, String)> {
        vec![("authorization", format!("Bearer {token}")), ("accept", "application/json".to_owned())]
    }

    fn pull_requests(&self, repository: &str, page: usize) -> Call {
        Call::get(format!(
            "/repositories/{repository}/pullrequests?state=OPEN&sort=-updated_on&pagelen={A_PAGE}&page={page}"
        ))
    }

    fn read_pull_requests(&self, answer: &Value) -> Page<PullRequest> {
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
        Page::of(answer.get("values").map(items).unwrap_or_default(), pull)
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
            "key": key_of(context),
            "state": if verdict.is_good { "SUCCESSFUL" } else { "FAILED" },
            "name": context,
            "description": verdict.description,
            // It has to have one.
            "url": pull.page,
        });
        Call::post(format!("/repositories/{repository}/commit/{commit}/statuses/build"), body)
    }

    fn author_of_status(&self, _: &Value) -> Option<String> {
        None
    }

    fn comments(&self, repository: &str, number: u64, page: usize) -> Call {
        Call::get(format!(
            "/repositories/{repository}/pullrequests/{number}/comments?sort=created_on&pagelen={A_PAGE}&page={page}"
        ))
    }

    fn read_comments(&self, answer: &Value) -> Page<Comment> {
        comments_of(answer.get("values").unwrap_or(&Value::Null), "/content/raw", "/user/uuid")
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

/// A key of a status: it has at most 40 characters, and longer ones end in what tells them apart.
fn key_of(context: &str) -> String {
    if context.chars().count() <= MOST_KEY_CHARS {
        return context.to_owned();
    }
    let hash = digest::digest(&digest::SHA256, context.as_bytes());
    let digits: String = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let begin: String = context.chars().take(MOST_KEY_CHARS - 9).collect();
    format!("{begin}-{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_tell_apart() {
        assert_eq!(key_of("confgit/prod"), "confgit/prod");
        let [one, other] = ["a", "b"].map(|end| key_of(&format!("confgit/{}{end}", "x".repeat(60))));
        assert_eq!((one.len(), other.len()), (40, 40));
        assert_ne!(one, other);
    }
}
