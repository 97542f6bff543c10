//! Going on where one broke off: from anywhere, without a gap.

use serde_json::{Value, json};

use super::{Stream, chained};
use crate::harness::Server;

fn values(server: &Server, target: &str, headers: &[(&str, &str)], last: u64) -> Vec<Value> {
    let mut stream = Stream::open_with(server, target, headers);
    assert_eq!(stream.status, 200, "{target}");
    stream.until(last).into_iter().map(|told| told.data["value"].clone()).collect()
}

#[test]
fn from_every_kind_of_moment_and_after_a_restart() {
    let project = chained();
    let mut server = project.serve();
    let mut last = 1;
    let (mut revisions, mut times) = (Vec::new(), Vec::new());
    for number in 0..60 {
        let answer = server.put("/other/x", json!(number + 100)).expect(200).json();
        last = answer["sequence"].as_u64().unwrap();
        revisions.push(answer["revision"].as_str().unwrap().to_owned());
        if number == 30 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        times.push(server.get("/api/config/other/x").json()["updated_at"].as_str().unwrap().to_owned());
    }
    project.git(&["tag", "half", &revisions[29]]);
    let after = |first: u64| (first..60).map(|number| json!(number + 100)).collect::<Vec<_>>();
    for round in 0..2 {
        let watch = "/api/config/other?watch=true";
        assert_eq!(values(&server, watch, &[("Last-Event-ID", "41")], last), after(40), "{round}");
        assert_eq!(values(&server, &format!("{watch}&since=21"), &[], last), after(20));
        assert_eq!(values(&server, &format!("{watch}&since={}", revisions[9]), &[], last), after(10));
        assert_eq!(values(&server, &format!("{watch}&since=half"), &[], last), after(30));
        assert_eq!(values(&server, &format!("{watch}&since={}", times[30]), &[], last), after(31));
        assert_eq!(values(&server, &format!("{watch}&since=1"), &[], last), after(0));
        // The header says more than the URL, which a client sends unchanged.
        assert_eq!(
            values(&server, &format!("{watch}&initial=true"), &[("Last-Event-ID", "57")], last),
            after(56)
        );
        assert_eq!(values(&server, &format!("{watch}&since=3"), &[("Last-Event-ID", "57")], last), after(56));
        // Services too: a variable changed, and nothing else.
        if round == 0 {
            last = server.put("/.confgit/variables/HOST", json!("three")).expect(200).json()["sequence"]
                .as_u64()
                .unwrap();
            let url = values(&server, "/v1/config/app?watch=true&since=60", &[], last);
            assert_eq!(url, [json!("http://three:1")]);
            server.stop();
            server = project.serve();
            let url = values(&server, "/v1/config/app?watch=true&since=1", &[], last);
            assert_eq!(url, [json!("http://three:1")]);
            last -= 1;
        }
    }
}

#[test]
fn ids_that_lead_nowhere_are_told_so() {
    let project = chained();
    let server = project.serve();
    let other = chained();
    let foreign = other.git(&["rev-parse", "main"]).trim().to_owned();
    // The same content at the same second may be the same commit.
    let foreign =
        if project.git(&["rev-parse", "main"]).trim() == foreign { "1".repeat(40) } else { foreign };
    let watch = "/api/config/app?watch=true";
    let case = |target: &str, id: &str| {
        let headers: &[(&str, &str)] = if id.is_empty() { &[] } else { &[("Last-Event-ID", id)] };
        let answer = server.request("GET", target, headers, b"");
        (
            answer.status,
            answer.json()["type"].as_str().unwrap().to_owned(),
            answer.json()["detail"].to_string(),
        )
    };
    for (target, id, kind, says) in [
        (watch, "999", "no-such-moment", "of another project"),
        (watch, "abc", "malformed", "number of a change set"),
        (watch, "-1", "malformed", "number of a change set"),
        (watch, "99999999999999999999999", "malformed", "number of a change set"),
        (&*format!("{watch}&since={foreign}"), "", "no-such-moment", "not in this project"),
        (&*format!("{watch}&since=nonsense"), "", "no-such-moment", "no change set, commit, tag or time"),
        (&*format!("{watch}&since=2001-01-01T00:00:00Z"), "", "no-such-moment", "before the first"),
        (&*format!("{watch}&since=999"), "", "no-such-moment", "no change set 999"),
    ] {
        let (status, found, detail) = case(target, id);
        assert_eq!((status, &*found), (400, &*format!("/problems/{kind}")), "{target} {id}: {detail}");
        assert!(detail.contains(says), "{target} {id}: {detail}");
    }
    assert_eq!(server.get("/api/config/app?watch=true&env=nowhere").status, 404);
    // An empty id is none.
    assert_eq!(Stream::open_with(&server, watch, &[("Last-Event-ID", "")]).status, 200);
}
