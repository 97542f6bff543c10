//! Traces, as an OpenTelemetry collector gets them: decoded here with the protocol's own messages.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use crate::harness::{DEADLINE, TestProject, confgit};

/// What answers `/v1/traces` and keeps what it is sent.
struct Collector {
    endpoint: String,
    received: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = kept.clone();
                std::thread::spawn(move || receive(stream.unwrap(), &kept));
            }
        });
        Collector { endpoint, received }
    }

    fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let scopes =
            received.iter().flat_map(|message| &message.resource_spans).flat_map(|of| &of.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

/// Reads requests of one connection until it is closed.
fn receive(stream: TcpStream, kept: &Mutex<Vec<ExportTraceServiceRequest>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap() == 0 {
                return;
            }
        }
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        kept.lock().unwrap().push(ExportTraceServiceRequest::decode(&body[..]).unwrap());
        let answer = ExportTraceServiceResponse::default().encode_to_vec();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length";
        write!(reader.get_mut(), "{head}: {}\r\n\r\n", answer.len()).unwrap();
        reader.get_mut().write_all(&answer).unwrap();
    }
}

/// Attributes as text.
fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(&attribute.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[test]
fn a_collector_gets_the_spans_of_requests_and_of_what_they_cause() {
    let collector = Collector::start();
    let project = TestProject::with_files(&[
        ("meta/settings.yaml", "default: base\nenvironments:\n  base: { branch: main }\n"),
        ("base/zebra.yaml", "quagga: okapi\n"),
    ]);
    let variables =
        [("OTEL_SERVICE_NAME", "test-server"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)];
    let server = project.serve_with(&[], &variables);
    let traced = |method: &str, target: &str, flags: &str, body: &[u8]| {
        let traceparent = format!("00-{TRACE}-{PARENT}-{flags}");
        server.request(method, target, &[("traceparent", &traceparent)], body)
    };
    traced("PUT", "/api/config/zebra/gazelle", "01", b"{\"value\": \"springbok\"}").expect(201);
    traced("GET", "/api/config/zebra/gazelle/history", "01", b"").expect(200);
    traced("GET", "/v1/config/zebra/quagga", "01", b"").expect(200);
    // Neither of these is to be seen: a plain read that nobody traces, and a request whose caller wants no trace.
    server.get("/v1/config/zebra/quagga").expect(200);
    traced("GET", "/api/status", "00", b"").expect(200);
    // A trace of its own.
    server.put("/zebra/gazelle", json!("blesbok")).expect(200);
    server.stop();

    let spans = collector.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let of_caller = |name: &str| {
        let found: Vec<_> = named(name).into_iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
        let all = || {
            spans
                .iter()
                .map(|span| (&span.name, hex(&span.trace_id), attributes(&span.attributes)))
                .collect::<Vec<_>>()
        };
        assert_eq!(found.len(), 1, "{name}: {:#?}", all());
        found[0]
    };
    let put = of_caller("PUT /api/config/{*path}");
    assert_eq!(hex(&put.parent_span_id), PARENT);
    let told = attributes(&put.attributes);
    for (name, value) in [
        ("http.request.method", "PUT"),
        ("http.route", "/api/config/{*path}"),
        ("http.response.status_code", "201"),
        ("confgit.class", "write"),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{told:?}");
    }
    assert!(put.end_time_unix_nano > put.start_time_unix_nano);
    assert_eq!(of_caller("decide").parent_span_id, put.span_id);
    assert_eq!(of_caller("publish").parent_span_id, put.span_id);
    let history = of_caller("GET /api/config/{*path}");
    assert_eq!(of_caller("past").parent_span_id, history.span_id);
    assert_eq!(attributes(&of_caller("GET /v1/config/{*path}").attributes)["confgit.class"], "plain-read");
    assert_eq!(named("GET /v1/config/{*path}").len(), 1);
    assert!(named("GET /api/status").is_empty());
    assert_eq!((named("PUT /api/config/{*path}").len(), named("publish").len()), (2, 2));

    let received = collector.received.lock().unwrap();
    let resource = attributes(&received[0].resource_spans[0].resource.as_ref().unwrap().attributes);
    assert_eq!(resource["service.name"], "test-server");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    let everything = format!("{received:?}");
    for secret in ["zebra", "quagga", "okapi", "gazelle", "springbok", "blesbok", &project.key] {
        assert!(!everything.contains(secret), "`{secret}` is in a trace");
    }
}

#[test]
fn a_batch_is_linked_with_every_write_in_it() {
    let collector = Collector::start();
    let project = TestProject::empty();
    let variables = [("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let server = project.serve_with(&["--otlp-endpoint", &collector.endpoint], &variables);
    let mut writes = 0;
    // Writers that come together share a batch, sooner or later.
    crate::harness::wait_for("writes to share a batch", || {
        std::thread::scope(|scope| {
            for writer in 0..16 {
                let server = &server;
                scope.spawn(move || server.put(&format!("/a/k{writer}"), json!(writes)).status);
            }
        });
        writes += 16;
        let metrics = server.get("/metrics").text();
        let one = metrics.lines().find_map(|line| line.strip_prefix(ONE_WRITE)).unwrap();
        let all = metrics.lines().find_map(|line| line.strip_prefix(BATCHES)).unwrap();
        one.trim() != all.trim()
    });
    server.stop();
    let spans = collector.spans();
    let publishes = spans.iter().filter(|span| span.name == "publish");
    let told: usize = publishes.clone().map(|span| 1 + span.links.len()).sum();
    assert_eq!(told, writes, "a write is above a publication or linked with it");
    assert!(publishes.clone().any(|span| !span.links.is_empty()));
    let requests: Vec<_> = spans.iter().filter(|span| span.name.starts_with("PUT ")).collect();
    for link in publishes.flat_map(|span| &span.links) {
        assert!(requests.iter().any(|request| request.span_id == link.span_id), "a link leads to a request");
    }
}

const ONE_WRITE: &str = "confgit_batch_size_bucket{le=\"1.0\",project=\"project\"} ";
const BATCHES: &str = "confgit_batch_size_count{project=\"project\"} ";

#[test]
fn a_collector_that_is_away_is_in_nobodys_way() {
    let project = TestProject::empty();
    // A port that was free a moment ago: nobody answers there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let variables = [("OTEL_BSP_SCHEDULE_DELAY", "10")];
    let server = project.serve_with(&["--otlp-endpoint", &format!("http://{address}")], &variables);
    for number in 0..20 {
        assert!(server.put("/a/k", json!(number)).status < 300);
    }
    let log = server.log.clone();
    crate::harness::wait_for("the failure to be logged", || {
        log.lock().unwrap().contains("traces cannot be sent")
    });
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < DEADLINE, "stopping waits for a collector that is away");
    assert_eq!(log.lock().unwrap().matches("traces cannot be sent").count(), 1, "said once");
}

#[test]
fn an_endpoint_that_is_none_is_refused() {
    let project = TestProject::empty();
    for endpoint in ["localhost:4318", "ftp://localhost", "http://[bad"] {
        let output = confgit(&["serve", project.dir().to_str().unwrap(), "--otlp-endpoint", endpoint]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("http://HOST:4318"), "{stderr}");
    }
}
