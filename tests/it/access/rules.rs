//! Rules: layers and views, approvals, metadata, and that they are in force at once.

use serde_json::json;

use super::{access_file, detail, project};
use crate::harness::{confgit, git, wait_for};

/// What the story tells: dev yes, prod no, and base only where prod does not show it.
#[test]
fn a_change_is_asked_for_wherever_it_shows() {
    let project = project();
    let server = project.serve();
    let dana = server.as_account("dana");
    dana.put("/payments/db/host?env=dev", json!("d2")).expect(200);
    let refused = dana.put("/payments/db/host?env=prod", json!("p2")).expect(403);
    let expected = "the account `dana` may not write /payments/db/host in prod: no rule allows it";
    assert_eq!(detail(&refused), expected);
    assert_eq!(refused.json()["errors"][0]["rule"], "access");
    // Production overrides the host, so base's is its own; the port it inherits.
    dana.put("/payments/db/host", json!("b2")).expect(200);
    let refused = dana.put("/payments/db/port", json!(1)).expect(403);
    for part in ["/payments/db/port in prod", "prod shows what changes in base", "rule 2 of access.yaml"] {
        assert!(detail(&refused).contains(part), "{}", detail(&refused));
    }
    // Nothing of a batch is made when one edit may not be.
    let edits = json!({"edits": [
        {"op": "put", "path": "/payments/db/host", "value": "b3"},
        {"op": "put", "path": "/payments/db/host", "env": "prod", "value": "p3"},
    ]});
    dana.post("/api/batch", edits).expect(403);
    assert_eq!(server.get("/v1/config/payments/db/host").json(), "b2");
    // Once production has a port of its own, base's is no business of it.
    server.as_account("omar").put("/payments/db/port?env=prod", json!(6432)).expect(201);
    dana.put("/payments/db/port", json!(1)).expect(200);
    // Taking an override away would show base's: who may not write production may not do that either.
    dana.delete("/payments/db/port?env=prod").expect(403);
    dana.delete("/payments/db/port").expect(200);
    // A rule that covers layers only asks where the change is written.
    dana.put("/drafts/note", json!("n")).expect(201);
    assert_eq!(server.get("/v1/config/drafts/note?env=prod").json(), "n");
}

#[test]
fn what_may_not_be_read_is_refused_by_rule_and_shown_nowhere() {
    let project = project();
    let server = project.serve();
    let dana = server.as_account("dana");
    // Whether it is there makes no difference.
    for path in
        ["/finance/ledger/owner", "/finance/nothing", "/finance", "/.confgit/keys/finance/ledger/owner"]
    {
        for target in
            [format!("/v1/config{path}"), format!("/api/config{path}"), format!("/api/config{path}/history")]
        {
            assert_eq!(dana.get(&target).status, 403, "{target}");
        }
    }
    assert_eq!(dana.get("/api/config/payments/nothing").status, 404);
    assert_eq!(dana.get("/v1/config/finance/nothing?default=1").status, 403);
    for target in [
        "/v1/config",
        "/v1/config?format=env",
        "/api/config?recursive=true",
        "/api/config?q=finance",
        "/api/config?q=FIN-0001",
        "/api/config?list=true",
        "/api/config",
        "/api/commits",
        "/api/config/payments/history",
        "/api/diff?from=0&path=/",
        "/api/diff?from_env=base&to_env=prod",
        "/api/commits/1?env=base",
        "/api/status",
        "/api/environments",
        "/api/config/payments/db/host/explain?env=prod",
    ] {
        let answer = dana.get(target);
        let text = answer.text();
        assert!(matches!(answer.status, 200 | 403 | 422), "{target}: {} {text}", answer.status);
        for hidden in ["finance", "FIN-0001", "described-in-secret", "var-hidden-value"] {
            assert!(!text.contains(hidden), "{target} tells {hidden}: {text}");
        }
    }
    let all = dana.get("/api/config?recursive=true").expect(200).json();
    let paths: Vec<&str> =
        all["entries"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    let is_hers =
        |path: &&str| ["/payments/", "/shared/", "/templates/"].iter().any(|above| path.starts_with(above));
    assert!(paths.len() > 5 && paths.iter().all(is_hers), "{paths:?}");
    let listed = dana.get("/api/config").expect(200).json();
    assert_eq!(listed["children"], json!(["payments", "shared", "templates"]));
    // Counts are of what is seen, too: the environment that inherits from none shows its own layer.
    let count = |of: &crate::harness::Answer, pointer: &str| {
        of.json().pointer(pointer).and_then(serde_json::Value::as_u64).unwrap()
    };
    let own = dana.get("/api/environments/base").expect(200);
    let everything = server.get("/api/environments/base").expect(200);
    assert!(count(&own, "/entries") < count(&everything, "/entries"));
    assert!(paths.len() as u64 <= count(&own, "/entries"), "metadata of hers comes on top");
    let status = (dana.get("/api/status").expect(200), server.get("/api/status").expect(200));
    assert_eq!(count(&status.0, "/environments/0/entries"), count(&own, "/entries"));
    assert!(count(&status.0, "/environments/0/files") < count(&status.1, "/environments/0/files"));
    let explained = dana.get("/api/config/payments/explain").expect(200);
    let hers = paths.iter().filter(|path| path.starts_with("/payments/")).count() as u64;
    assert_eq!(count(&explained, "/layers/0/entries"), hers, "{}", explained.text());
    // Entity tags of what is seen do not move with what is not.
    let tag = |target: &str| dana.get(target).header("etag").unwrap().to_owned();
    let before = (tag("/api/config"), tag("/api/config?recursive=true"));
    server.put("/finance/ledger/account", json!("FIN-0002")).expect(200);
    assert_eq!((tag("/api/config"), tag("/api/config?recursive=true")), before);
}

#[test]
fn metadata_schemas_variables_and_templates_are_indirect_power() {
    let project = project();
    let server = project.serve();
    let (dana, omar) = (server.as_account("dana"), server.as_account("omar"));
    // Metadata is written where what it describes is.
    let described = json!({"value": "d3", "description": "the host"}).to_string();
    dana.request("PUT", "/api/config/payments/db/host?env=dev", &[], described.as_bytes()).expect(200);
    dana.put("/.confgit/keys/finance/ledger/owner/description", json!("x")).expect(403);
    // A schema rule governs the places of its patterns, also one that is taken away or bent.
    let rule = json!({"paths": ["/payments/**"], "schema": {"type": "string"}});
    let refused = dana.put("/.confgit/schemas/mine", rule.clone()).expect(403);
    assert!(detail(&refused).contains("govern /payments"), "{}", detail(&refused));
    dana.put("/.confgit/schemas/ports/paths", json!(["/payments/x"])).expect(403);
    dana.delete("/.confgit/schemas/ports").expect(403);
    omar.put("/.confgit/schemas/strict", json!({"paths": ["/drafts/**"], "schema": {"type": "string"}}))
        .expect(201);
    // A variable changes whatever names it, a template whatever extends it.
    let vars = format!(
        "{}  - {{ paths: [\"/.confgit/variables/**\", \"/templates/**\"], accounts: [stray], allow: [read, write] }}\n",
        access_file()
    );
    push_access(&project, &vars);
    let stray = server.as_account("stray");
    wait_for("the new rule", || stray.get("/v1/config/templates/service/level").status == 200);
    let refused = stray.put("/.confgit/variables/REGION", json!("us-1")).expect(403);
    assert!(detail(&refused).contains("govern /payments/api"), "{}", detail(&refused));
    let refused = stray.put("/templates/service/level", json!("debug")).expect(403);
    assert!(detail(&refused).contains("govern /payments/api"), "{}", detail(&refused));
    // What nobody is made of is theirs.
    stray.put("/.confgit/variables/MINE", json!("1")).expect(201);
    stray.put("/templates/mine", json!({"a": 1})).expect(201);
    omar.put("/templates/service/level", json!("debug")).expect(200);
}

#[test]
fn a_change_that_needs_agreement_is_not_made_in_passing() {
    let project = project();
    let server = project.serve();
    let sec = server.as_account("sec");
    let cert = || server.get("/v1/config/payments/certs/tls.crt?env=prod").expect(200).text();
    let before = cert();
    sec.put("/payments/certs/tls.crt?env=prod", json!("X")).expect(202);
    // Nor by way of what production inherits.
    sec.put("/payments/certs/tls.crt", json!("X")).expect(202);
    let needs = sec.get("/api/proposals/2").expect(200).json()["requirements"][0].clone();
    assert_eq!((&needs["env"], &needs["teams"]), (&json!("prod"), &json!(["security"])));
    assert_eq!(cert(), before);
    sec.put("/payments/certs/tls.crt?env=dev", json!("X")).expect(201);
    // Whoever may change the rule is not held up by it.
    server.put("/payments/certs/tls.crt?env=prod", json!("X")).expect(201);
}

#[test]
fn rules_are_in_force_at_once_and_mistakes_keep_the_old_ones() {
    let project = project();
    let server = project.serve();
    let dana = server.as_account("dana");
    dana.get("/v1/config/finance/ledger/owner").expect(403);
    let more =
        format!("{}  - {{ paths: [\"/finance/**\"], accounts: [dana], allow: [read] }}\n", access_file());
    push_access(&project, &more);
    wait_for("the new rule", || dana.get("/v1/config/finance/ledger/owner").status == 200);
    push_access(&project, &more.replace("allow: [read]", "allow: [fly]"));
    wait_for("the mistake", || server.get("/api/status").text().contains("fly"));
    assert_eq!(dana.get("/v1/config/finance/ledger/owner").status, 200);
    // What is wrong with the rules is for those who make them.
    let told = dana.get("/api/status").expect(200).text();
    let url = format!("http://{}", server.address);
    let status = crate::harness::confgit(&["status", "--server", &url, "--token", &project.key]);
    let said = String::from_utf8(status.stdout).unwrap();
    assert!(said.contains("settings not in force: access.yaml:") && said.contains("`fly`"), "{said}");
    assert!(!told.contains("fly") && told.contains("refused_settings"), "{told}");
    push_access(&project, &more.replace("environments: [prod]", "environments: [prd]"));
    wait_for("the unknown environment", || server.get("/api/status").text().contains("`prd`"));
    push_access(&project, &access_file());
    wait_for("the old rules", || dana.get("/v1/config/finance/ledger/owner").status == 403);
}

#[test]
fn explanations_name_the_rule_that_decides() {
    let project = project();
    let server = project.serve();
    let explain = |account: &str, action: &str, path: &str, env: &str| {
        let target = format!("/api/access/explain?account={account}&action={action}&path={path}&env={env}");
        server.get(&target).expect(200).json()
    };
    for (account, action, path, env, allowed, rule) in [
        ("dana", "write", "/payments/x", "dev", true, json!(2)),
        ("dana", "write", "/payments/x", "prod", false, json!(null)),
        ("dana", "read", "/payments/x", "prod", true, json!(3)),
        ("omar", "govern", "/any", "prod", true, json!(1)),
        ("gone", "read", "/any", "prod", false, json!(1)),
        ("dana", "read", "/.confgit/keys/payments/x/description", "prod", true, json!(3)),
        ("admin", "admin", "/any", "prod", true, json!(13)),
    ] {
        let told = explain(account, action, path, env);
        assert_eq!(
            (&told["allowed"], &told["rule"]["number"]),
            (&json!(allowed), &rule),
            "{account} {action} {path}: {told}"
        );
    }
    // That others have to agree to it is told, also where it only shows.
    let agreed = json!([{ "env": "prod", "rule": 9, "count": 1, "teams": ["security"] }]);
    for (account, env, path, expected) in [
        ("omar", "prod", "/payments/certs/tls.crt", agreed.clone()),
        ("omar", "base", "/payments/certs/tls.crt", agreed),
        ("omar", "dev", "/payments/certs/tls.crt", json!(null)),
        ("omar", "prod", "/payments/db", json!(null)),
        ("admin", "prod", "/payments/certs/tls.crt", json!(null)),
        ("svc", "prod", "/payments/certs/tls.crt", json!(null)),
    ] {
        let told = explain(account, "write", path, env);
        assert_eq!(told["approvals"], expected, "{account} {path} in {env}: {told}");
    }
    assert_eq!(explain("omar", "read", "/payments/certs/tls.crt", "prod")["approvals"], json!(null));
    let secret =
        server.get("/api/access/explain?account=svc&action=secrets:read&secret=db-app").expect(200).json();
    assert_eq!((&secret["allowed"], &secret["rule"]["number"]), (&json!(true), &json!(10)));
    // Anybody may ask about themselves, and nobody else about others.
    let dana = server.as_account("dana");
    let own = dana.get("/api/access/explain?action=write&path=/payments/x&env=dev").expect(200).json();
    assert_eq!((&own["account"], &own["allowed"]), (&json!("dana"), &json!(true)));
    dana.get("/api/access/explain?account=omar&action=write&path=/payments/x").expect(403);
    server.get("/api/access/explain?account=nobody&action=read&path=/x").expect(404);
    server.get("/api/access/explain?account=dana&action=read&secret=x").expect(400);
    let output = confgit(&[
        "access",
        "explain",
        "dana",
        "write",
        "/payments/x",
        "--env",
        "prod",
        "--repo",
        "/nonexistent",
    ]);
    assert!(!output.status.success());
}

/// Pushes an access file into the settings, as an administrator does by hand.
pub fn push_access(project: &crate::harness::TestProject, text: &str) {
    let clone = tempfile::tempdir_in(project.temp.path()).unwrap();
    let meta = project.dir().join("meta.git");
    git(clone.path(), &["clone", "-q", meta.to_str().unwrap(), "."]);
    let current = std::fs::read_to_string(clone.path().join("access.yaml")).unwrap();
    // What `init` added for the administrator stays.
    let admin = current.lines().skip_while(|line| !line.starts_with("  admin:")).take_while(|line| {
        line.starts_with("  admin:") || line.starts_with("    ") || line.starts_with("      ")
    });
    let admin: Vec<&str> = admin.collect();
    let admin = format!("accounts:\n{}\n", admin.join("\n"));
    let text = text.replacen("accounts:\n", &admin, 1);
    let rule = "  - {paths: [\"/**\", \"/.confgit/**\"], accounts: [admin], allow: [admin]}\n";
    std::fs::write(clone.path().join("access.yaml"), format!("{}\n{rule}", text.trim_end())).unwrap();
    git(clone.path(), &["commit", "-qam", "other rules"]);
    git(clone.path(), &["push", "-q", "origin", "HEAD:main"]);
}
