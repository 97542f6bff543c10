//! Tokens of issuers: as GitHub Actions and Kubernetes give them to workloads.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{access_file, project, rules::push_access};
use crate::harness::wait_for;

/// A real issuer on loopback: its discovery document, and the keys that it has now.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
}

struct Signer {
    kid: String,
    pair: EcdsaKeyPair,
}

impl Issuer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (keys, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let issuer = Issuer { url: url.clone(), keys: keys.clone(), asked: asked.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                asked.fetch_add(1, Ordering::Relaxed);
                let body = if first.contains("openid-configuration") {
                    json!({"issuer": url, "jwks_uri": format!("{url}/keys")})
                } else {
                    json!({"keys": *keys.lock().unwrap()})
                }
                .to_string();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        issuer
    }

    fn add(&self, signer: &Signer) {
        let point = signer.pair.public_key().as_ref();
        let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        self.keys.lock().unwrap().push(json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": signer.kid,
            "x": coordinate(&point[1..33]), "y": coordinate(&point[33..]),
        }));
    }

    /// Claims as a workflow of GitHub has them.
    fn claims(&self, subject: &str) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        json!({
            "iss": self.url, "aud": "confgit", "sub": subject, "iat": now, "nbf": now, "exp": now + 300,
            "repository": "fernhill/payments", "ref": "refs/heads/main",
            "kubernetes.io": {"namespace": "payments", "serviceaccount": {"name": "api"}},
        })
    }
}

impl Signer {
    fn new(kid: &str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
        Signer { kid: kid.to_owned(), pair }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.kid}).to_string();
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(&header), part(&claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

#[test]
fn workloads_call_with_the_tokens_of_their_platform() {
    let project = project();
    let server = project.serve();
    let (issuer, signer) = (Issuer::start(), Signer::new("one"));
    issuer.add(&signer);
    let issuers = format!(
        r#"issuers:
  ci:
    issuer: {url}
    audience: confgit
    algorithms: [ES256]
    rules:
      - claims: {{ repository: fernhill/payments, ref: refs/heads/main, sub: "repo:*" }}
        account: svc
      - claims: {{ "/kubernetes.io/namespace": payments }}
        teams: [payments]
"#,
        url = issuer.url
    );
    push_access(&project, &format!("{issuers}{}", access_file()));
    let caller = |token: String| super::As { server: &server, key: token };
    let workflow = caller(signer.sign(&issuer.claims("repo:fernhill/payments:ref:refs/heads/main")));
    wait_for("the issuer to be known", || workflow.get("/api/whoami").status == 200);
    assert_eq!(workflow.get("/api/whoami").json()["account"], "svc");
    // An account by its rules, on the fast way too.
    assert_eq!(workflow.get("/v1/config/payments/db/password").expect(200).json(), "s3cret-app");
    assert_eq!(workflow.get("/v1/config/payments/db/host").expect(200).json(), "db.internal");
    workflow.get("/v1/config/finance").expect(403);
    workflow.put("/payments/x", json!(1)).expect(403);
    // A pod by its team, under a name of its own.
    let pod = caller(signer.sign(&issuer.claims("system:serviceaccount:payments:api")));
    let me = pod.get("/api/whoami").expect(200).json();
    assert_eq!(me["account"], "ci:system:serviceaccount:payments:api");
    pod.put("/payments/db/host?env=dev", json!("by-pod")).expect(200);
    let log = project.git(&["log", "-1", "--format=%an %B", "dev"]);
    assert!(log.contains("Account: ci:system:serviceaccount:payments:api"), "{log}");
    let asked = issuer.asked.load(Ordering::Relaxed);
    assert!(asked <= 2, "a known token, and a known key, ask the issuer nothing: {asked}");
    // What is wrong with a token is said, and none of it is let in.
    let wrong = |name: &str, value: Value| {
        let mut claims = issuer.claims("repo:x");
        claims[name] = value;
        caller(signer.sign(&claims)).get("/v1/config/payments/db/host").expect(401).json()["detail"].clone()
    };
    for (name, value) in [
        ("aud", json!("another")),
        ("exp", json!(1_600_000_000)),
        ("nbf", json!(4_000_000_000_u64)),
        ("iss", json!("https://elsewhere.example")),
    ] {
        let detail = wrong(name, value);
        assert!(detail.as_str().unwrap().len() > 10, "{name}: {detail}");
    }
    let mut outsider = issuer.claims("repo:x");
    outsider["repository"] = json!("evil/fork");
    outsider["kubernetes.io"] = json!({"namespace": "evil"});
    caller(signer.sign(&outsider)).get("/api/whoami").expect(401);
    let stranger = Signer::new("one");
    caller(stranger.sign(&issuer.claims("repo:x"))).get("/api/whoami").expect(401);
    // Keys rotate: the new one works once the issuer tells it, and who signs with it waits for no hour.
    let next = Signer::new("two");
    issuer.add(&next);
    let rotated = caller(next.sign(&issuer.claims("repo:fernhill/payments:ref:refs/heads/main")));
    assert!(
        matches!(rotated.get("/api/whoami").status, 200 | 401),
        "known, or the issuer was asked half a minute ago"
    );
    // A token stops with what let it in: the account is disabled, the rules are others.
    server.post("/api/accounts/svc/disable", Value::Null).expect(200);
    assert_eq!(workflow.get("/v1/config/payments/db/host").status, 401);
    push_access(&project, &access_file());
    wait_for("the issuer to be forgotten", || pod.get("/v1/config/payments/db/host").status == 401);
}
