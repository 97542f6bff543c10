//! Watches over gRPC tell what those over HTTP tell.

use confgit::wire::grpc::watch_response::Heard;
use confgit::wire::grpc::*;
use serde_json::{Value as Json, json};
use tonic::{Code, Streaming};

use super::{connect, connect_as, run};
use crate::access;
use crate::harness::Server;
use crate::watch::{Stream, chained};

async fn open(server: &Server, request: WatchRequest) -> Streaming<WatchResponse> {
    connect(server).await.watch(request).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<WatchResponse>) -> Heard {
    loop {
        match stream.message().await.unwrap().expect("the stream ended").heard.unwrap() {
            Heard::Heartbeat(_) => {}
            heard => return heard,
        }
    }
}

fn brief(event: &Event) -> Json {
    let value = |value: &Option<Value>| match value.as_ref().and_then(|value| value.kind.as_ref()) {
        Some(value::Kind::Json(json)) => serde_json::from_slice(json).unwrap(),
        Some(value::Kind::Bytes(_)) => json!("bytes"),
        None => Json::Null,
    };
    json!([
        event.path,
        value(&event.value),
        value(&event.old_value),
        event.version,
        event.origin,
        event.secret_changed
    ])
}

#[test]
fn both_doors_tell_the_same() {
    let project = chained();
    let server = project.serve_with(&[], &[("CONFGIT_SECRET_PW", "hush-hush")]);
    run(async {
        for resolve in [false, true] {
            let family = if resolve { "/v1/config" } else { "/api/config" };
            let mut http = Stream::open(&server, &format!("{family}/app?watch=true&env=prod&initial=true"));
            let request = WatchRequest {
                prefixes: vec!["/app".into()],
                env: "prod".into(),
                resolve,
                initial: true,
                client: "g1".into(),
                ..Default::default()
            };
            let mut grpc = open(&server, request).await;
            let initial = http.ready();
            let mut told = Vec::new();
            let ready = loop {
                match next(&mut grpc).await {
                    Heard::Initial(set) => told.extend(set.events),
                    Heard::Ready(position) => break position.sequence,
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(
                told.iter().map(|event| event.path.clone()).collect::<Vec<_>>(),
                initial.iter().map(|told| told.data["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            );
            assert_eq!(ready.to_string(), http.last_id);
            server.put("/app/host", json!(format!("h{resolve}"))).expect(200);
            server.put("/.confgit/variables/HOST", json!(format!("v{resolve}"))).expect(200);
            let edits = json!({"edits": [
                {"op": "put", "path": "/app/list", "env": "prod", "value": [resolve]},
                {"op": "put", "path": "/app/password", "env": "prod", "value": format!("{resolve}-${{secret:pw}}")},
            ]});
            let last = server.post("/api/batch", edits).expect(200).json()["sequence"].as_u64().unwrap();
            let over_http = http.until(last);
            let mut over_grpc = Vec::new();
            while over_grpc.last().is_none_or(|(sequence, _): &(u64, Json)| *sequence < last) {
                let Heard::ChangeSet(set) = next(&mut grpc).await else { panic!("no change set") };
                over_grpc.extend(set.events.iter().map(|event| (set.sequence, brief(event))));
            }
            let over_http: Vec<(u64, Json)> = over_http
                .iter()
                .map(|told| {
                    let data = &told.data;
                    let secret = data.get("secret_changed").is_some();
                    let brief = json!([
                        data["path"],
                        data["value"],
                        data["old_value"],
                        data["version"],
                        data["origin"],
                        secret
                    ]);
                    (data["sequence"].as_u64().unwrap(), brief)
                })
                .collect();
            assert_eq!(over_grpc, over_http);
            // Who watches is the same list, and is acknowledged through either door.
            let mut client = connect(&server).await;
            client.acknowledge(AcknowledgeRequest { client: "g1".into(), sequence: last }).await.unwrap();
            let listed = server.get("/api/clients?client=g1").json()["clients"][0].clone();
            assert_eq!((&listed["transport"], &listed["acknowledged"]), (&json!("grpc"), &json!(last)));
            drop(grpc);
            crate::harness::wait_for("the watch to end", || {
                server.get("/api/clients?client=g1").json()["clients"] == json!([])
            });
            // Going on from where it was.
            let request = WatchRequest {
                prefixes: vec!["/app".into()],
                env: "prod".into(),
                resolve,
                since: (last - 1).to_string(),
                ..Default::default()
            };
            let Heard::ChangeSet(again) = next(&mut open(&server, request).await).await else {
                panic!("no change set")
            };
            assert_eq!(again.sequence, last);
        }
    });
}

#[test]
fn a_watch_ends_as_it_should() {
    let project = access::project();
    let server = project.serve();
    run(async {
        let watch = |prefix: &str| WatchRequest { prefixes: vec![prefix.into()], ..Default::default() };
        let mut dana = connect_as(&server, Some(&access::key("dana"))).await;
        let refused = dana.watch(watch("/finance")).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let mut stream = dana.watch(watch("/payments")).await.unwrap().into_inner();
        assert!(matches!(next(&mut stream).await, Heard::Ready(_)));
        server.post("/api/accounts/dana/disable", json!({})).expect(200);
        let ended = stream.message().await.unwrap_err();
        assert_eq!(ended.code(), Code::Unauthenticated, "{ended:?}");
        for (request, code) in [
            (WatchRequest { since: "99".into(), ..Default::default() }, Code::InvalidArgument),
            (WatchRequest { since: "1".into(), initial: true, ..Default::default() }, Code::InvalidArgument),
            (WatchRequest { env: "nowhere".into(), ..Default::default() }, Code::NotFound),
            (WatchRequest { client: "a b".into(), ..Default::default() }, Code::InvalidArgument),
            (WatchRequest { prefixes: vec!["//".into()], ..Default::default() }, Code::InvalidArgument),
        ] {
            assert_eq!(
                connect(&server).await.watch(request.clone()).await.unwrap_err().code(),
                code,
                "{request:?}"
            );
        }
        // A deadline ends it, and so does the server's end.
        let mut request = tonic::Request::new(WatchRequest::default());
        request.set_timeout(std::time::Duration::from_millis(300));
        let mut stream = connect(&server).await.watch(request).await.unwrap().into_inner();
        let ended = loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended without a word"),
                Err(status) => break status,
            }
        };
        assert!(matches!(ended.code(), Code::DeadlineExceeded | Code::Cancelled), "{ended:?}");
        let mut stream = open(&server, WatchRequest::default()).await;
        assert!(matches!(next(&mut stream).await, Heard::Ready(_)));
        server.stop();
        assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    });
}
