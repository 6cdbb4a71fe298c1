use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Map, Value};
use sysinfo::{
    Components, CpuRefreshKind, Disk, Disks, Error, MemoryRefreshKind, Networks, ProcessRefreshKind, ProcessStatus,
    ProcessesToUpdate, System,
};

use super::Config;
use crate::diagnostic::{Diagnostic, codes::input};
use crate::domain::Timestamp;

pub const TIME: &str = "timestamp";
pub const HOST: &str = "host";
pub const STATUSES: &str = "service_status";

/// How the names of bridges, tunnels and the virtual ends of containers begin.
const VIRTUAL: &[&str] =
    &["docker", "veth", "br-", "virbr", "vnet", "cni", "flannel", "cali", "tun", "tap", "wg", "dummy", "utun"];
/// As much of a program's name as Linux keeps.
const SHORT_NAME: usize = 15;

/// This machine, and when it was looked at last.
pub struct Machine {
    name: String,
    services: Vec<String>,
    mount_points: Option<Vec<PathBuf>>,
    interfaces: Option<Vec<String>>,
    system: System,
    /// What the system does not have is left out.
    disks: Option<Disks>,
    networks: Option<Networks>,
    components: Option<Components>,
    looked: Instant,
}

impl Machine {
    /// Looks at it for the first time.
    ///
    /// # Errors
    /// AG0101: the system cannot be asked, or has no disk or interface of a name that the config has.
    pub fn open(config: &Config) -> Result<Machine, Diagnostic> {
        let fault = |what: String, help: String| Diagnostic::new(input::MISSING, what).help(help);
        let unusable = |error: Error| {
            let help = "use another source: the system does not tell of itself";
            fault(format!("this machine cannot be read: {error}"), help.to_string())
        };
        let mut machine = Machine {
            name: config.host.clone().or_else(|| System::host_name().ok()).unwrap_or_else(|| "localhost".to_string()),
            services: config.services.clone(),
            mount_points: config.disks.as_ref().map(|disks| disks.iter().map(PathBuf::from).collect()),
            interfaces: config.interfaces.clone(),
            system: System::new().map_err(unusable)?,
            disks: Disks::new_with_refreshed_list().ok(),
            networks: Networks::new_with_refreshed_list().ok(),
            components: Components::new_with_refreshed_list().ok(),
            looked: Instant::now(),
        };
        let there: Vec<String> =
            machine.disks.iter().flatten().map(|disk| disk.mount_point().display().to_string()).collect();
        if let Some(missing) = config.disks.iter().flatten().find(|disk| !there.contains(disk)) {
            let help = format!("there are {}", there.join(", "));
            return Err(fault(format!("no disk is mounted at `{missing}`"), help));
        }
        let there: Vec<_> = machine.networks.iter().flatten().map(|(name, _)| name.to_string_lossy()).collect();
        if let Some(missing) = config.interfaces.iter().flatten().find(|name| !there.iter().any(|there| there == *name))
        {
            let help = format!("there are {}", there.join(", "));
            return Err(fault(format!("there is no network interface `{missing}`"), help));
        }
        machine.refresh();
        Ok(machine)
    }

    /// Looks at it and says what it sees, as a record of this time.
    pub fn look(&mut self, time: Timestamp) -> Value {
        let seconds = self.looked.elapsed().as_secs_f64();
        self.refresh();
        let mut record = Map::new();
        // What is not known, or no number, is left out; no figure here is exact beyond three digits.
        let mut put = |name: &str, value: Option<f64>| {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                record.insert(name.to_string(), ((value * 1e3).round() / 1e3).into());
            }
        };
        put("cpu_usage", Some(f64::from(self.system.global_cpu_usage())));
        let load = System::load_average().ok().filter(|_| !cfg!(windows)).map(|load| load.one);
        put("load_1m", load);
        put("load_per_cpu", load.map(|load| load / self.system.cpus().len() as f64));
        put("memory_usage", percent(self.system.used_memory(), self.system.total_memory()));
        put("swap_usage", percent(self.system.used_swap(), self.system.total_swap()));
        let disks = self.counted_disks();
        put("disk_usage", disks.iter().filter_map(|disk| usage(disk)).reduce(f64::max));
        if disks.iter().any(|disk| disk.usage().total_read_bytes > 0) {
            let rate = |bytes: u64| bytes as f64 / 1e6 / seconds;
            put("disk_read_mb_per_s", Some(rate(disks.iter().map(|disk| disk.usage().read_bytes).sum())));
            put("disk_write_mb_per_s", Some(rate(disks.iter().map(|disk| disk.usage().written_bytes).sum())));
        }
        if let Some((received, sent)) = self.traffic() {
            let rate = |bytes: u64| bytes as f64 * 8.0 / 1e3 / seconds;
            put("network_in_kbps", Some(rate(received)));
            put("network_out_kbps", Some(rate(sent)));
        }
        let sensors = self.components.iter().flatten();
        let hottest = sensors.filter_map(|sensor| sensor.temperature()).filter(|t| t.is_finite()).reduce(f32::max);
        put("temperature_celsius", hottest.map(f64::from));
        let programs = self.system.processes().values().filter(|process| process.thread_kind().is_none());
        put("process_count", Some(programs.count() as f64));
        put("thread_count", threads().map(|threads| threads as f64));
        put("uptime_seconds", System::uptime().ok().map(|uptime| uptime as f64));
        record.insert(TIME.to_string(), time.to_string().into());
        record.insert(HOST.to_string(), self.name.clone().into());
        if !self.services.is_empty() {
            record.insert(STATUSES.to_string(), self.statuses().into());
        }
        record.into()
    }

    fn refresh(&mut self) {
        self.system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        self.system.refresh_memory_specifics(MemoryRefreshKind::everything());
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing().without_tasks(),
        );
        if let Some(disks) = &mut self.disks {
            disks.refresh(true);
        }
        if let Some(networks) = &mut self.networks {
            networks.refresh(true);
        }
        if let Some(components) = &mut self.components {
            components.refresh(true);
        }
        self.looked = Instant::now();
    }

    /// Those that the config names, or all that can fill up; a disk that is mounted twice once.
    fn counted_disks(&self) -> Vec<&Disk> {
        let mut seen = BTreeSet::new();
        let counted = self.disks.iter().flatten().filter(|disk| match &self.mount_points {
            Some(named) => named.iter().any(|path| path == disk.mount_point()),
            None => !disk.is_read_only() && disk.total_space() > 0,
        });
        counted.filter(|disk| seen.insert(disk.name().to_os_string())).collect()
    }

    /// Bytes received and sent since the last look; `None` where there is no network.
    fn traffic(&self) -> Option<(u64, u64)> {
        let counted = self.networks.iter().flatten().filter(|(name, _)| match &self.interfaces {
            Some(named) => named.iter().any(|named| name.as_os_str() == named.as_str()),
            None => !is_virtual(&name.to_string_lossy()),
        });
        let bytes = counted.map(|(_, data)| (data.received(), data.transmitted()));
        bytes.reduce(|a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1)))
    }

    fn statuses(&self) -> Map<String, Value> {
        let alive = self.system.processes().values();
        let alive = alive.filter(|process| !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead));
        let names: BTreeSet<&OsStr> = alive.map(|process| process.name()).collect();
        let status = |service: &String| {
            let runs = names.iter().any(|name| is_named(&name.to_string_lossy(), service));
            (service.clone(), Value::from(if runs { "online" } else { "offline" }))
        };
        self.services.iter().map(status).collect()
    }
}

/// As `df` reckons: of what users could fill, since a part of a disk may be kept for the system.
#[cfg(unix)]
fn usage(disk: &Disk) -> Option<f64> {
    let space = rustix::fs::statvfs(disk.mount_point()).ok()?;
    let used = space.f_blocks.saturating_sub(space.f_bfree);
    percent(used, used.saturating_add(space.f_bavail))
}

#[cfg(not(unix))]
fn usage(disk: &Disk) -> Option<f64> {
    let total = disk.total_space();
    percent(total.saturating_sub(disk.available_space()), total)
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64 * 100.0)
}

/// Whether what passes an interface passes another one too, or never leaves the machine.
fn is_virtual(interface: &str) -> bool {
    matches!(interface, "lo" | "lo0") || VIRTUAL.iter().any(|prefix| interface.starts_with(prefix))
}

/// Whether a process is the program of this name; Linux keeps only the beginning of it.
fn is_named(process: &str, program: &str) -> bool {
    let process = process.strip_suffix(".exe").unwrap_or(process);
    process == program || (process.len() == SHORT_NAME && program.starts_with(process))
}

/// Threads of the machine, as the kernel counts them.
fn threads() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    threads_of(&std::fs::read_to_string("/proc/loadavg").ok()?)
}

/// `0.08 0.65 0.70 2/93 26139`: two of 93 run.
fn threads_of(loadavg: &str) -> Option<u64> {
    loadavg.split(' ').nth(3)?.split_once('/')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_cut() {
        for (process, program, expected) in [
            ("nginx", "nginx", true),
            ("nginx.exe", "nginx", true),
            ("nginx", "nginx-agent", false),
            ("systemd-resolve", "systemd-resolved", true),
            ("systemd-resolve", "systemd-resolve", true),
            ("postgres", "postgre", false),
        ] {
            assert_eq!(is_named(process, program), expected, "{process} {program}");
        }
        assert_eq!(threads_of("0.08 0.65 0.70 2/93 26139\n"), Some(93));
        assert_eq!(threads_of(""), None);
    }

    #[test]
    fn shares_of_nothing_are_unknown() {
        assert_eq!((percent(1, 4), percent(0, 0)), (Some(25.0), None));
    }
}
