use std::cmp::Ordering;

use crate::domain::Anomaly;

/// The order of a report: severity, then distance from the threshold relative to it, both falling, then name.
pub fn report_order(a: &Anomaly, b: &Anomaly) -> Ordering {
    b.severity.cmp(&a.severity).then_with(|| distance(b).total_cmp(&distance(a))).then_with(|| a.name.cmp(&b.name))
}

/// |value − threshold| / |threshold| in billionths, of the figures that the report shows; infinite where the threshold
/// is zero. Rounded, so that 99 over 90 and 0.11 over 0.1 are equally far.
fn distance(anomaly: &Anomaly) -> f64 {
    let threshold = anomaly.threshold.get();
    if threshold == 0.0 {
        return f64::INFINITY;
    }
    // Divided first: the difference of two huge figures of unlike sign would overflow.
    ((anomaly.value.get() / threshold - 1.0).abs() * 1e9).round()
}
