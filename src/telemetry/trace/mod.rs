//! Traces: spans of requests, of what the committer does, of looks into the past.
//!
//! Spans have a target and a level of their own. Nobody listens to them unless the server is told to send them
//! ([`Exporter`]), and then making one costs a comparison. They say nothing of the configuration: neither
//! paths nor values are attributes.

mod exporter;
mod otlp_client;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Level, Span, enabled, trace_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub use self::exporter::{Exporter, ExporterError};

/// What all spans have as their target.
const TARGET: &str = "confgit::trace";

/// What a request says of the trace that it belongs to (W3C Trace Context).
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceContext<'a> {
    /// The header `traceparent`.
    pub parent: Option<&'a str>,
    /// The header `tracestate`.
    pub state: Option<&'a str>,
}

impl TraceContext<'_> {
    /// Whether the caller wants this very request to be traced, and somebody listens.
    pub fn is_sampled(&self) -> bool {
        is_on() && self.parent.is_some_and(has_sampled_flag)
    }
}

impl Extractor for TraceContext<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.parent,
            "tracestate" => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// `00-<trace>-<span>-<flags>`: the last bit of the flags says so.
fn has_sampled_flag(traceparent: &str) -> bool {
    let flags = traceparent.split('-').nth(3).and_then(|flags| u8::from_str_radix(flags, 16).ok());
    flags.is_some_and(|flags| flags & 1 == 1)
}

/// Whether anybody listens to spans.
pub fn is_on() -> bool {
    enabled!(target: TARGET, Level::TRACE)
}

/// The span of a request, part of the caller's trace where that is named.
pub fn request(method: &'static str, context: TraceContext<'_>) -> Span {
    let span = trace_span!(
        target: TARGET,
        "request",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = Empty,
        http.response.status_code = Empty,
        confgit.class = Empty,
    );
    if context.parent.is_some() && !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&context);
        if parent.span().span_context().is_valid() {
            // It fails only where no exporter listens, and then there is nothing to belong to.
            let _ = span.set_parent(parent);
        }
    }
    span
}

/// Says of a request's span how it ended.
pub fn answered(span: &Span, name: (&str, Option<&str>), class: &str, status: u16) {
    if span.is_disabled() {
        return;
    }
    let (method, route) = name;
    if let Some(route) = route {
        span.record("http.route", route);
        // A field that is recorded late would not rename a span that runs.
        span.context().span().update_name(format!("{method} {route}"));
    }
    span.record("confgit.class", class);
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// The span of one write's decision, below that of its request.
pub fn decide(request: &Span) -> Span {
    trace_span!(target: TARGET, parent: request, "decide")
}

/// The span of a batch's publication: below that of its first write, and linked with those of the others.
pub fn publish<'a>(mut requests: impl Iterator<Item = &'a Span>, change_sets: usize) -> Span {
    let first = requests.next();
    let span = trace_span!(
        target: TARGET,
        parent: first.and_then(Span::id),
        "publish",
        confgit.change_sets = change_sets
    );
    for other in requests {
        span.follows_from(other);
    }
    span
}

/// The span of a look into the past, below the present one.
pub fn past() -> Span {
    trace_span!(target: TARGET, "past")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampled_flags() {
        let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        for (flags, sampled) in [("01", true), ("03", true), ("00", false), ("02", false), ("zz", false)] {
            assert_eq!(has_sampled_flag(&format!("00-{ids}-{flags}")), sampled, "{flags}");
        }
        for traceparent in ["", "00", "----", "01"] {
            assert!(!has_sampled_flag(traceparent), "{traceparent}");
        }
    }

    #[test]
    fn without_listeners_there_are_no_spans() {
        let context = TraceContext {
            parent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            state: None,
        };
        assert!(!context.is_sampled());
        assert!(request("GET", context).is_disabled());
        assert!(publish([Span::none()].iter(), 1).is_disabled());
    }
}
