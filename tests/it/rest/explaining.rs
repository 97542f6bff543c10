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
