//! Everything that touches the world: sources, models, journals, outputs; and the node kinds that do, in [`KINDS`].
//! Must not know graphs, the engine or the pure kinds.

pub mod append;
pub mod atomic;
pub mod decode;
pub mod environment;
pub mod files;
pub(crate) mod http;
pub mod ingest;
pub mod journal;
pub mod llm;
pub mod otel;
pub mod output;
pub mod replies;
pub mod state;
pub mod store;

use crate::node::Kind;

/// The kinds that touch the world.
pub const KINDS: &[Kind] = &[
    Kind::source::<ingest::file::IngestFile>(),
    Kind::source::<ingest::host::IngestHost>(),
    Kind::source::<ingest::listen::IngestListen>(),
    Kind::source::<ingest::poll::IngestPoll>(),
    Kind::source::<ingest::prometheus::IngestPrometheus>(),
    Kind::sink::<store::OutputMeasurements>(),
    Kind::task::<output::file::OutputFile>(),
    Kind::task::<output::notify::Notify>(),
    Kind::task::<store::OutputStore>(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manuals_describe_every_key() {
        for kind in KINDS {
            let config = (kind.config)(&mut schemars::SchemaGenerator::default()).to_value();
            let example = format!("kind = \"{}\"", kind.name);
            assert!(
                config["description"].as_str().unwrap().contains(&example) || kind.name.starts_with("output."),
                "{example}"
            );
            for (key, property) in config["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{}: {key}", kind.name);
            }
        }
    }
}
