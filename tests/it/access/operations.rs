//! Every operation of the description stands in a table with what each kind of caller gets.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{key, project};
use crate::harness::{Answer, Server};

/// What an operation answers: without a credential, with one nobody knows, with one that expired, of a disabled
/// account, of an account whose rules are about something else, and of one that may.
struct Row {
    operation: &'static str,
    target: &'static str,
    body: Value,
    statuses: [u16; 6],
}

const fn refused(wrong: u16, right: u16) -> [u16; 6] {
    [401, 401, 401, 401, wrong, right]
}

const OPEN: [u16; 6] = [200; 6];

fn row(operation: &'static str, target: &'static str, body: Value, statuses: [u16; 6]) -> Row {
    Row { operation, target, body, statuses }
}

/// The last column is tried by an administrator in this order, so that what one makes the next may need.
fn table() -> Vec<Row> {
    let none = || Value::Null;
    vec![
        // The root is there for everybody; of what is in it each sees their own.
        row("get /v1/config", "/v1/config", none(), refused(200, 200)),
        row("get /v1/config/{path}", "/v1/config/payments/db/host", none(), refused(403, 200)),
        row("get /api/config", "/api/config?recursive=true", none(), refused(200, 200)),
        row("get /api/config/{path}", "/api/config/payments/db", none(), refused(403, 200)),
        row("put /api/config/{path}", "/api/config/payments/new", json!({"value": 1}), refused(403, 201)),
        row("patch /api/config/{path}", "/api/config/payments/new", json!(2), refused(403, 200)),
        row(
            "post /api/config/{path}/rollback",
            "/api/config/payments/new/rollback",
            json!({"to_version": 1}),
            refused(403, 200),
        ),
        row("get /api/config/{path}/history", "/api/config/payments/new/history", none(), refused(403, 200)),
        row("get /api/config/{path}/diff", "/api/config/payments/new/diff", none(), refused(403, 200)),
        row("get /api/config/{path}/explain", "/api/config/payments/new/explain", none(), refused(403, 200)),
        row("delete /api/config/{path}", "/api/config/payments/new", none(), refused(403, 200)),
        row(
            "post /api/batch",
            "/api/batch",
            json!({"edits": [{"op": "put", "path": "/payments/b", "value": 1}]}),
            refused(403, 200),
        ),
        row(
            "post /api/batch/get",
            "/api/batch/get",
            json!({"paths": ["/payments/db/host"]}),
            refused(403, 200),
        ),
        row(
            "post /api/preview",
            "/api/preview",
            json!({"edits": [{"op": "put", "path": "/payments/b", "value": 2}]}),
            refused(200, 200),
        ),
        row(
            "post /api/proposals",
            "/api/proposals",
            json!({"edits": [{"op": "put", "path": "/payments/b", "value": 3}]}),
            refused(403, 201),
        ),
        row("get /api/proposals", "/api/proposals", none(), refused(200, 200)),
        row("get /api/proposals/{number}", "/api/proposals/1", none(), refused(403, 200)),
        row(
            "post /api/proposals/{number}/{act}",
            "/api/proposals/1/comment",
            json!({"text": "well"}),
            refused(403, 200),
        ),
        row(
            "post /api/promote",
            "/api/promote",
            json!({"from": "dev", "to": "prod", "dry_run": true}),
            refused(403, 200),
        ),
        row("get /api/diff", "/api/diff?from_env=dev&to_env=prod&path=/payments", none(), refused(403, 200)),
        // Those who may read nothing of it see an empty list.
        row("get /api/commits", "/api/commits", none(), refused(200, 200)),
        row("get /api/commits/{revision}", "/api/commits/1?env=base", none(), refused(403, 200)),
        row("get /api/environments", "/api/environments", none(), refused(200, 200)),
        row("post /api/environments", "/api/environments", json!({"name": "eu"}), refused(403, 201)),
        row("get /api/environments/{env}", "/api/environments/prod", none(), refused(200, 200)),
        row(
            "post /api/environments/{env}/rollback",
            "/api/environments/prod/rollback",
            json!({"to": "4"}),
            refused(403, 200),
        ),
        // Those who may read nothing see nobody; and nobody of these names watches.
        row("get /api/clients", "/api/clients", none(), refused(200, 200)),
        row(
            "post /api/clients/{client}/acknowledge",
            "/api/clients/nobody/acknowledge",
            json!({"sequence": 1}),
            refused(404, 404),
        ),
        row("delete /api/clients/{client}", "/api/clients/nobody", none(), refused(404, 404)),
        // Nobody is followed here.
        row("post /api/webhooks/{forge}", "/api/webhooks/github", json!({}), [404; 6]),
        row(
            "post /api/upstream/accept",
            "/api/upstream/accept",
            json!({"branch": "main"}),
            refused(403, 400),
        ),
        row("get /api/status", "/api/status", none(), refused(200, 200)),
        row("get /api/whoami", "/api/whoami", none(), [200, 401, 401, 401, 200, 200]),
        row("get /api/backup", "/api/backup", none(), refused(403, 200)),
        row("get /api/accounts", "/api/accounts", none(), refused(403, 200)),
        row("post /api/accounts", "/api/accounts", json!({"name": "new"}), refused(403, 201)),
        row("post /api/accounts/{account}/rotate", "/api/accounts/new/rotate", json!({}), refused(403, 200)),
        row("post /api/accounts/{account}/disable", "/api/accounts/new/disable", none(), refused(403, 200)),
        row("post /api/accounts/{account}/enable", "/api/accounts/new/enable", none(), refused(403, 200)),
        row(
            "get /api/access/explain",
            "/api/access/explain?account=dana&action=read&path=/payments",
            none(),
            refused(403, 200),
        ),
        row("get /api/audit", "/api/audit", none(), refused(403, 200)),
        row("get /api/audit/verify", "/api/audit/verify", none(), refused(403, 200)),
        row("get /metrics", "/metrics", none(), refused(200, 200)),
        row("get /openapi.json", "/openapi.json", none(), OPEN),
        row("get /docs", "/docs", none(), OPEN),
        row("get /docs/{file}", "/docs/swagger-ui.css", none(), OPEN),
        row("get /healthz", "/healthz", none(), OPEN),
        row("get /readyz", "/readyz", none(), OPEN),
    ]
}

fn ask(server: &Server, row: &Row, credential: &str) -> Answer {
    let method = row.operation.split(' ').next().unwrap().to_uppercase();
    let body = if row.body.is_null() { Vec::new() } else { row.body.to_string().into_bytes() };
    let bearer = if credential.is_empty() { String::new() } else { format!("Bearer {credential}") };
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    server.request(&method, row.target, &[("Authorization", &bearer), ("Content-Type", kind)], &body)
}

#[test]
fn every_operation_answers_each_kind_of_caller_as_it_should() {
    let project = project();
    let server = project.serve();
    let table = table();
    let description: Value = server.get("/openapi.json").expect(200).json();
    let described: BTreeSet<String> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
        })
        .collect();
    let told: BTreeSet<String> = table.iter().map(|row| row.operation.to_owned()).collect();
    assert_eq!(told, described, "each operation has a row, and each row is one");
    let unknown = confgit::auth::ApiKey::new([99; 32]).reveal().to_owned();
    let callers = ["", &unknown, &key("old"), &key("gone"), &key("stray"), &project.key];
    let mut wrong = Vec::new();
    for row in &table {
        for (caller, expected) in callers.iter().zip(row.statuses) {
            let answer = ask(&server, row, caller);
            if answer.status != expected {
                let who = ["nobody", "unknown", "old", "gone", "stray", "admin"];
                let who = who[callers.iter().position(|other| other == caller).unwrap()];
                wrong.push(format!(
                    "{} as {who}: {} not {expected}: {}",
                    row.operation,
                    answer.status,
                    answer.text()
                ));
            }
            let asks = answer.header("www-authenticate");
            assert_eq!(asks, (answer.status == 401).then_some("Bearer"), "{}", row.operation);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A credential that is none of ours, one that is cut, and one that is given twice are all nobody's.
#[test]
fn odd_credentials_are_nobodys() {
    let project = project();
    let server = project.serve();
    let good = key("omar");
    let cut = &good[..50];
    let spaced = format!("Bearer  {good} ");
    for (headers, expected) in [
        (vec![("Authorization", "Basic YWRtaW46YWRtaW4=")], 401),
        (vec![("Authorization", "Bearer")], 401),
        (vec![("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30.")], 401),
        (vec![("Authorization", cut)], 401),
        (vec![("Authorization", ""), ("X-API-Key", cut)], 401),
        (vec![("Authorization", ""), ("X-API-Key", &good)], 200),
        (vec![("Authorization", &spaced)], 200),
        // The one that says how it is meant counts.
        (vec![("Authorization", "Bearer x"), ("X-API-Key", &good)], 401),
    ] {
        let answer = server.request("GET", "/v1/config/finance/ledger", &headers, b"");
        assert_eq!(answer.status, expected, "{headers:?}: {}", answer.text());
    }
}
