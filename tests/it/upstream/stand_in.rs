//! Stands in for the API of a forge: what is asked has to be as the forge's published schema says, and so is what it
//! answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// One forge, as far as confgit asks it.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    schema: &'static str,
    /// The header that has to have the token, and what stands before it there.
    token: (&'static str, &'static str),
    /// Where things are in a pull request: number, target, head.
    pull: [&'static str; 3],
    /// Where the text of a comment is.
    comment: &'static str,
    /// Where it says who wrote it, if that is checked.
    author: Option<&'static str>,
    /// The ref of the head of pull request 7.
    pub head_ref: &'static str,
    pub success: &'static str,
    pub failure: &'static str,
    /// Where a status says what it is about.
    pub context: &'static str,
}

pub const GITHUB: Kind = Kind {
    name: "github",
    schema: include_str!("forges/github.json"),
    token: ("authorization", "Bearer "),
    pull: ["/number", "/base/ref", "/head/sha"],
    comment: "/body",
    author: Some("/user/id"),
    head_ref: "refs/pull/7/head",
    success: "success",
    failure: "failure",
    context: "context",
};

pub const GITEA: Kind = Kind {
    name: "gitea",
    schema: include_str!("forges/gitea.json"),
    token: ("authorization", "token "),
    ..GITHUB
};

pub const GITLAB: Kind = Kind {
    name: "gitlab",
    schema: include_str!("forges/gitlab.json"),
    token: ("private-token", ""),
    author: Some("/author/id"),
    pull: ["/iid", "/target_branch", "/sha"],
    head_ref: "refs/merge-requests/7/head",
    failure: "failed",
    context: "name",
    ..GITHUB
};

pub const BITBUCKET: Kind = Kind {
    name: "bitbucket",
    schema: include_str!("forges/bitbucket.json"),
    pull: ["/id", "/destination/branch/name", "/source/commit/hash"],
    comment: "/content/raw",
    author: None,
    head_ref: "refs/heads/topic",
    success: "SUCCESSFUL",
    failure: "FAILED",
    context: "key",
    ..GITHUB
};

/// The token that opens it.
pub const TOKEN: &str = "the-token-of-the-forge";

struct Operation {
    method: String,
    path: Vec<String>,
    query: BTreeMap<String, jsonschema::Validator>,
    body: Option<jsonschema::Validator>,
    status: u16,
    answer: jsonschema::Validator,
    example: Value,
}

/// What it knows, and was told.
#[derive(Default)]
pub struct Told {
    /// The open pull requests: number, target, head.
    pub pulls: Vec<(u64, String, String)>,
    /// Each status: the commit and the body.
    pub statuses: Vec<(String, Value)>,
    /// The comments, by id: of which pull request, and what it says.
    pub comments: BTreeMap<u64, (u64, String)>,
    /// Those of them that somebody else wrote.
    pub foreign: BTreeSet<u64>,
    /// How often a comment was made or changed.
    pub edits: usize,
    /// What it answers instead, with a header.
    pub trouble: Option<(u16, &'static str, &'static str)>,
    /// How often it was asked.
    pub asked: usize,
    /// What was asked otherwise than its schema says, or what it answered so.
    pub faults: Vec<String>,
}

pub struct StandIn {
    pub kind: Kind,
    pub address: String,
    told: Arc<Mutex<Told>>,
    _runtime: tokio::runtime::Runtime,
}

impl StandIn {
    pub fn start(kind: Kind) -> Self {
        let schema: Value = serde_json::from_str(kind.schema).unwrap();
        let base = schema["base_path"].as_str().unwrap().to_owned();
        let operations: Arc<Vec<Operation>> =
            Arc::new(schema["operations"].as_array().unwrap().iter().map(operation).collect());
        let told = Arc::new(Mutex::new(Told::default()));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}{base}", listener.local_addr().unwrap());
        let answered = told.clone();
        let handle = move |request: Request| {
            let (told, operations, base) = (answered.clone(), operations.clone(), base.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                let path = parts.uri.path().strip_prefix(&base).unwrap_or_default().to_owned();
                let query = parts.uri.query().unwrap_or_default().to_owned();
                let mut told = told.lock().unwrap();
                let asked = Asked { method: parts.method.as_str(), path: &path, query: &query, body: &body };
                answer(kind, &operations, &mut told, &parts.headers, &asked)
            }
        };
        runtime.spawn(async move { axum::serve(listener, Router::new().fallback(handle)).await.unwrap() });
        StandIn { kind, address, told, _runtime: runtime }
    }

    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }
}

struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    body: &'a Bytes,
}

fn operation(described: &Value) -> Operation {
    let compile = |schema: &Value| jsonschema::validator_for(schema).unwrap();
    let success =
        described["answers"].as_object().unwrap().iter().find(|(status, _)| status.starts_with('2'));
    let (status, answer) = success.unwrap();
    Operation {
        method: described["method"].as_str().unwrap().to_owned(),
        path: segments(described["path"].as_str().unwrap()),
        query: described["query"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, schema)| (name.clone(), compile(schema)))
            .collect(),
        body: Some(&described["body"]).filter(|body| !body.is_null()).map(compile),
        status: status.parse().unwrap(),
        answer: compile(answer),
        example: described["example"].clone(),
    }
}

fn segments(path: &str) -> Vec<String> {
    path.trim_start_matches('/').split('/').map(str::to_owned).collect()
}

fn is_about(operation: &Operation, method: &str, path: &[String]) -> bool {
    let matches = |(pattern, part): (&String, &String)| pattern.starts_with('{') || pattern == part;
    operation.method == method
        && operation.path.len() == path.len()
        && operation.path.iter().zip(path).all(matches)
}

fn answer(
    kind: Kind,
    operations: &[Operation],
    told: &mut Told,
    headers: &HeaderMap,
    asked: &Asked<'_>,
) -> Response {
    told.asked += 1;
    if let Some((status, name, value)) = told.trouble {
        let body = json!({ "message": "there is trouble" }).to_string();
        return (StatusCode::from_u16(status).unwrap(), [(name, value)], body).into_response();
    }
    let refuse = |told: &mut Told, status: u16, why: String| {
        told.faults.push(format!("{} {}?{}: {why}", asked.method, asked.path, asked.query));
        (StatusCode::from_u16(status).unwrap(), json!({ "message": why }).to_string()).into_response()
    };
    let (name, before) = kind.token;
    if headers.get(name).is_none_or(|found| found.to_str().unwrap() != format!("{before}{TOKEN}")) {
        return refuse(told, 401, "the token is missing".to_owned());
    }
    let path = segments(asked.path);
    let Some(operation) = operations.iter().find(|operation| is_about(operation, asked.method, &path)) else {
        return refuse(told, 404, "there is no such operation".to_owned());
    };
    for (name, value) in asked.query.split('&').filter_map(|pair| pair.split_once('=')) {
        let number = value.parse::<u64>().map(Value::from);
        let fits = |schema: &jsonschema::Validator| {
            schema.is_valid(&json!(value)) || number.as_ref().is_ok_and(|number| schema.is_valid(number))
        };
        if !operation.query.get(name).is_some_and(fits) {
            return refuse(told, 422, format!("`{name}={value}` is no query of it"));
        }
    }
    let body: Value = serde_json::from_slice(asked.body).unwrap_or_default();
    let wrong = operation
        .body
        .as_ref()
        .map(|schema| schema.iter_errors(&body).map(|error| error.to_string()).collect::<Vec<_>>());
    if wrong.as_ref().is_some_and(|wrong| !wrong.is_empty()) {
        return refuse(told, 422, format!("{body}: {wrong:?}"));
    }
    // What the schemas do not say, and forges refuse.
    if body["description"].as_str().is_some_and(|text| text.chars().count() > 140)
        || asked.body.len() > 65_536
    {
        return refuse(told, 422, "it is too long".to_owned());
    }
    let answer = do_it(kind, operation, told, (&path, asked.query), &body);
    let Some(answer) = answer else {
        return (StatusCode::NOT_FOUND, json!({ "message": "Not Found" }).to_string()).into_response();
    };
    if let Err(error) = operation.answer.validate(&answer) {
        told.faults.push(format!("the stand-in answered {} {} so: {error}", asked.method, asked.path));
    }
    (StatusCode::from_u16(operation.status).unwrap(), answer.to_string()).into_response()
}

/// Sets members of an example.
fn with(example: &Value, members: &[(&str, Value)]) -> Value {
    let mut made = example.clone();
    for (pointer, value) in members {
        *made.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer} in {example}")) = value.clone();
    }
    made
}

fn listed(example: &Value, item: impl Fn(&Value) -> Vec<Value>) -> Value {
    match example.get("values") {
        Some(values) => with(example, &[("/values", item(&values[0]).into())]),
        None => item(&example[0]).into(),
    }
}

fn do_it(
    kind: Kind,
    operation: &Operation,
    told: &mut Told,
    (path, query): (&[String], &str),
    body: &Value,
) -> Option<Value> {
    let example = &operation.example;
    let number = |at: usize| path.get(at).and_then(|part| part.parse::<u64>().ok());
    let last = operation.path.last().unwrap().as_str();
    let written = |id: u64, text: &str| [("/id", json!(id)), (kind.comment, json!(text))];
    match (operation.method.as_str(), last) {
        ("GET", "pulls" | "merge_requests" | "pullrequests") => Some(listed(example, |item| {
            let pull = |(number, target, head): &(u64, String, String)| {
                // Bitbucket shortens what it lists.
                let head = if kind.name == "bitbucket" { &head[..12] } else { head };
                let [at_number, at_target, at_head] = kind.pull;
                with(item, &[(at_number, json!(number)), (at_target, json!(target)), (at_head, json!(head))])
            };
            told.pulls.iter().map(pull).collect()
        })),
        ("POST", "{sha}" | "build") => {
            let at = path.iter().position(|part| part == "statuses").unwrap();
            let commit = if last == "build" { &path[at - 1] } else { &path[at + 1] };
            told.statuses.push((commit.clone(), body.clone()));
            Some(example.clone())
        }
        ("GET", _) => {
            let number = number(path.len() - 2);
            let mine = told.comments.iter().filter(|(_, (of, _))| Some(*of) == number);
            let mine: Vec<(u64, String)> = mine.map(|(id, (_, text))| (*id, text.clone())).collect();
            let shown = |item: &Value, (id, text): &(u64, String)| {
                let comment = with(item, &written(*id, text));
                match kind.author.filter(|_| told.foreign.contains(id)) {
                    Some(author) => with(&comment, &[(author, json!(666))]),
                    None => comment,
                }
            };
            // Gitea has no pages; of the others, only the first has any.
            let is_first = !query.contains("&page=") || query.ends_with("&page=1");
            let mine: Vec<_> = mine.into_iter().filter(|_| is_first).collect();
            Some(listed(example, |item| mine.iter().map(|comment| shown(item, comment)).collect()))
        }
        ("POST", _) => {
            told.edits += 1;
            let id = told.comments.keys().last().map_or(1, |last| last + 1);
            let text = body.pointer(kind.comment).and_then(Value::as_str)?.to_owned();
            let answer = with(example, &written(id, &text));
            told.comments.insert(id, (number(path.len() - 2)?, text));
            Some(answer)
        }
        _ => {
            let id = number(path.len() - 1)?;
            let text = body.pointer(kind.comment).and_then(Value::as_str)?.to_owned();
            told.comments.get_mut(&id)?.1 = text.clone();
            told.edits += 1;
            Some(with(example, &written(id, &text)))
        }
    }
}
