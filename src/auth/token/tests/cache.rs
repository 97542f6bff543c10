use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Reply, Server};
use super::signer::jwks;
use super::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const HOUR: i64 = 3600;

/// An issuer that is a server of this test, and the cache that asks it.
struct World {
    issuer: String,
    issuers: Issuers,
    cache: KeyCache,
}

impl World {
    fn new(issuer: &str, replaced: Value) -> Self {
        let mut section = json!({"issuer": issuer});
        merge(&mut section, replaced);
        World {
            issuer: issuer.to_owned(),
            issuers: issuers(section),
            cache: KeyCache::new(PathBuf::from("/nowhere")),
        }
    }

    /// What comes of a token that is made and shown at this time.
    fn outcome(&self, signer: &Signer, seconds: i64) -> String {
        let claims =
            claims(json!({"iss": self.issuer, "exp": seconds + 300, "iat": seconds, "nbf": seconds}));
        match self.issuers.verify(&signer.token(&claims), &self.cache, at(seconds)) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => format!("{:?}: {error}", error.fault()),
        }
    }
}

#[test]
fn keys_are_discovered_once_an_hour() {
    let signer = Signer::es256("a");
    let server = Server::start(jwks(&[&signer]));
    let world = World::new(&server.issuer(), json!({}));
    for (seconds, fetches) in [(0, 1), (1, 1), (HOUR - 1, 1), (HOUR, 2), (HOUR + 1, 2), (2 * HOUR, 3)] {
        assert_eq!(world.outcome(&signer, NOW + seconds), "accepted");
        assert_eq!((server.requests(DISCOVERY), server.requests("/jwks")), (fetches, fetches), "{seconds}");
    }
}

#[test]
fn keys_are_fetched_from_where_the_file_says() {
    let signer = Signer::ed25519("a");
    let server = Server::start("{}".to_owned());
    server.reply("/keys?v=1", Reply::Json(jwks(&[&signer])));
    let world = World::new(&server.issuer(), json!({"keys": server.url("/keys?v=1")}));
    assert_eq!(world.outcome(&signer, NOW), "accepted");
    assert_eq!((server.requests(DISCOVERY), server.requests("/keys?v=1")), (0, 1));
}

#[test]
fn a_new_key_is_found_and_a_removed_one_stops_working() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let server = Server::start(jwks(&[&old]));
    let world = World::new(&server.issuer(), json!({}));
    let unknown = |kid: &str| format!("Bad: the issuer `ci` has no key with the id `{kid}`");
    assert_eq!(world.outcome(&old, NOW), "accepted");
    server.reply("/jwks", Reply::Json(jwks(&[&new])));
    // So soon it is not asked again, however many strangers make up keys.
    assert_eq!(world.outcome(&new, NOW + 29), unknown("new"));
    assert_eq!(world.outcome(&old, NOW + 29), "accepted");
    assert_eq!(server.requests("/jwks"), 1);
    assert_eq!(world.outcome(&new, NOW + 30), "accepted");
    assert_eq!(world.outcome(&old, NOW + 31), unknown("old"));
    assert_eq!(server.requests("/jwks"), 2);
    // A key that nobody has costs one fetch in 30 seconds.
    for seconds in 60..120 {
        assert_eq!(world.outcome(&old, NOW + seconds), unknown("old"));
    }
    assert_eq!(server.requests("/jwks"), 4);
}

#[test]
fn the_last_keys_outlive_an_outage_for_a_day() {
    let (known, unknown) = (Signer::es256("a"), Signer::es256("b"));
    let server = Server::start(jwks(&[&known]));
    let world = World::new(&server.issuer(), json!({}));
    assert_eq!(world.outcome(&known, NOW), "accepted");
    server.reply("/jwks", Reply::Status(503));
    let refused =
        format!("Temporary: the keys of `ci` are not available now: `{}` answered 503", server.url("/jwks"));
    for (signer, seconds, expected, fetches) in [
        (&known, HOUR, "accepted", 2),
        (&known, HOUR + 29, "accepted", 2),
        // Whether the issuer has this key cannot be told now.
        (&unknown, HOUR + 29, refused.as_str(), 2),
        (&known, HOUR + 30, "accepted", 3),
        (&known, 24 * HOUR - 1, "accepted", 4),
        (&known, 24 * HOUR, refused.as_str(), 4),
        (&known, 24 * HOUR + 29, refused.as_str(), 5),
    ] {
        assert_eq!(world.outcome(signer, NOW + seconds), expected, "{seconds}");
        assert_eq!(server.requests("/jwks"), fetches, "{seconds}");
    }
    server.reply("/jwks", Reply::Json(jwks(&[&known])));
    assert_eq!(world.outcome(&known, NOW + 24 * HOUR + 59), "accepted");
}

#[test]
fn many_threads_cost_one_fetch() {
    let signer = Signer::es256("a");
    let server = Server::start(String::new());
    server.reply("/jwks", Reply::Gated(jwks(&[&signer])));
    let world = World::new(&server.issuer(), json!({}));
    let barrier = Barrier::new(9);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(world.outcome(&signer, NOW), "accepted");
            });
        }
        barrier.wait();
        server.wait_for_requests("/jwks", 1);
        server.open_gate();
    });
    assert_eq!((server.requests(DISCOVERY), server.requests("/jwks")), (1, 1));
}

#[test]
fn who_has_a_known_key_does_not_wait_for_a_fetch() {
    let (known, unknown) = (Signer::es256("a"), Signer::es256("b"));
    let server = Server::start(jwks(&[&known]));
    let world = World::new(&server.issuer(), json!({}));
    assert_eq!(world.outcome(&known, NOW), "accepted");
    server.reply("/jwks", Reply::Gated(jwks(&[&known])));
    thread::scope(|scope| {
        let slow = scope.spawn(|| world.outcome(&unknown, NOW + 60));
        server.wait_for_requests("/jwks", 2);
        assert_eq!(world.outcome(&known, NOW + 60), "accepted");
        assert!(!slow.is_finished());
        server.open_gate();
        assert_eq!(slow.join().unwrap(), "Bad: the issuer `ci` has no key with the id `b`");
    });
}

#[test]
fn answers_that_are_no_keys() {
    let signer = Signer::es256("a");
    let elsewhere = json!({"issuer": "https://evil.example", "jwks_uri": "https://evil.example/jwks"});
    for (path, reply, expected) in [
        (DISCOVERY, Reply::Json(elsewhere.to_string()), "` is about another issuer: `https://evil.example`"),
        (DISCOVERY, Reply::Json("[]".to_owned()), "` is no discovery document"),
        (DISCOVERY, Reply::Status(404), "` answered 404"),
        (DISCOVERY, Reply::Redirect("/jwks".to_owned()), "` answered 302"),
        (DISCOVERY, Reply::Endless, "` answered with more than 1048576 bytes"),
        ("/jwks", Reply::Redirect("http://example.com/".to_owned()), "` answered 302"),
        ("/jwks", Reply::Json("x".to_owned()), "` cannot be used: it is no JWK set"),
        ("/jwks", Reply::Json(" ".repeat((1 << 20) + 1)), "` answered with more than 1048576 bytes"),
        ("/jwks", Reply::Endless, "` answered with more than 1048576 bytes"),
    ] {
        let server = Server::start(jwks(&[&signer]));
        server.reply(path, reply);
        let world = World::new(&server.issuer(), json!({}));
        for seconds in [0, 29] {
            let said = world.outcome(&signer, NOW + seconds);
            assert!(said.starts_with("Temporary: the keys of `ci` are not available now: "), "{said}");
            assert!(said.contains(expected), "{said}");
        }
        assert_eq!(server.requests(path), 1, "{expected}: a failure is not tried again at once");
    }
}

#[test]
fn a_discovery_document_may_not_lead_to_plain_http() {
    let signer = Signer::es256("a");
    let server = Server::start(String::new());
    let document = json!({"issuer": server.issuer(), "jwks_uri": "http://example.com/jwks"});
    server.reply(DISCOVERY, Reply::Json(document.to_string()));
    let said = World::new(&server.issuer(), json!({})).outcome(&signer, NOW);
    assert!(said.contains("`http://example.com/jwks` is not `https://`"), "{said}");
}

#[test]
fn an_issuer_that_never_answers_is_given_up() {
    let signer = Signer::es256("a");
    let server = Server::start(String::new());
    for path in ["/jwks", DISCOVERY] {
        server.reply(path, Reply::Silence);
        let mut world = World::new(&server.issuer(), json!({}));
        world.cache = world.cache.with_timeout(Duration::from_millis(300));
        let begun = Instant::now();
        let said = world.outcome(&signer, NOW);
        assert!(said.contains("did not answer in time"), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}

#[test]
fn an_issuer_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let said = World::new(&issuer, json!({})).outcome(&Signer::es256("a"), NOW);
    assert!(said.starts_with("Temporary: ") && said.contains("cannot be fetched"), "{said}");
}

#[test]
fn files_are_read_again_when_they_change() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.json");
    let (old, new) = (Signer::es256("old"), Signer::es256("newer"));
    let mut world = World::new("https://ci.example.com", json!({"keys": "file:keys.json"}));
    world.cache = KeyCache::new(dir.path().to_owned());
    assert!(
        world.outcome(&old, NOW).contains(": the file `keys.json` cannot be read: "),
        "{}",
        world.outcome(&old, NOW)
    );
    std::fs::write(&file, jwks(&[&old])).unwrap();
    assert_eq!(world.outcome(&old, NOW), "accepted");
    std::fs::write(&file, jwks(&[&new])).unwrap();
    assert_eq!(world.outcome(&new, NOW), "accepted");
    assert_eq!(world.outcome(&old, NOW), "Bad: the issuer `ci` has no key with the id `old`");
    for (content, expected) in
        [("broken", "it is no JWK set"), (&*"x".repeat((1 << 20) + 1), "more than 1048576")]
    {
        std::fs::write(&file, content).unwrap();
        let said = world.outcome(&new, NOW);
        assert!(said.starts_with("Temporary: ") && said.contains(expected), "{said}");
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(world.outcome(&new, NOW).contains("is no file"));
}

#[test]
fn certificates_that_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let signer = Signer::es256("a");
    let mut world = World::new("https://127.0.0.1:9", json!({"ca_file": "ca.pem"}));
    world.cache = KeyCache::new(dir.path().to_owned());
    let said = world.outcome(&signer, NOW);
    assert!(said.contains(": the file `ca.pem` cannot be read"), "{said}");
    std::fs::write(dir.path().join("ca.pem"), "no certificate").unwrap();
    let said = world.outcome(&signer, NOW + 30);
    assert!(said.contains("`ca.pem` holds no PEM certificate"), "{said}");
}

#[test]
fn the_cache_is_bounded() {
    let cache = KeyCache::new(PathBuf::from("/nowhere"));
    for number in 0..300 {
        let origin = KeyOrigin {
            issuer: format!("https://{number}").into(),
            location: KeyLocation::File("absent".into()),
            ca_file: None,
        };
        assert!(cache.keys(&Arc::new(origin), None, at(NOW)).is_err());
    }
    assert_eq!(cache.len(), 128);
}
