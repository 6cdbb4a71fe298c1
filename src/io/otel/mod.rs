//! Spans to an OpenTelemetry collector, by OTLP over HTTP. Without an endpoint in the environment nothing is built.
//!
//! - `settings`: the standard's variables, `.env` included, which the SDK would not see.
//! - `sender`: how a batch gets there. A thread of the SDK's own sends; nobody waits for it but [`Telemetry::finish`].
//!
//! Whoever makes spans finds the [`Sink`] in the current context, and none where nothing is traced.

mod sender;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanBuilder, TraceContextExt, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider};

use self::sender::{Deliveries, Exporter};
use self::settings::Settings;
use super::llm::Environment;
use crate::diagnostic::Diagnostic;

/// The end of a process waits for its spans no longer than this.
pub const LONGEST_END: Duration = Duration::from_secs(2);

/// What attributes hold of a text that others wrote, in bytes.
const LONGEST_TEXT: usize = 32 << 10;

/// Takes spans, and sends them on.
pub struct Telemetry {
    provider: SdkTracerProvider,
    sink: Sink,
    parent: Context,
    deliveries: Arc<Deliveries>,
}

impl Telemetry {
    /// `None` where no endpoint is named, or the standard's variables switch spans off. Touches no network.
    ///
    /// # Errors
    /// AG0340: a variable that cannot be used.
    pub fn from_environment(environment: &Environment) -> Result<Option<Telemetry>, Diagnostic> {
        let Some(settings) = Settings::from_environment(environment)? else { return Ok(None) };
        let content = settings.content;
        let parent = parent(environment);
        let resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes(settings.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())))
            .build();
        let deliveries = Arc::new(Deliveries::to(&settings));
        let exporter = Exporter::new(settings, deliveries.clone())?;
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).build())
            .with_resource(resource)
            .build();
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION"));
        let sink = Sink { tracer: provider.tracer_with_scope(scope.build()), content };
        Ok(Some(Telemetry { provider, sink, parent, deliveries }))
    }

    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// The span that this process is a part of, by `TRACEPARENT`; an empty context where there is none.
    pub fn parent(&self) -> &Context {
        &self.parent
    }

    /// Sends what is left, within [`LONGEST_END`].
    pub fn finish(&self) {
        match self.provider.shutdown_with_timeout(LONGEST_END) {
            Ok(()) | Err(OTelSdkError::AlreadyShutdown) => {}
            Err(_) => self.deliveries.failed(&format!("they did not get there within {LONGEST_END:?}")),
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.finish(); // once it is done, this does nothing
    }
}

fn parent(environment: &Environment) -> Context {
    let names = [("traceparent", "TRACEPARENT"), ("tracestate", "TRACESTATE")];
    let carried: HashMap<String, String> = names
        .into_iter()
        .filter_map(|(key, variable)| Some((key.to_string(), environment.get(variable)?.trim().to_string())))
        .collect();
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carried)
}

/// Where spans go, and whether they may hold what was asked and answered. Travels in a [`Context`].
#[derive(Clone)]
pub struct Sink {
    tracer: SdkTracer,
    pub content: bool,
}

impl Sink {
    /// That of the current context, and the context.
    pub fn current() -> Option<(Sink, Context)> {
        Context::map_current(|cx| Some((cx.get::<Sink>()?.clone(), cx.clone())))
    }

    /// Starts a span under this context; the context for what happens in it.
    pub fn start(&self, span: SpanBuilder, parent: &Context) -> Context {
        let span = span.start_with_context(&self.tracer, parent);
        parent.with_span(span).with_value(self.clone())
    }
}

/// Notes that something happened in the current span, if there is one.
pub fn event<const N: usize>(name: &'static str, attributes: impl FnOnce() -> [KeyValue; N]) {
    Context::map_current(|cx| {
        if cx.has_active_span() {
            cx.span().add_event(name, attributes().to_vec());
        }
    });
}

/// Not more of the text than an attribute is to hold.
pub fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST_TEXT);
    let (kept, left) = text.split_at(end);
    if left.is_empty() { kept.to_string() } else { format!("{kept}… ({} more bytes)", left.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_endpoint_nothing_is_built() {
        for pairs in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "x")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1"), ("OTEL_SDK_DISABLED", "true")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1"), ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            let environment = Environment::from_pairs(pairs.iter().copied());
            assert!(Telemetry::from_environment(&environment).unwrap().is_none(), "{pairs:?}");
        }
        assert!(Sink::current().is_none());
    }

    #[test]
    fn the_parent_is_the_span_that_the_environment_names() {
        let of = |text: &str| parent(&Environment::from_pairs([("TRACEPARENT", text)])).span().span_context().clone();
        let named = of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(named.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(named.is_sampled());
        for broken in ["", "oops", "00-0-0-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert!(!of(broken).is_valid(), "{broken}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(bounded("né"), "né");
        let long = "é".repeat(LONGEST_TEXT);
        let cut = bounded(&long);
        assert!(cut.len() < LONGEST_TEXT + 40 && cut.ends_with(&format!("… ({LONGEST_TEXT} more bytes)")));
    }
}
