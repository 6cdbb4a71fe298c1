//! The nouns of operations telemetry. Knows nothing of graphs, engines, files or models.

mod anomaly;
mod batch;
mod charts;
mod completeness;
mod delivery;
mod evidence;
mod figure;
mod incident;
mod language;
mod recommendation;
mod report;
mod run;
mod span;
mod status;
mod summary;
mod time;
mod usage;
mod window;

pub use anomaly::{Anomaly, Aspect, Bands, Counts, Episode, Phase, Sample, Severity, Stretch};
pub use batch::{Batch, MetricColumn, NO_ENTITY, NO_STATUS, Rejected, StatusColumn};
pub use charts::{ChartBands, ChartBucket, ChartSeries, Charts};
pub use completeness::{Completeness, EntityCompleteness, Gap};
pub use delivery::{Delivery, DeliveryOutcome};
pub use evidence::{Cause, Deviation, Evidence, Margin, Operand, Reckoning, StatusChange, View};
pub use figure::Figure;
pub use incident::Incident;
pub use language::Language;
pub use recommendation::{Fact, FactValue, Parameter, Recommendation, WordingSource, Words};
pub use report::{Report, ReportAnomaly, ReportRecommendation};
pub use run::{
    Fault, FaultExample, InputRecord, Insufficient, ModelCall, ModelIdentity, Note, RunRecord, RunStatus, Stored,
    TaskOutcome, TaskRecord, WordingRecord,
};
pub use span::{Span, Wait};
pub use status::{ServiceState, ServiceSummary, Status};
pub use summary::{Coverage, Insights, Stat, Summary};
pub use time::Timestamp;
pub use usage::Usage;
pub use window::{ClosedBy, Position, WindowRecord, WindowSpan};
