use std::process::Command;

use super::*;
use crate::domain::{Batch, Status, Timestamp};
use crate::io::ingest::trial;
use crate::node::Wanted;

const METRICS: &[&str] = &[
    "cpu_usage",
    "load_1m",
    "load_per_cpu",
    "memory_usage",
    "swap_usage",
    "disk_usage",
    "disk_read_mb_per_s",
    "disk_write_mb_per_s",
    "network_in_kbps",
    "network_out_kbps",
    "temperature_celsius",
    "process_count",
    "thread_count",
    "uptime_seconds",
];

fn open(text: &str) -> Box<dyn Reader> {
    let wanted = Wanted { metrics: METRICS.iter().map(|name| name.to_string()).collect() };
    trial::build::<IngestHost>(text).unwrap().open(&Pass::anew("telemetry", &wanted)).unwrap()
}

fn value(batch: &Batch, metric: &str) -> Option<f64> {
    let column = batch.metrics.iter().find(|m| &*m.name == metric)?;
    column.values.first().copied().filter(|value| !value.is_nan())
}

/// The first record of one disk.
fn batch_of(disk: &str) -> Batch {
    trial::until_batch(&mut *open(&format!("disks = ['{disk}']")))
}

/// Keeps every processor busy until dropped.
struct Busy(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Busy {
    fn start() -> Busy {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            let stop = stop.clone();
            std::thread::spawn(move || while !stop.load(std::sync::atomic::Ordering::Relaxed) {});
        }
        Busy(stop)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn the_config_is_checked() {
    let fault = |text: &str| trial::build::<IngestHost>(text).err().unwrap();
    assert_eq!(
        fault("every = '50ms'"),
        ["g.toml:1:9: AG0005: the use of processors cannot be measured more often than every 200ms"]
    );
    assert_eq!(fault("services = 'nginx'").len(), 1);
    let source = trial::build::<IngestHost>("").unwrap();
    assert!(source.is_live() && !source.can_be_reread());
    let wanted = Wanted::default();
    let missing = |text: &str| {
        let source = trial::build::<IngestHost>(text).unwrap();
        source.open(&Pass::anew("telemetry", &wanted)).err().unwrap().to_string()
    };
    assert_eq!(missing("disks = ['/no/such']"), "AG0101: no disk is mounted at `/no/such`");
    assert_eq!(missing("interfaces = ['nix0']"), "AG0101: there is no network interface `nix0`");
}

#[test]
fn this_machine_is_read_right_from_the_first_record() {
    let _busy = Busy::start();
    let begun = Instant::now();
    let mut reader = open("every = '250ms'\nhost = 'here'");
    let first = trial::until_batch(&mut *reader);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    println!("first record after {:?}: {first:?}", begun.elapsed());
    assert_eq!((first.len(), &*first.entities[0]), (1, "here"));
    assert!(value(&first, "cpu_usage").unwrap() > 75.0, "all processors are busy: {first:?}");
    for metric in ["memory_usage", "disk_usage", "swap_usage", "cpu_usage"] {
        assert!(value(&first, metric).is_none_or(|v| (0.0..=100.0).contains(&v)), "{metric}: {first:?}");
    }
    assert!(value(&first, "memory_usage").unwrap() > 0.0);
    assert!(value(&first, "process_count").unwrap() >= 1.0);
    if cfg!(target_os = "linux") {
        let programs = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
            let flags: u64 = stat.rsplit_once(") ")?.1.split(' ').nth(6)?.parse().ok()?;
            (flags & 0x0020_0000 == 0).then_some(()) // PF_KTHREAD
        });
        let programs = programs.count() as f64;
        assert!((value(&first, "process_count").unwrap() - programs).abs() < 10.0, "{programs} {first:?}");
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        let uptime: f64 = read("/proc/uptime").split(' ').next().unwrap().parse().unwrap();
        assert!((value(&first, "uptime_seconds").unwrap() - uptime).abs() < 3.0);
        let df = String::from_utf8(Command::new("df").args(["--output=pcent", "/"]).output().unwrap().stdout).unwrap();
        let df: f64 = df.lines().last().unwrap().trim().trim_end_matches('%').parse().unwrap();
        let disk = value(&batch_of("/"), "disk_usage").unwrap();
        assert!((disk - df).abs() <= 1.0, "{disk} {df}");
        let load: f64 = read("/proc/loadavg").split(' ').next().unwrap().parse().unwrap();
        assert!((value(&first, "load_1m").unwrap() - load).abs() < 1.0);
        assert!(value(&first, "thread_count").unwrap() >= value(&first, "process_count").unwrap());
        let kib = |name: &str| -> f64 {
            let line = read("/proc/meminfo").lines().find(|line| line.starts_with(name)).unwrap().to_string();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let used = 100.0 * (1.0 - kib("MemAvailable:") / kib("MemTotal:"));
        assert!((value(&first, "memory_usage").unwrap() - used).abs() < 5.0, "{used} {first:?}");
    }
    let mut times = vec![first.times[0]];
    while times.len() < 4 {
        times.extend(trial::until_batch(&mut *reader).times);
    }
    let gaps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| (150_000..2_000_000).contains(gap)), "{gaps:?}");
    let record = reader.record();
    assert_eq!((record.records, record.bad, record.entities, record.faults.len()), (4, 0, 1, 0));
    assert!((now().micros() - record.last.map(Timestamp::micros).unwrap()).abs() < 2_000_000);
    assert_eq!(reader.position(), None);
}

#[test]
fn traffic_is_counted_per_second() {
    let name = if cfg!(target_os = "linux") { "lo" } else { return println!("skipped: not on Linux") };
    let mut reader = open(&format!("every = '500ms'\ninterfaces = ['{name}']"));
    trial::until_batch(&mut *reader);
    // 2 MB through the loopback within the next half second, which is 32,000 kilobits a second.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sent = std::thread::spawn(move || {
        use std::io::Write;
        std::net::TcpStream::connect(address).unwrap().write_all(&vec![0; 2_000_000]).unwrap();
    });
    std::io::copy(&mut listener.accept().unwrap().0, &mut std::io::sink()).unwrap();
    sent.join().unwrap();
    let batch = trial::until_batch(&mut *reader);
    let kbps = value(&batch, "network_in_kbps").unwrap();
    assert!((20_000.0..100_000.0).contains(&kbps), "{kbps}");
}

#[test]
fn a_service_runs_or_does_not() {
    if !cfg!(target_os = "linux") {
        return println!("skipped: not on Linux");
    }
    // A program of its own name, so that no other process is taken for it.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("agent-test-service-0815");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let mut child = Command::new(&program).arg("60").spawn().unwrap();
    let mut reader = open("every = '200ms'\nservices = ['agent-test-service-0815', 'agent-test-none']");
    let status =
        |batch: &Batch, service: &str| batch.services.iter().find(|s| &*s.name == service).map(|s| s.levels[0]);
    let batch = trial::until_batch(&mut *reader);
    assert_eq!(status(&batch, "agent-test-service-0815"), Some(Status::Online.level()));
    assert_eq!(status(&batch, "agent-test-none"), Some(Status::Offline.level()));
    child.kill().unwrap(); // and is a zombie from now on
    let deadline = Instant::now() + Duration::from_secs(5);
    while status(&trial::until_batch(&mut *reader), "agent-test-service-0815") != Some(Status::Offline.level()) {
        assert!(Instant::now() < deadline);
    }
    child.wait().unwrap();
}

#[test]
fn a_slow_consumer_gets_fewer_records_and_is_never_kept_waiting() {
    let mut reader = open("every = '200ms'");
    trial::until_batch(&mut *reader);
    std::thread::sleep(Duration::from_millis(900));
    let mut records = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        let asked = Instant::now();
        records += u64::from(matches!(reader.next().unwrap(), Next::Batch(_)));
        assert!(asked.elapsed() < PATIENCE * 5, "{:?}", asked.elapsed());
    }
    assert!((1..=5).contains(&records), "{records} records: what was missed is not made up for");
}
