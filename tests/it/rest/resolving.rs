use serde_json::{Value, json};

use super::example;
use crate::harness::{Server, TestProject};

fn with_key(server: &Server, target: &str) -> Value {
    server.get(target).expect(200).json()
}

/// What services read is finished: one override, one variable and one secret away from the defaults.
#[test]
fn services_read_finished_values() {
    let (_project, server) = example();
    server.put("/t/store/host", json!("localhost")).expect(201);
    server.put("/env/prod/t/store/host", json!("prod-db.internal")).expect(201);
    assert_eq!(with_key(&server, "/v1/config/t/store/host?env=dev"), "localhost");
    assert_eq!(with_key(&server, "/v1/config/t/store/host?env=prod"), "prod-db.internal");
    server.put("/t/store/password", json!("${secret:db-password}")).expect(201);
    for target in [
        "/api/config/t/store?env=prod&resolve=true",
        "/v1/config/t/store?env=prod",
        "/v1/config/t/store?env=prod&at=4",
    ] {
        assert_eq!(
            with_key(&server, target),
            json!({"host": "prod-db.internal", "password": "s3cret-of-the-tests"}),
            "{target}"
        );
    }
    // As it is written, where nobody asks for more.
    let written = with_key(&server, "/api/config/t/store/password?env=prod");
    assert_eq!(written["value"], "${secret:db-password}");
    let resolved = with_key(&server, "/api/config/checkout/database/host?env=prod&resolve=true");
    assert_eq!(
        (&resolved["value"], &resolved["origin"], &resolved["version"]),
        (&json!("db.prod.example.internal"), &json!("base"), &json!(1))
    );
    assert_eq!(with_key(&server, "/v1/config/checkout/database/host"), "localhost", "the default beside it");
    // A variable set through the API is in what services read next; a number stays one.
    server.put("/env/prod/.confgit/variables/DB_HOST", json!("db2.internal")).expect(200);
    assert_eq!(with_key(&server, "/v1/config/checkout/database/host?env=prod"), "db2.internal");
    server.put("/.confgit/variables/POOL", json!(17)).expect(201);
    server.put("/t/pool", json!("${POOL}")).expect(201);
    assert_eq!(server.get("/v1/config/t/pool").text(), "17");
    assert_eq!(server.get("/v1/config/t/pool?format=yaml").text(), "17\n");
    let batch = json!({"paths": ["/t/pool", "/t/store", "/t/none"], "env": "prod", "resolve": true});
    let batch = server.post("/api/batch/get", batch).expect(200).json();
    assert_eq!(batch["entries"][0]["value"], 17);
    assert_eq!(batch["entries"][1]["value"]["password"], "s3cret-of-the-tests");
    assert_eq!(batch["entries"][2]["missing"], true);
    // The same from the fast way, once it was read.
    for _ in 0..3 {
        assert_eq!(with_key(&server, "/v1/config/checkout/database/host?env=prod"), "db2.internal");
    }
}

#[test]
fn templates_are_filled_and_follow_their_view() {
    let (_project, server) = example();
    let shipping = with_key(&server, "/v1/config/services/shipping");
    assert_eq!(shipping["http"], json!({"port": 8084, "read_timeout_ms": 5000, "max_body_bytes": 262144}));
    assert_eq!(shipping["log"]["service"], "shipping");
    assert_eq!(shipping["log"]["level"], with_key(&server, "/v1/config/myapp/logging/level"));
    assert!(shipping.get("$extends").is_none() && shipping.get("$with").is_none(), "{shipping}");
    assert_eq!(with_key(&server, "/v1/config/services/shipping/http/port"), 8084);
    server.get("/v1/config/services/shipping/$extends").expect(404);
    server.put("/env/prod/templates/service/http/read_timeout_ms", json!(900)).expect(201);
    server.put("/env/prod/services/shipping/$with/port", json!(9000)).expect(201);
    let prod = with_key(&server, "/v1/config/services/shipping/http?env=prod");
    assert_eq!((&prod["port"], &prod["read_timeout_ms"]), (&json!(9000), &json!(900)));
    let one = with_key(&server, "/api/config/services/shipping/http/port?env=prod&resolve=true");
    assert_eq!((&one["value"], &one["origin"]), (&json!(9000), &json!("/templates/service")));
    assert_eq!(with_key(&server, "/v1/config/services/shipping/http/port"), 8084, "base is as it was");
    // Everything at once, in every environment.
    for env in ["base", "dev", "staging", "prod"] {
        let all = with_key(&server, &format!("/v1/config?env={env}"));
        assert_eq!(all["checkout"]["database"]["password"], "s3cret-of-the-tests", "{env}");
        assert!(all.get(".confgit").is_none());
    }
}

/// An entity tag of what services read changes when anything does that is part of it.
#[test]
fn tags_tell_when_a_part_changed() {
    let (_project, server) = example();
    let tag = |target: &str| server.get(target).expect(200).header("etag").unwrap().to_owned();
    let unchanged =
        |target: &str, tag: &str| server.request("GET", target, &[("If-None-Match", tag)], b"").status == 304;
    for target in [
        "/v1/config/checkout/database/host?env=prod",
        "/v1/config/checkout/database?env=prod",
        "/v1/config/services/shipping/http/port?env=prod",
        "/api/config/checkout/database/host?env=prod&resolve=true",
    ] {
        server.put("/env/prod/.confgit/variables/DB_HOST", json!("one")).expect(200);
        server.put("/env/prod/services/shipping/$with/port", json!(9001));
        let before = tag(target);
        assert!(unchanged(target, &before), "{target}");
        server.put("/env/prod/.confgit/variables/DB_HOST", json!("two")).expect(200);
        server.put("/env/prod/services/shipping/$with/port", json!(9002)).expect(200);
        assert!(!unchanged(target, &before), "{target}");
    }
    let with_secret = tag("/v1/config/checkout/database/password");
    assert!(unchanged("/v1/config/checkout/database/password", &with_secret));
}

#[test]
fn secrets_are_for_those_who_may_see_them() {
    let project = TestProject::example();
    let server = project.serve_with(&["--anonymous", "reader"], &[("CONFGIT_SECRET_API_KEY", "from-env")]);
    server.put("/t/key", json!("key ${secret:api-key}")).expect(201);
    server.put("/t/none", json!("${secret:of-nobody}")).expect(201);
    let anonymous = |target: &str| server.request("GET", target, &[("Authorization", "")], b"");
    for target in ["/v1/config/t/key", "/v1/config/t", "/api/config/t/key?resolve=true", "/v1/config"] {
        let refused = anonymous(target).expect(401).text();
        assert!(!refused.contains("from-env") && !refused.contains("s3cret"), "{refused}");
    }
    assert_eq!(anonymous("/api/config/t/key").expect(200).json()["value"], "key ${secret:api-key}");
    assert_eq!(with_key(&server, "/v1/config/t/key"), "key from-env");
    let missing = server.get("/v1/config/t/none").expect(422).json();
    assert_eq!(missing["errors"][0]["rule"], "reference");
    assert!(missing["errors"][0]["message"].as_str().unwrap().contains("a secret that no provider has"));
    server.get("/v1/config/t").expect(422);
    // Nothing of it is anywhere else.
    for target in ["/metrics", "/api/status", "/api/config/t?recursive=true", "/api/config/t/key/history"] {
        let text = server.get(target).text();
        assert!(!text.contains("from-env") && !text.contains("s3cret"), "{target}");
    }
    assert!(!server.log.lock().unwrap().contains("from-env"));
    let unreadable = project.dir().join("secrets/db-password");
    std::fs::remove_file(&unreadable).unwrap();
    std::fs::create_dir(&unreadable).unwrap();
    let down = server.get("/v1/config/checkout/database/password").expect(503).text();
    assert!(down.contains("the secret `db-password` cannot be read"), "{down}");
    assert_eq!(with_key(&server, "/v1/config/checkout/database/pool_size"), 20);
}

#[test]
fn what_cannot_be_resolved_is_told_all_at_once() {
    // A project may begin with mistakes, and a push may bring them; a write through the API may not.
    let text = "a: ${NOWHERE}\nb:\n  c: [x, \"${ref:/t/b/d}\"]\n  d: ${ref:/t/b/c}\nfine: $${NOWHERE}\n";
    let project = TestProject::with_files(&[("base/t.yaml", text)]);
    let server = project.serve();
    let all = server.get("/v1/config/t").expect(422).json();
    assert_eq!(all["type"], "/problems/unresolvable");
    let paths: Vec<&str> =
        all["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/t/a", "/t/b/c", "/t/b/d"]);
    let circle = server.get("/v1/config/t/b/d").expect(422).text();
    assert!(circle.contains("go round in a circle (/t/b/d → /t/b/c → /t/b/d)"), "{circle}");
    assert_eq!(with_key(&server, "/v1/config/t/fine"), "${NOWHERE}");
    assert_eq!(server.get("/v1/config/t/none?default=5").expect(200).text(), "5");
    server.get("/v1/config/t/a?default=5").expect(422);
    for target in [
        "/api/config/t?resolve=true&recursive=true",
        "/api/config/t?resolve=true&list=true",
        "/api/config/t/fine?resolve=true&version=1",
    ] {
        server.get(target).expect(400);
    }
}

#[test]
fn arrays_of_layers_become_one_where_settings_say_so() {
    let (_project, server) = example();
    let path = "/storefront/site/allowed_origins";
    let origins = |env: &str| with_key(&server, &format!("/v1/config{path}?env={env}"));
    let base = origins("base").as_array().unwrap().clone();
    server.put(&format!("/env/prod{path}"), json!(["https://new.example", base[0]])).expect(200);
    let joined: Vec<Value> = base.iter().cloned().chain([json!("https://new.example")]).collect();
    let read = server.get(&format!("/api/config{path}?env=prod")).expect(200);
    let entry = read.json();
    assert_eq!(
        (&entry["value"], &entry["origin"], &entry["version"]),
        (&json!(joined), &json!("prod"), &json!(2))
    );
    assert_eq!(origins("prod"), json!(joined));
    assert_eq!(with_key(&server, &format!("/v1/config/env/prod{path}")).as_array().unwrap().len(), 2);
    // The tag is of what is read: it changes with the parent's items, and a write may depend on it.
    let tag = read.header("etag").unwrap().to_owned();
    let put = |value: Value, tag: &str| {
        let body = json!({ "value": value }).to_string();
        let target = format!("/api/config{path}?env=prod");
        server.request("PUT", &target, &[("If-Match", tag)], body.as_bytes())
    };
    put(json!(["https://x.example"]), &tag).expect(200);
    put(json!(["https://y.example"]), &tag).expect(412);
    put(json!(["https://y.example"]), "3").expect(200);
    let before = server.get("/v1/config/storefront/site?env=prod").header("etag").unwrap().to_owned();
    server.put(path, json!(["https://only.example"])).expect(200);
    let target = "/v1/config/storefront/site?env=prod";
    server.request("GET", target, &[("If-None-Match", &before)], b"").expect(200);
    assert_eq!(origins("prod"), json!(["https://only.example", "https://y.example"]));
    let explained = with_key(&server, &format!("/api/config{path}/explain?env=prod"));
    let outcomes: Vec<&str> = explained["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["shown", "passed", "joined"]);
}

/// What other tools read of a bundle is what services read.
#[test]
fn bundles_are_read_by_their_consumers() {
    let project = TestProject::example();
    let server = project.serve_with(&["--anonymous", "reader"], &[]);
    let edits = json!({"edits": [
        {"op": "put", "path": "/b/host", "value": "${DB_HOST:localhost}"},
        {"op": "put", "path": "/b/port", "value": 5432},
        {"op": "put", "path": "/b/nested/quotes", "value": "it's \"$HOME\" `x`".replace('\'', "")},
        {"op": "put", "path": "/b/nested/apostrophe", "value": "it's \\ \"here\""},
        {"op": "put", "path": "/b/lines", "value": "first\nsecond ä 😀"},
        {"op": "put", "path": "/b/list", "value": ["a b", 1]},
        {"op": "put", "path": "/b/empty", "value": ""},
    ]});
    server.post("/api/batch", edits).expect(200);
    let expected = json!({
        "HOST": "db.prod.example.internal", "PORT": "5432", "NESTED_QUOTES": "its \"$HOME\" `x`",
        "NESTED_APOSTROPHE": "it's \\ \"here\"", "LINES": "first\nsecond ä 😀", "LIST": "[\"a b\",1]", "EMPTY": "",
    });
    let folder = tempfile::tempdir().unwrap();
    let bundle = |format: &str| {
        let answer = server.get(&format!("/v1/config/b?env=prod&format={format}")).expect(200);
        let file = folder.path().join(format);
        std::fs::write(&file, &answer.body).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let env = bundle("env");
    // A shell.
    for (name, value) in expected.as_object().unwrap() {
        let script = format!(". '{env}' && printf %s \"${name}\"");
        let output = std::process::Command::new("sh").args(["-euc", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), value.as_str().unwrap(), "{name}: {output:?}");
    }
    // A dotenv library, Java properties, and what validates manifests for Kubernetes.
    let read = python(
        "import json, sys; from dotenv import dotenv_values; print(json.dumps(dotenv_values(sys.argv[1], interpolate=False)))",
        &env,
    );
    assert_eq!(read, expected);
    let read = python(
        "import json, sys, javaproperties; print(json.dumps(javaproperties.load(open(sys.argv[1], 'rb'))))",
        &bundle("properties"),
    );
    assert_eq!(
        (&read["nested.apostrophe"], &read["lines"]),
        (&expected["NESTED_APOSTROPHE"], &expected["LINES"])
    );
    assert_eq!(read.as_object().unwrap().len(), 7);
    let manifest = |file: &str| {
        python(
            "import json, sys, yaml; from kubernetes_validate import validate; m = yaml.safe_load(open(sys.argv[1])); \
             validate(m, '1.30', strict=True); print(json.dumps(m))",
            file,
        )
    };
    let map = manifest(&bundle("k8s-configmap"));
    assert_eq!(
        (&map["kind"], &map["data"]["nested.quotes"]),
        (&json!("ConfigMap"), &expected["NESTED_QUOTES"])
    );
    assert_eq!(map["metadata"]["annotations"]["confgit/environment"], "prod");
    let secret = manifest(&bundle("k8s-secret"));
    assert_eq!(secret["data"]["port"], "NTQzMg==");
    assert!(
        server.get("/v1/config/b?env=prod&format=text").text().starts_with("/empty = \"\"\n/host = db.prod")
    );
}

#[test]
fn bundles_hold_secrets_only_where_they_are_wanted() {
    let project = TestProject::example();
    let server = project.serve_with(&["--anonymous", "reader"], &[]);
    let database = "/v1/config/checkout/database?env=prod";
    let refused = server.get(&format!("{database}&format=env")).expect(422).json();
    assert_eq!(refused["errors"][0]["path"], "/checkout/database/password");
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("db-password"), "{refused}");
    let asked = server.get(&format!("{database}&format=env&resolve=true")).expect(200).text();
    assert!(asked.contains("\nPASSWORD=s3cret-of-the-tests\n"), "{asked}");
    let anonymous = |target: &str| server.request("GET", target, &[("Authorization", "")], b"");
    anonymous(&format!("{database}&format=env&resolve=true")).expect(401);
    for target in
        [format!("{database}&format=k8s-configmap"), format!("{database}&format=k8s-configmap&resolve=true")]
    {
        let map = anonymous(&target).expect(200).text();
        assert!(
            map.contains("#   password\n") && map.contains("host: db.prod") && !map.contains("s3cret"),
            "{map}"
        );
    }
    let secret =
        server.get(&format!("{database}&format=k8s-secret&resolve=true&name=checkout")).expect(200).text();
    assert!(secret.contains("name: checkout\n") && secret.contains("password: czNjcmV0"), "{secret}");
    let map = server.get("/api/config/myapp?env=prod&format=k8s-configmap").expect(200).text();
    assert!(map.contains("apiVersion: v1\nkind: ConfigMap\n"), "{map}");
    for (query, status, words) in [
        ("format=env&version=1", 400, "leave out `version`"),
        ("format=env&name=x", 400, "this format has none"),
        ("name=x", 400, "this format has none"),
        ("format=k8s-configmap&name=Not_OK", 422, "is no name of an object"),
        ("format=dotenv", 400, "k8s-secret"),
    ] {
        let refused = server.get(&format!("/v1/config/myapp/database?{query}")).expect(status).text();
        assert!(refused.contains(words), "{query}: {refused}");
    }
    server.put("/b/a-b", json!(1)).expect(201);
    server.put("/b/a_b", json!(1)).expect(201);
    let twice = server.get("/v1/config/b?format=env").expect(422).json();
    assert_eq!(twice["errors"][0]["path"], "/b/a_b");
}

fn python(program: &str, file: &str) -> Value {
    let python = crate::harness::python();
    let output = std::process::Command::new(&python).args(["-c", program, file]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "needs tests/requirements.txt (`make test` installs it): {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Nobody lands a change through the API that breaks an environment which is well.
#[test]
fn a_write_that_breaks_an_environment_is_refused() {
    let (project, server) = example();
    let head = project.git(&["rev-parse", "--all"]);
    let refused = |edits: Value, env: &str, path: &str, rule: &str, words: &str| {
        let answer = server.post("/api/batch", json!({ "edits": edits })).expect(422).json();
        assert_eq!(answer["type"], "/problems/unprocessable", "{answer}");
        let errors = answer["errors"].as_array().unwrap();
        let is_it = |error: &&Value| {
            error["env"] == env
                && error["path"] == path
                && error["rule"] == rule
                && error["message"].as_str().unwrap().contains(words)
        };
        assert!(errors.iter().any(|error| is_it(&error)), "{edits}: {answer}");
        assert_eq!(project.git(&["rev-parse", "--all"]), head, "{edits}");
        answer
    };
    let put = |path: &str, value: Value| json!([{"op": "put", "path": path, "value": value}]);
    let put_in = |env: &str, path: &str, value: Value| json!([{"op": "put", "path": path, "env": env, "value": value}]);
    let schema = refused(
        put("/myapp/database/pool_size", json!(0)),
        "base",
        "/myapp/database/pool_size",
        "schema",
        "less than the minimum",
    );
    assert_eq!(
        (&schema["errors"][0]["file"], &schema["errors"][0]["line"]),
        (&json!("myapp/database.yaml"), &json!(3))
    );
    // What a default would be for those that inherit it.
    refused(
        put("/myapp/logging/level", json!("loud")),
        "base",
        "/myapp/logging/level",
        "schema",
        "rule `log-levels`",
    );
    refused(
        put_in("prod", "/services/payment-service/refunds/window_days", json!(7)),
        "prod",
        "/services/payment-service/refunds/window_days",
        "schema",
        "minimum of 14",
    );
    // A reference that leads nowhere, or would by this change: of the one who writes, and of others.
    refused(put("/t/a", json!("${NOWHERE}")), "base", "/t/a", "reference", "not set");
    refused(
        json!([{"op": "delete", "path": "/myapp/logging/level"}]),
        "base",
        "/templates/service/log/level",
        "reference",
        "at which nothing stands",
    );
    refused(
        json!([{"op": "delete", "path": "/templates/service"}]),
        "base",
        "/services/shipping",
        "reference",
        "no object stands",
    );
    refused(
        put("/storefront/site/currency", json!("${ref:/checkout/basket/currency}")),
        "base",
        "/checkout/basket/currency",
        "reference",
        "in a circle",
    );
    // What a template brings to those that extend it.
    refused(
        put("/templates/service/http/read_timeout_ms", json!(0)),
        "base",
        "/services/shipping/http/read_timeout_ms",
        "schema",
        "rule `services`",
    );
    refused(
        put("/services/shipping/$with/port", json!(80)),
        "base",
        "/services/shipping/http/port",
        "schema",
        "minimum of 1024",
    );
    // A rule, a schema, a description: what is there must be so.
    refused(
        put("/.confgit/schemas/new", json!({"paths": ["/myapp/*/ttl"], "schema": {"type": "string"}})),
        "base",
        "/myapp/cache/ttl",
        "schema",
        "rule `new`",
    );
    refused(
        put("/schemas/database.schema/properties/pool_size/maximum", json!(15)),
        "base",
        "/checkout/database/pool_size",
        "schema",
        "maximum of 15",
    );
    refused(
        put("/schemas/database.schema/type", json!("no-type")),
        "base",
        "/.confgit/schemas/databases",
        "schema",
        "is none",
    );
    refused(
        put("/.confgit/keys/myapp/database/timeout/schema", json!({"maximum": 5})),
        "base",
        "/myapp/database/timeout",
        "schema",
        "maximum of 5",
    );
    // All of it together is well, and so is a change that mends.
    let both = json!([
        {"op": "put", "path": "/t/host", "value": "${T_HOST}"},
        {"op": "put", "path": "/.confgit/variables/T_HOST", "value": "h"},
    ]);
    server.post("/api/batch", json!({ "edits": both })).expect(200);
    let gone = json!([{"op": "delete", "path": "/.confgit/variables/T_HOST"}]);
    server.post("/api/batch", json!({ "edits": gone })).expect(422);
    server.put("/env/prod/myapp/database/pool_size", json!(400)).expect(200);
    server.put("/env/prod/myapp/database/pool_size", json!(401)).expect(422);
}

/// What was wrong before does not keep anybody from writing something else, there least of all.
#[test]
fn only_new_mistakes_refuse_a_write() {
    let text = "bad: ${NOWHERE}\nnumber: many\nfine: 1\n";
    let rules = "t: {paths: [/t], schema: {properties: {number: {type: integer}, fine: {maximum: 5}}}}\n";
    let files = [("base/t.yaml", text), ("base/.confgit/schemas.yaml", rules)];
    let project = TestProject::with_files(&files);
    let server = project.serve();
    server.put("/t/fine", json!(2)).expect(200);
    server.put("/t/other", json!("x")).expect(201);
    server.put("/t/bad", json!("${ELSEWHERE}")).expect(422);
    server.put("/t/bad", json!("well")).expect(200);
    // Now that all can be resolved, the schema sees it; what it finds was there before.
    server.put("/t/fine", json!(3)).expect(200);
    server.put("/t/fine", json!(6)).expect(422);
    server.put("/t/number", json!("more")).expect(422);
    server.put("/t/number", json!(7)).expect(200);
}
