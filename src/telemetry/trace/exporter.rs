use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use super::TARGET;
use super::otlp_client::OtlpClient;

/// How many ended spans may wait to be sent; further ones are dropped.
const QUEUE_SPANS: usize = 2_048;

/// How many spans one message carries.
const SPANS_PER_MESSAGE: usize = 512;

/// How long a stopping server tries to send what waits.
const FAREWELL: Duration = Duration::from_secs(5);

/// Sends ended spans to an OpenTelemetry collector, as OTLP over HTTP, from a thread of its own. A request
/// never waits for it. What waits at the end is sent when this is dropped.
#[derive(Debug)]
pub struct Exporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("this is no address of a collector: {0}; write it as http://HOST:4318")]
pub struct ExporterError(String);

impl Exporter {
    /// An exporter to the collector at this address, such as `http://localhost:4318`; `/v1/traces` is added.
    /// `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and `OTEL_EXPORTER_OTLP_HEADERS` are heeded.
    pub fn new(endpoint: &str, service: &str) -> Result<Self, ExporterError> {
        let uri: http::Uri =
            endpoint.parse().map_err(|error: http::uri::InvalidUri| ExporterError(error.to_string()))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(ExporterError("it does not begin with http:// or https://".to_owned()));
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OtlpClient::new())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build()
            .map_err(|error| ExporterError(error.to_string()))?;
        let limits = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_SPANS)
            .with_max_export_batch_size(SPANS_PER_MESSAGE);
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(limits.build()).build();
        let resource = Resource::builder()
            .with_service_name(service.to_owned())
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("confgit");
        Ok(Exporter { provider, tracer })
    }

    /// What hands spans over; to be made part of the program's subscriber. Events are left out: they are the
    /// log's.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let layer: OpenTelemetryLayer<S, SdkTracer> = tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_tracer(self.tracer.clone());
        layer.with_filter(Targets::new().with_target(TARGET, LevelFilter::TRACE))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // The client has logged why, where it did not work.
        let _ = self.provider.shutdown_with_timeout(FAREWELL);
    }
}
