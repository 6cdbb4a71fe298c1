//! The kind `ingest.host`.

mod machine;

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use self::machine::Machine;
use super::times::{Period, now};
use crate::diagnostic::{Diagnostic, codes};
use crate::domain::InputRecord;
use crate::io::decode::{Records, Schema};
use crate::node::{Assets, Next, PATIENCE, Pass, Reader, Source};

/// Reads this machine: one record every second, or as often as `every` says, with the host's name as its entity.
///
/// ```toml
/// [nodes.telemetry]
/// kind = "ingest.host"
/// every = "1s"
/// services = ["nginx", "postgres"]
/// ```
///
/// | Metric | What it is |
/// |---|---|
/// | `cpu_usage` | % of the time of all processors since the record before; waiting for disks is idle time |
/// | `load_1m`, `load_per_cpu` | tasks that run or want to, over a minute; the same per processor (not on Windows) |
/// | `memory_usage`, `swap_usage` | % of the memory that programs cannot have any more; % of the swap space |
/// | `disk_usage` | % as `df` shows it, of the fullest of the file systems that can be written, or of `disks` |
/// | `disk_read_mb_per_s`, `disk_write_mb_per_s` | 10⁶ bytes a second, of the same disks |
/// | `network_in_kbps`, `network_out_kbps` | 1000 bits a second, of the network cards, or of `interfaces` |
/// | `temperature_celsius` | of the hottest sensor |
/// | `process_count`, `thread_count` | programs that run, without the kernel's own; threads, with those (Linux) |
/// | `uptime_seconds` | since the machine was started |
///
/// What the system does not tell is left out of the record: a virtual machine has no temperature, a machine without swap
/// space no `swap_usage`. In a container the figures are mostly the host's. Loopback, bridges, tunnels and the virtual ends
/// of containers are no network cards here, since their traffic would count twice.
///
/// A service is `online` while a process of that name runs, else `offline`. The name is that of the program as `ps -e`
/// shows it; a script mostly runs under the name of its interpreter.
///
/// The first record comes after a quarter of a second. A consumer that is slow gets fewer records, each over a longer time:
/// nothing is queued. What was not measured is gone, so this source cannot be read again; after a restart it goes on from
/// then.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Distance of the records; `"1s"` by default, `"200ms"` at the least.
    #[serde(default = "every_second")]
    #[schemars(with = "Period")]
    pub every: Spanned<Period>,
    /// Names of programs whose state is told.
    #[serde(default)]
    pub services: Vec<String>,
    /// Mount points that count for `disk_…`; left out, all file systems on disks that can be written.
    #[serde(default)]
    pub disks: Option<Vec<String>>,
    /// Network interfaces that count for `network_…`; left out, all network cards.
    #[serde(default)]
    pub interfaces: Option<Vec<String>>,
    /// Name of the host in the records; left out, the machine's own.
    #[serde(default)]
    pub host: Option<String>,
}

fn every_second() -> Spanned<Period> {
    Spanned::new(0..0, Period(Duration::from_secs(1)))
}

/// What record and messages call it.
const READS: &str = "this machine";

/// The source.
pub struct IngestHost {
    config: Config,
}

impl Source for IngestHost {
    const KIND: &'static str = "ingest.host";
    const VERSION: u32 = 1;
    type Config = Config;

    fn new(config: Config, assets: &Assets<'_>) -> Result<IngestHost, Vec<Diagnostic>> {
        if config.every.get_ref().0 < sysinfo::MINIMUM_CPU_UPDATE_INTERVAL {
            let least = sysinfo::MINIMUM_CPU_UPDATE_INTERVAL;
            let what = format!("the use of processors cannot be measured more often than every {least:?}");
            let span = config.every.span();
            return Err(vec![Diagnostic::new(codes::graph::WRONG_TYPE, what).at(assets.source(), span)]);
        }
        Ok(IngestHost { config })
    }

    fn open(&self, pass: &Pass<'_>) -> Result<Box<dyn Reader>, Diagnostic> {
        let machine = Machine::open(&self.config)?;
        let schema = Schema {
            timestamp: machine::TIME.to_string(),
            entity: vec![machine::HOST.to_string()],
            statuses: machine::STATUSES.to_string(),
            ..Schema::default()
        };
        Ok(Box::new(HostReader {
            machine,
            node: pass.node.to_string(),
            records: Records::new(&schema, pass.wanted),
            // Rates need two looks; the first was at opening.
            due: Instant::now() + sysinfo::MINIMUM_CPU_UPDATE_INTERVAL,
            every: self.config.every.get_ref().0,
            bytes: 0,
        }))
    }

    fn can_be_reread(&self) -> bool {
        false
    }

    fn is_live(&self) -> bool {
        true
    }
}

struct HostReader {
    machine: Machine,
    node: String,
    records: Records,
    due: Instant,
    every: Duration,
    bytes: u64,
}

impl Reader for HostReader {
    fn next(&mut self) -> Result<Next, Diagnostic> {
        let wait = self.due.saturating_duration_since(Instant::now());
        std::thread::sleep(wait.min(PATIENCE));
        if wait > PATIENCE {
            return Ok(Next::Idle);
        }
        let record = self.machine.look(now()).to_string();
        self.bytes += record.len() as u64;
        self.records.push(record.as_bytes());
        // What was missed is left out, and the grid kept, but for what cannot be measured so soon after this one.
        let missed = self.due.elapsed().as_nanos() / self.every.as_nanos().max(1);
        self.due += self.every.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1));
        self.due = self.due.max(Instant::now() + sysinfo::MINIMUM_CPU_UPDATE_INTERVAL);
        Ok(self.records.take().map_or(Next::Idle, Next::Batch))
    }

    fn record(&self) -> InputRecord {
        InputRecord {
            node: self.node.clone(),
            path: READS.to_string(),
            format: "host".to_string(),
            bytes: self.bytes,
            ..self.records.record()
        }
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.bytes, None)
    }
}

#[cfg(test)]
mod tests;
