use serde_json::{Value, json};

/// A pull request that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// The branch that it is to be merged into.
    pub target: String,
    /// The commit that it would merge, or the beginning of its id.
    pub head: String,
    /// The ref of the upstream that leads there; none where it is kept in another repository.
    pub head_ref: Option<String>,
    /// Where people look at it.
    pub page: String,
}

/// What became of checking a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is as it should be.
    pub is_good: bool,
    /// Why, in a line of at most [`MOST_DESCRIPTION_CHARS`].
    pub description: String,
}

/// How long the line may be that goes with a status: GitHub and Gitea take so much.
pub const MOST_DESCRIPTION_CHARS: usize = 140;

/// A comment of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comment {
    pub id: u64,
    pub text: String,
    /// Who wrote it, as the forge tells its people apart.
    pub author: Option<String>,
}

/// A page of a list: what could be read of it, and how many items it had.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub read: Vec<T>,
    pub items: usize,
}

impl<T> Page<T> {
    /// Reads a list item by item.
    pub fn of(items: &[Value], read: impl Fn(&Value) -> Option<T>) -> Self {
        Page { read: items.iter().filter_map(read).collect(), items: items.len() }
    }
}

/// One request to the API of a forge.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub method: &'static str,
    /// Below the address of the API, with its query.
    pub path: String,
    pub body: Option<Value>,
}

impl Call {
    pub fn get(path: String) -> Self {
        Call { method: "GET", path, body: None }
    }

    pub fn post(path: String, body: Value) -> Self {
        Call { method: "POST", path, body: Some(body) }
    }

    pub fn change(method: &'static str, path: String, body: Value) -> Self {
        Call { method, path, body: Some(body) }
    }
}

/// How one kind of forge wants to be spoken to. All is about one repository. What is said here is how GitHub has it, and whoever
/// has the same.
pub(super) trait Dialect: Send + Sync {
    /// The header that opens the API, and others that go with each request.
    fn headers(&self, token: &str) -> Vec<(&'static str, String)>;

    /// Asks for the open pull requests, a page of [`A_PAGE`], those first that were touched last; pages count from 1.
    fn pull_requests(&self, repository: &str, page: usize) -> Call;

    /// Reads what that answers.
    fn read_pull_requests(&self, answer: &Value) -> Page<PullRequest> {
        Page::of(items(answer), |item| {
            let number = item.get("number")?.as_u64()?;
            Some(PullRequest {
                number,
                target: text(item, "/base/ref")?,
                head: text(item, "/head/sha")?,
                head_ref: Some(format!("refs/pull/{number}/head")),
                page: text(item, "/html_url").unwrap_or_default(),
            })
        })
    }

    /// Gives a commit a status; `context` tells it from those of others.
    fn status(
        &self,
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

    /// Who gave the status, as the answer to that says.
    fn author_of_status(&self, answer: &Value) -> Option<String> {
        answer.pointer("/creator/id").map(Value::to_string)
    }

    /// Asks for comments, a page of [`A_PAGE`], the oldest first; pages count from 1.
    fn comments(&self, repository: &str, number: u64, page: usize) -> Call;

    /// Reads what that answers.
    fn read_comments(&self, answer: &Value) -> Page<Comment> {
        comments_of(answer, "/body", "/user/id")
    }

    /// Makes a comment, or changes that with an id.
    fn comment(&self, repository: &str, number: u64, id: Option<u64>, text: &str) -> Call {
        let body = json!({ "body": text });
        match id {
            None => Call::post(format!("/repos/{repository}/issues/{number}/comments"), body),
            Some(id) => Call::change("PATCH", format!("/repos/{repository}/issues/comments/{id}"), body),
        }
    }
}

/// How many items a page has: few, for people write long texts.
pub(super) const A_PAGE: usize = 20;

/// A text of an answer.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// The items of an answer that is a list.
pub(super) fn items(answer: &Value) -> &[Value] {
    answer.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The comments of a list, whose text and author are at these places.
pub(super) fn comments_of(answer: &Value, at_text: &str, at_author: &str) -> Page<Comment> {
    Page::of(items(answer), |item| {
        let author = item.pointer(at_author).map(Value::to_string);
        Some(Comment { id: item.get("id")?.as_u64()?, text: text(item, at_text)?, author })
    })
}
