//! What the values of a run tell beside its report.

use serde_json::value::RawValue;

use crate::cli::render::page::Known;
use crate::domain::{Anomaly, Charts, Completeness, Recommendation, RunRecord};
use crate::nodes::plan;

/// All that the values of the nodes of a run have to say. A value is what it can be read as.
pub fn known<'a>(record: Option<RunRecord>, values: impl Iterator<Item = &'a RawValue>) -> Known {
    let mut known = Known { record, ..Known::default() };
    for value in values {
        let text = value.get();
        if text.starts_with('[') {
            if let Ok(anomalies) = serde_json::from_str::<Vec<Anomaly>>(text) {
                known.anomalies.extend(anomalies);
            } else if let Ok(made) = serde_json::from_str::<Vec<Option<Recommendation>>>(text) {
                made.iter().flatten().for_each(|made| answer(&mut known, made));
            }
        } else if let Ok(made) = serde_json::from_str::<Recommendation>(text) {
            answer(&mut known, &made);
        } else if let Ok(plan) = serde_json::from_str::<plan::Plan>(text) {
            plan.recommendations.iter().for_each(|made| answer(&mut known, made));
        } else if let Ok(completeness) = serde_json::from_str::<Completeness>(text) {
            known.anomalies.extend(completeness.anomalies);
        } else if let Ok(charts) = serde_json::from_str::<Charts>(text) {
            // Of several nodes: a series that two of them have is drawn once.
            let is_new = |series: &_| !known.charts.series.contains(series);
            let more: Vec<_> = charts.series.into_iter().filter(is_new).collect();
            known.charts.series.extend(more);
            known.charts.left_out += charts.left_out;
        }
    }
    known
}

fn answer(known: &mut Known, made: &Recommendation) {
    let names = known.answers.entry(made.id.clone()).or_default();
    for name in &made.anomalies {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
}
