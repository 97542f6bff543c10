use serde_json::{Value, json};

use super::{each, example};

const TARGET: &str = "/api/config/myapp/database/pool_size/explain?env=prod";

#[test]
fn every_layer_says_what_it_has_and_where() {
    let (project, server) = example();
    let explained = server.get(TARGET).expect(200).json();
    assert_eq!(
        (&explained["kind"], &explained["value"], &explained["origin"]),
        (&json!("entry"), &json!(40), &json!("prod"))
    );
    let layers = &explained["layers"];
    assert_eq!(each(layers, "env"), ["prod", "staging", "base"]);
    assert_eq!(each(layers, "outcome"), ["shown", "passed", "hidden"]);
    assert_eq!(layers[2]["value"], 10);
    for layer in [&layers[0], &layers[2]] {
        // Git agrees on the line and on the commit.
        let text = |name: &str| layer[name].as_str().unwrap().to_owned();
        let content = project.git(&["show", &format!("{}:{}", text("branch"), text("file"))]);
        let line = content.lines().nth(layer["line"].as_u64().unwrap() as usize - 1).unwrap();
        assert_eq!(line.trim(), format!("pool_size: {}", layer["value"]));
        let author = project.git(&["log", "-1", "--format=%an", &text("revision")]);
        assert_eq!(author.trim(), text("author"));
    }
}

#[test]
fn what_hides_a_value_is_told() {
    let (_project, server) = example();
    // Its rule demands the value.
    server.delete("/.confgit/schemas/databases").expect(200);
    server.delete("/env/prod/myapp/database/pool_size").expect(200);
    server
        .request("DELETE", "/api/config/env/staging/myapp/database/pool_size?hide=true", &[], b"")
        .expect(200);
    let explained = server.get(TARGET).expect(200).json();
    assert_eq!((&explained["kind"], explained.get("value")), (&json!("nothing"), None));
    assert_eq!(each(&explained["layers"], "outcome"), ["passed", "hides", "hidden"]);
    assert_eq!(explained["layers"][1]["at"], "/myapp/database/pool_size");
    // As it was before both, and of one layer's own name.
    let before = server.get(&format!("{TARGET}&at=1")).expect(200).json();
    assert_eq!(each(&before["layers"], "outcome"), ["shown", "passed", "hidden"]);
    let named = server.get("/api/config/env/prod/myapp/database/pool_size/explain").expect(200).json();
    assert_eq!(named, explained);
}

#[test]
fn objects_and_what_is_below_a_value_are_explained() {
    let (_project, server) = example();
    let object = server.get("/api/config/myapp/explain?env=prod").expect(200).json();
    assert_eq!((&object["kind"], object.get("value")), (&json!("object"), None));
    assert_eq!(each(&object["layers"], "has"), ["object", "nothing", "object"]);
    let below = server.get("/api/config/myapp/database/pool_size/x/explain?env=prod").expect(200).json();
    assert_eq!(each(&below["layers"], "has"), ["value-above", "nothing", "value-above"]);
    assert_eq!(each(&below["layers"], "outcome"), ["hides", "passed", "hidden"]);
    for (target, status) in [
        ("/api/config/myapp/explain?env=nowhere", 404),
        ("/api/config/myapp/explain?at=no-such-tag", 400),
        ("/api/config/myapp/explain?version=1", 400),
    ] {
        server.get(target).expect(status);
    }
    // A key of that name is read as one.
    server.put("/myapp/explain?literal=true", json!("a key")).expect(201);
    assert_eq!(server.get("/api/config/myapp/explain?literal=true").expect(200).json()["value"], "a key");
    assert!(matches!(server.get("/api/config/myapp/explain").expect(200).json()["layers"], Value::Array(_)));
}

/// What services read, and the way that leads to it: variables of another layer, defaults, secrets by name, templates.
#[test]
fn references_and_templates_are_explained() {
    let (_project, server) = example();
    let explain = |target: &str| server.get(&format!("/api/config{target}")).expect(200).json();
    let host = explain("/checkout/database/host/explain?env=prod");
    assert_eq!(
        (&host["value"], &host["resolved"]),
        (&json!("${DB_HOST:localhost}"), &json!("db.prod.example.internal"))
    );
    assert_eq!(
        host["references"],
        json!([{
            "of": "/checkout/database/host", "reference": "${DB_HOST:localhost}", "leads_to": "entry",
            "path": "/.confgit/variables/DB_HOST", "origin": "prod", "value": "db.prod.example.internal",
        }])
    );
    let host = explain("/checkout/database/host/explain");
    assert_eq!(
        (&host["resolved"], &host["references"][0]["leads_to"]),
        (&json!("localhost"), &json!("default"))
    );
    let password = explain("/checkout/database/password/explain?env=prod");
    assert_eq!((password.get("resolved"), &password["secrets"]), (None, &json!(["db-password"])));
    assert_eq!(password["references"][0]["secret"], "db-password");
    assert!(!password.to_string().contains("s3cret"), "{password}");

    // From value to value, each told once, and where it ends in nothing.
    server.put("/t/a", json!("${ref:/t/b}-${ref:/t/c}")).expect(422);
    server.put("/t/c", json!(1)).expect(201);
    server.put("/t/b", json!("<${ref:/t/c}>")).expect(201);
    server.put("/t/a", json!("${ref:/t/b}-${ref:/t/c}-${ref:/t/b}")).expect(201);
    let chain = explain("/t/a/explain?env=dev");
    assert_eq!(chain["resolved"], "<1>-1-<1>");
    assert_eq!(each(&chain["references"], "of"), ["/t/a", "/t/a", "/t/a", "/t/b"]);
    // As it was before, with what it named then.
    server.put("/t/c", json!(2)).expect(200);
    let sequence = explain("/t/a")["sequence"].as_u64().unwrap();
    assert_eq!(explain(&format!("/t/a/explain?at={sequence}"))["resolved"], "<1>-1-<1>");
    assert_eq!(explain("/t/a/explain")["resolved"], "<2>-2-<2>");

    // What a template gives stands in no layer.
    let derived = explain("/services/shipping/explain");
    assert_eq!(derived["kind"], "object");
    let written = explain("/services/shipping?recursive=true");
    let finished = server.get("/v1/config/services/shipping").expect(200).json();
    let name =
        finished.as_object().unwrap().keys().find(|name| !written.to_string().contains(&format!("/{name}")));
    let name = name.expect("the template has members of its own");
    let derived = explain(&format!("/services/shipping/{name}/explain"));
    assert_ne!(derived["kind"], "nothing", "{derived}");
    assert_eq!(each(&derived["layers"], "has")[0], "nothing");
    // Asked for as it is written, it is not there, and the answer says where it is.
    let level = explain("/services/shipping/log/level/explain");
    assert_eq!((&level["origin"], &level["resolved"]), (&json!("/templates/service"), &json!("info")));
    let missing = server.get("/api/config/services/shipping/log/level").expect(404).json();
    assert!(missing["detail"].as_str().unwrap().contains("the template /templates/service: "), "{missing}");
}
