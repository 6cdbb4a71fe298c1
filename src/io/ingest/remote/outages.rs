use std::time::Instant;

use crate::diagnostic::codes::input;
use crate::domain::{Fault, FaultExample, Timestamp};

/// How many outages are told of; all are counted.
const EXAMPLES: usize = 20;

/// The times in which a source was away. Each is logged when it begins and when it ends.
pub(super) struct Outages {
    /// Name of the source's node, and what it reads.
    node: String,
    reads: String,
    count: u64,
    examples: Vec<FaultExample>,
    open: Option<Outage>,
}

struct Outage {
    began: Timestamp,
    since: Instant,
    why: String,
    tries: u32,
}

impl Outages {
    pub fn new(node: &str, reads: &str) -> Outages {
        let (node, reads) = (node.to_string(), reads.to_string());
        Outages { node, reads, count: 0, examples: Vec::new(), open: None }
    }

    /// A try failed. Says how many have in a row.
    pub fn failed(&mut self, why: &str, now: Timestamp) -> u32 {
        if let Some(outage) = &mut self.open {
            outage.tries += 1;
            tracing::debug!(node = self.node, tries = outage.tries, why, "still away");
            return outage.tries;
        }
        self.count += 1;
        tracing::warn!(node = self.node, "{} could not be read, and is tried again: {why}", self.reads);
        self.open = Some(Outage { began: now, since: Instant::now(), why: why.to_string(), tries: 1 });
        1
    }

    /// A try succeeded.
    pub fn over(&mut self) {
        let Some(Outage { began, since, why, tries }) = self.open.take() else { return };
        let seconds = since.elapsed().as_secs_f64();
        tracing::warn!(node = self.node, "{} is back after {seconds:.1} s", self.reads);
        if self.examples.len() < EXAMPLES {
            let tries = if tries == 1 { "1 failed try".to_string() } else { format!("{tries} failed tries") };
            let detail = format!("from {began}: {why}; back after {seconds:.1} s, {tries}");
            self.examples.push(FaultExample { row: self.count, detail });
        }
    }

    /// For the run record; an outage that lasts is the last example.
    pub fn fault(&self) -> Option<Fault> {
        let mut examples = self.examples.clone();
        if let Some(Outage { began, why, tries, .. }) = &self.open {
            examples.truncate(EXAMPLES - 1);
            let detail = format!("from {began}: {why}; still away, tried {tries} times");
            examples.push(FaultExample { row: self.count, detail });
        }
        let code = input::OUTAGE;
        (self.count > 0).then(|| Fault {
            code: code.id.to_string(),
            what: code.title.to_string(),
            count: self.count,
            examples,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_counts_once_and_is_told_of_while_it_lasts() {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let mut outages = Outages::new("telemetry", "http://x");
        outages.over();
        assert_eq!(outages.fault(), None);
        assert_eq!((outages.failed("refused", now), outages.failed("timed out", now)), (1, 2));
        let fault = outages.fault().unwrap();
        assert_eq!((fault.code.as_str(), fault.count), ("AG0130", 1));
        assert_eq!(fault.examples[0].detail, "from 2026-01-01T00:00:00Z: refused; still away, tried 2 times");
        outages.over();
        assert_eq!(
            outages.fault().unwrap().examples[0].detail,
            "from 2026-01-01T00:00:00Z: refused; back after 0.0 s, 2 failed tries"
        );
        for _ in 0..30 {
            outages.failed("again", now);
            outages.over();
        }
        outages.failed("the newest", now);
        let fault = outages.fault().unwrap();
        assert_eq!((fault.count, fault.examples.len()), (32, EXAMPLES));
        assert!(fault.examples.last().unwrap().detail.contains("the newest"));
    }
}
