//! One scenario through both doors: what the one says, the other says too.

use confgit::wire::grpc::value::Kind;
use confgit::wire::grpc::*;
use serde_json::{Value as Json, json};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{Client, connect, connect_as, run};
use crate::access;
use crate::harness::{Answer, Server, TestProject};

fn json_value(json: &Json) -> Option<Value> {
    Some(Value { kind: Some(Kind::Json(json.to_string().into_bytes().into())) })
}

/// A value as JSON, however it travelled.
fn plain(value: &Option<Value>) -> Json {
    match value.as_ref().and_then(|value| value.kind.as_ref()) {
        Some(Kind::Json(json)) => serde_json::from_slice(json).unwrap(),
        Some(Kind::Bytes(bytes)) => json!({ "bytes": bytes.len() }),
        None => Json::Null,
    }
}

fn entry_of(entry: &Entry) -> Json {
    json!({
        "path": entry.path, "value": plain(&entry.value), "version": entry.version, "revision": entry.revision,
        "sequence": entry.sequence, "origin": entry.origin, "env": entry.env, "updated_by": entry.updated_by,
    })
}

fn entry_over_http(answer: &Json) -> Json {
    let members = ["path", "value", "version", "revision", "sequence", "origin", "env", "updated_by"];
    Json::Object(members.iter().map(|name| ((*name).to_owned(), answer[*name].clone())).collect())
}

/// The name of a problem by both doors.
fn reason(status: &tonic::Status) -> String {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no reason: {status:?}"));
    assert_eq!(info.domain, "confgit");
    info.reason.to_ascii_lowercase().replace('_', "-")
}

fn problem(answer: &Answer) -> String {
    answer.json()["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned()
}

#[test]
fn values_are_the_same_through_both_doors() {
    let project = TestProject::example();
    let server = project.serve();
    run(async {
        let mut client = connect(&server).await;
        for (path, env, resolve) in [
            ("/myapp/database/pool_size", "prod", false),
            ("/myapp/database/pool_size", "", false),
            ("/checkout/database/host", "prod", true),
            ("/checkout/database/password", "prod", true),
            ("/storefront/favicon.png", "", false),
            ("/services/shipping", "prod", true),
            ("/myapp", "prod", false),
        ] {
            let request = GetRequest { path: path.into(), env: env.into(), resolve, ..Default::default() };
            let got = client.get(request).await.unwrap().into_inner();
            let entry = got.entry.unwrap();
            let query = if env.is_empty() { String::new() } else { format!("?env={env}") };
            let bare = server.get(&format!("/v1/config{path}{query}")).expect(200);
            if let Some(Value { kind: Some(Kind::Bytes(bytes)) }) = &entry.value {
                let raw = server.get(&format!("/v1/config{path}?format=text")).expect(200);
                assert_eq!(bytes.as_ref(), raw.body);
                continue;
            }
            if resolve || got.is_object {
                assert_eq!(plain(&entry.value), bare.json(), "{path}");
            } else {
                let answer = server.get(&format!("/api/config{path}{query}")).expect(200);
                assert_eq!(entry_of(&entry), entry_over_http(&answer.json()));
                // What a precondition compares is what is before the dash.
                let tag =
                    answer.header("etag").unwrap().trim_matches('"').split('-').next().unwrap().to_owned();
                assert_eq!(entry.etag, tag);
                let time = entry.updated_at.unwrap();
                let text: confgit::model::Timestamp =
                    answer.json()["updated_at"].as_str().unwrap().parse().unwrap();
                assert_eq!(time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000, text.as_millis());
            }
            assert_eq!(got.sequence.to_string(), bare.header("x-confgit-sequence").unwrap());
        }
        // Dotted keys.
        let request =
            GetRequest { path: "myapp.database.pool_size".into(), env: "prod".into(), ..Default::default() };
        assert_eq!(plain(&client.get(request).await.unwrap().into_inner().entry.unwrap().value), json!(40));
        let paths = ["/myapp/database/pool_size", "/nothing", "/myapp/cache"].map(str::to_owned).to_vec();
        let request = BatchGetRequest { paths: paths.clone(), env: "prod".into(), ..Default::default() };
        let got = client.batch_get(request).await.unwrap().into_inner();
        let over_http =
            server.post("/api/batch/get", json!({"paths": paths, "env": "prod"})).expect(200).json();
        for (item, other) in got.items.iter().zip(over_http["entries"].as_array().unwrap()) {
            assert_eq!(item.path, other["path"].as_str().unwrap());
            assert_eq!(item.entry.is_none(), other["missing"] == true);
            assert_eq!(item.entry.as_ref().map_or(Json::Null, |entry| plain(&entry.value)), other["value"]);
        }
        list_is_the_same(&mut client, &server).await;
    });
}

async fn list_is_the_same(client: &mut Client, server: &Server) {
    let request = ListRequest { path: "/myapp".into(), env: "prod".into(), ..Default::default() };
    let got = client.list(request).await.unwrap().into_inner();
    let over_http = server.get("/api/config/myapp?env=prod&list=true").expect(200).json();
    let names: Vec<&str> = got.items.iter().map(|item| &*item.name).collect();
    let others: Vec<&str> =
        over_http["entries"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, others);
    let (mut token, mut all) = (String::new(), Vec::new());
    loop {
        let request = ListRequest {
            path: "/".into(),
            env: "prod".into(),
            recursive: true,
            page_size: 7,
            page_token: token,
        };
        let page = client.list(request).await.unwrap().into_inner();
        all.extend(page.entries.iter().map(|entry| entry.path.clone()));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let over_http = server.get("/api/config?env=prod&recursive=true").expect(200).json();
    let others: Vec<&str> = over_http["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert_eq!(all, others);
}

#[test]
fn writes_histories_and_differences_are_the_same() {
    let project = TestProject::example();
    let server = project.serve();
    run(async {
        let mut client = connect(&server).await;
        let put = |value: Json| PutRequest {
            path: "/made/here".into(),
            env: "dev".into(),
            value: json_value(&value),
            message: "over gRPC".into(),
            ..Default::default()
        };
        let written = client.put(put(json!({"a": 1, "b": "two"}))).await.unwrap().into_inner();
        assert_eq!((written.changed, written.entries.len()), (true, 2));
        assert_eq!(server.get("/v1/config/made/here?env=dev").json(), json!({"a": 1, "b": "two"}));
        assert_eq!(written.revisions["dev"], project.git(&["rev-parse", "dev"]).trim());
        assert!(project.git(&["log", "-1", "--format=%B", "dev"]).starts_with("over gRPC"));
        let unchanged = client.put(put(json!({"a": 1, "b": "two"}))).await.unwrap().into_inner();
        assert_eq!((unchanged.changed, unchanged.sequence), (false, written.sequence));
        let edit = |path: &str, op: edit::Op, precondition| Edit {
            path: path.into(),
            env: "dev".into(),
            op: Some(op),
            precondition,
        };
        let edits = vec![
            edit(
                "/made/here/a",
                edit::Op::Put(json_value(&json!(2)).unwrap()),
                Some(edit::Precondition::IfVersion(1)),
            ),
            edit("/made/here/b", edit::Op::Delete(DeleteEdit {}), None),
            edit(
                "/made/there",
                edit::Op::Put(Value { kind: Some(Kind::Bytes(vec![0, 255].into())) }),
                Some(edit::Precondition::IfAbsent(true)),
            ),
        ];
        let applied = client.apply(ApplyRequest { edits, message: String::new() }).await;
        // Bytes have a file of their own, which a name without an ending has not.
        let applied = match applied {
            Ok(applied) => applied.into_inner(),
            Err(status) => panic!("{status:?}"),
        };
        assert_eq!(applied.sequence, written.sequence + 1);
        let history = HistoryRequest { path: "/made/here/a".into(), env: "dev".into(), ..Default::default() };
        let items = client.history(history).await.unwrap().into_inner().items;
        let over_http = server.get("/api/config/made/here/a/history?env=dev").expect(200).json();
        let told: Vec<Json> = items
            .iter()
            .map(|item| json!([item.version, plain(&item.value), item.revision, item.sequence, item.message]))
            .collect();
        let others: Vec<Json> = over_http
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                json!([item["version"], item["value"], item["revision"], item["sequence"], item["message"]])
            })
            .collect();
        assert_eq!(told, others);
        let side = |env: &str| Some(DiffSide { env: env.into(), at: String::new() });
        let request =
            DiffRequest { path: "/myapp".into(), from: side("base"), to: side("prod"), ..Default::default() };
        let changes = client.diff(request).await.unwrap().into_inner().changes;
        let over_http = server.get("/api/diff?from_env=base&to_env=prod&path=/myapp").expect(200).json();
        let told: Vec<Json> = changes
            .iter()
            .map(|change| json!([change.r#type, change.path, plain(&change.value), plain(&change.old_value)]))
            .collect();
        let others: Vec<Json> = over_http["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| json!([change["type"], change["path"], change["value"], change["old_value"]]))
            .collect();
        assert_eq!(told, others);
        let request =
            ExplainRequest { path: "/checkout/database/host".into(), env: "prod".into(), at: String::new() };
        let explained = client.explain(request).await.unwrap().into_inner();
        let over_http = server.get("/api/config/checkout/database/host/explain?env=prod").expect(200).json();
        assert_eq!(plain(&explained.value), over_http["value"]);
        assert_eq!(plain(&explained.resolved), over_http["resolved"]);
        for (layer, other) in explained.layers.iter().zip(over_http["layers"].as_array().unwrap()) {
            assert_eq!(
                (&*layer.env, &*layer.outcome, &*layer.reason),
                (
                    other["env"].as_str().unwrap(),
                    other["outcome"].as_str().unwrap(),
                    other["reason"].as_str().unwrap()
                )
            );
        }
        let deleted = client
            .delete(DeleteRequest { path: "/made".into(), env: "dev".into(), ..Default::default() })
            .await;
        assert!(deleted.unwrap().into_inner().entries.iter().all(|entry| entry.deleted));
        server.get("/v1/config/made/here?env=dev").expect(404);
    });
}

/// Each refusal has the same name, and the code that goes with its status.
#[test]
fn refusals_come_from_the_same_table() {
    let project = TestProject::example();
    let server = project.serve();
    run(async {
        let mut client = connect(&server).await;
        let get =
            |path: &str, env: &str| GetRequest { path: path.into(), env: env.into(), ..Default::default() };
        let put = |path: &str, value: Json| PutRequest {
            path: path.into(),
            value: json_value(&value),
            ..Default::default()
        };
        let cases: Vec<(tonic::Status, Code, Answer)> = vec![
            (
                client.get(get("/nothing", "")).await.unwrap_err(),
                Code::NotFound,
                server.get("/v1/config/nothing"),
            ),
            (
                client.get(get("/myapp", "nowhere")).await.unwrap_err(),
                Code::NotFound,
                server.get("/v1/config/myapp?env=nowhere"),
            ),
            (
                client.get(get("//", "")).await.unwrap_err(),
                Code::InvalidArgument,
                server.get("/v1/config//a"),
            ),
            (
                client.get(GetRequest { at: "nonsense".into(), ..get("/myapp", "") }).await.unwrap_err(),
                Code::InvalidArgument,
                server.get("/v1/config/myapp?at=nonsense"),
            ),
            (
                client
                    .get(GetRequest { version: 99, ..get("/myapp/database/pool_size", "prod") })
                    .await
                    .unwrap_err(),
                Code::NotFound,
                server.get("/v1/config/myapp/database/pool_size?env=prod&version=99"),
            ),
            (
                client
                    .put(PutRequest { if_absent: true, ..put("/myapp/database/pool_size", json!(1)) })
                    .await
                    .unwrap_err(),
                Code::FailedPrecondition,
                server.request(
                    "PUT",
                    "/api/config/myapp/database/pool_size",
                    &[("If-None-Match", "*")],
                    br#"{"value": 1}"#,
                ),
            ),
            (
                client
                    .put(PutRequest { if_match: "77".into(), ..put("/myapp/database/pool_size", json!(1)) })
                    .await
                    .unwrap_err(),
                Code::FailedPrecondition,
                server.request(
                    "PUT",
                    "/api/config/myapp/database/pool_size",
                    &[("If-Match", "\"77\"")],
                    br#"{"value": 1}"#,
                ),
            ),
            (
                client.put(put("/myapp/database/pool_size", json!("many"))).await.unwrap_err(),
                Code::InvalidArgument,
                server.put("/myapp/database/pool_size", json!("many")),
            ),
            (
                client.put(put("/myapp/new", json!("x".repeat(2 << 20)))).await.unwrap_err(),
                Code::InvalidArgument,
                server.put("/myapp/new", json!("x".repeat(2 << 20))),
            ),
            (
                client
                    .acknowledge(AcknowledgeRequest { client: "nobody".into(), sequence: 1 })
                    .await
                    .unwrap_err(),
                Code::NotFound,
                server.post("/api/clients/nobody/acknowledge", json!({"sequence": 1})),
            ),
        ];
        for (status, code, answer) in cases {
            assert_eq!(
                (status.code(), reason(&status)),
                (code, problem(&answer)),
                "{status:?} {}",
                answer.text()
            );
        }
        let mut nobody = connect_as(&server, None).await;
        let status = nobody.get(get("/myapp", "")).await.unwrap_err();
        assert_eq!((status.code(), &*reason(&status)), (Code::Unauthenticated, "unauthorized"));
        // Places come with it.
        let status = client.put(put("/myapp/database/pool_size", json!("many"))).await.unwrap_err();
        let places = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(places[0].field, "/myapp/database/pool_size");
    });
}

/// Every method asks who calls, and what the account may do.
#[test]
fn every_method_refuses_whom_it_should() {
    let project = crate::access::project();
    let server = project.serve();
    run(async {
        let path = || "/payments/db/host".to_owned();
        for (account, code) in [
            (None, Code::Unauthenticated),
            (Some("nonsense".to_owned()), Code::Unauthenticated),
            (Some(crate::access::key("gone")), Code::Unauthenticated),
            (Some(crate::access::key("old")), Code::Unauthenticated),
            (Some(crate::access::key("stray")), Code::PermissionDenied),
        ] {
            let mut client = connect_as(&server, account.as_deref()).await;
            let side = |env: &str| Some(DiffSide { at: String::new(), env: env.into() });
            let edits = vec![Edit {
                path: path(),
                env: String::new(),
                op: Some(edit::Op::Delete(DeleteEdit {})),
                precondition: None,
            }];
            let statuses = [
                client.get(GetRequest { path: path(), ..Default::default() }).await.err(),
                client.get(GetRequest { path: path(), resolve: true, ..Default::default() }).await.err(),
                client.get(GetRequest { path: path(), version: 1, ..Default::default() }).await.err(),
                client.batch_get(BatchGetRequest { paths: vec![path()], ..Default::default() }).await.err(),
                client.list(ListRequest { path: path(), recursive: true, ..Default::default() }).await.err(),
                client
                    .put(PutRequest { path: path(), value: json_value(&json!(1)), ..Default::default() })
                    .await
                    .err(),
                client.delete(DeleteRequest { path: path(), ..Default::default() }).await.err(),
                client.apply(ApplyRequest { edits, message: String::new() }).await.err(),
                client.history(HistoryRequest { path: path(), ..Default::default() }).await.err(),
                client
                    .diff(DiffRequest {
                        path: path(),
                        from: side("dev"),
                        to: side("prod"),
                        ..Default::default()
                    })
                    .await
                    .err(),
                client.explain(ExplainRequest { path: path(), ..Default::default() }).await.err(),
                client.watch(WatchRequest { prefixes: vec![path()], ..Default::default() }).await.err(),
            ];
            for (number, status) in statuses.into_iter().enumerate() {
                assert_eq!(status.map(|status| status.code()), Some(code), "{account:?} {number}");
            }
            let acknowledged =
                client.acknowledge(AcknowledgeRequest { client: "x".into(), sequence: 1 }).await;
            let expected = if code == Code::Unauthenticated { code } else { Code::NotFound };
            assert_eq!(acknowledged.unwrap_err().code(), expected);
        }
        assert_eq!(server.get("/v1/config/payments/db/host").json(), "db.internal");
        // The audit log was told, as over HTTP.
        let audit = server.get("/api/audit?account=stray").expect(200).text();
        assert!(audit.contains("/payments/db/host"), "{audit}");
    });
}

#[test]
fn a_write_that_others_have_to_agree_to_names_its_proposal() {
    let project = access::project();
    let server = project.serve();
    run(async {
        let mut omar = connect_as(&server, Some(&access::key("omar"))).await;
        let value = json_value(&json!("NEW\n"));
        let request = PutRequest {
            path: "/payments/certs/tls.crt".into(),
            env: "prod".into(),
            value,
            ..Default::default()
        };
        let refused = omar.put(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (Code::Aborted, "needs-approval".to_owned()));
        assert_eq!(refused.get_details_error_info().unwrap().metadata["proposal"], "1");
    });
    let proposal = server.get("/api/proposals/1").expect(200).json();
    assert_eq!((&proposal["author"], &proposal["state"]), (&json!("omar"), &json!("open")));
}
