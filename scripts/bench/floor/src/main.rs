//! `floor parse FILE` parses a JSON file and says hello; `floor read FILE THREADS` only reads a file, in blocks of 1 MiB
//! dealt to threads; `floor spawn RUNS PROGRAM... -- PROGRAM...` starts two programs in turn and prints the medians.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["parse", file] => parse(file),
        ["read", file, threads] => read(file, threads.parse().expect("a number of threads")),
        ["spawn", runs, ..] => spawn(runs.parse().expect("a number of runs"), &arguments[2..]),
        _ => panic!("parse FILE | read FILE THREADS | spawn RUNS PROGRAM... -- PROGRAM..."),
    }
}

fn parse(file: &str) {
    let text = std::fs::read(file).expect("a file");
    let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    println!("hello, world of {} bytes and {} records", text.len(), value.as_array().map_or(1, Vec::len));
}

fn read(file: &str, threads: usize) {
    const BLOCK: u64 = 1 << 20;
    let file = File::open(file).expect("a file");
    let (next, total) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut block = vec![0; BLOCK as usize];
                loop {
                    let at = next.fetch_add(BLOCK, Ordering::Relaxed);
                    let got = file.read_at(&mut block, at).expect("bytes"); // a regular file fills the block but for its end
                    total.fetch_add(got as u64, Ordering::Relaxed);
                    if got == 0 {
                        break;
                    }
                }
            });
        }
    });
    println!("{total:?} bytes");
}

fn spawn(runs: usize, programs: &[String]) {
    let programs: Vec<&[String]> = programs.split(|word| word == "--").collect();
    let mut took: Vec<Vec<f64>> = vec![Vec::new(); programs.len()];
    for _ in 0..runs {
        for (program, took) in programs.iter().zip(&mut took) {
            let mut command = Command::new(&program[0]);
            command.args(&program[1..]).stdin(Stdio::null()).stdout(Stdio::null());
            let begun = Instant::now();
            let status = command.status().expect("a program");
            took.push(begun.elapsed().as_secs_f64() * 1e3);
            assert!(status.success(), "{program:?} failed");
        }
    }
    for (program, mut took) in programs.iter().zip(took) {
        took.sort_by(f64::total_cmp);
        println!("{:.3} ms median, {:.3} ms least: {}", took[took.len() / 2], took[0], program[0]);
    }
}
