use std::cmp::Ordering;
use std::collections::HashSet;

use crate::domain::Anomaly;

/// The order of a report: severity, then distance from the threshold relative to it, both falling, then name.
pub fn report_order(a: &Anomaly, b: &Anomaly) -> Ordering {
    b.severity.cmp(&a.severity).then_with(|| distance(b).total_cmp(&distance(a))).then_with(|| a.name.cmp(&b.name))
}

/// The anomalies that a report has, in its order: of each name the first, which is the worse one, since several detectors
/// may have judged one series and a report says one thing of it; and none of an episode that is over.
pub fn one_per_series(mut anomalies: Vec<Anomaly>) -> Vec<Anomaly> {
    anomalies.retain(|anomaly| !anomaly.is_over());
    anomalies.sort_by(report_order);
    let mut seen = HashSet::new();
    let first: Vec<bool> = anomalies.iter().map(|anomaly| seen.insert(anomaly.name.as_str())).collect();
    let mut first = first.into_iter();
    anomalies.retain(|_| first.next().unwrap_or(true));
    anomalies
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Severity;

    #[test]
    fn of_one_series_the_worse_is_kept() {
        let [low, high, other] =
            [("cpu@a", 75.0, Severity::Low), ("cpu@a", 95.0, Severity::High), ("cpu@b", 76.0, Severity::Low)]
                .map(|(name, value, severity)| Anomaly::example(name, value, severity));
        let expected = vec![high.clone(), other.clone()];
        assert_eq!(one_per_series(vec![low.clone(), other.clone(), high.clone(), low.clone()]), expected);
        assert_eq!(one_per_series(vec![high, low.clone(), other, low]), expected);
        assert_eq!(one_per_series(vec![]), vec![]);
    }
}
