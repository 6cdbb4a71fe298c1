//! What the tests of sources share.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use toml::Spanned;
use toml::de::DeValue;

use super::remote::Pace;
use crate::diagnostic::{SourceFile, decode, parse_toml};
use crate::domain::{Batch, InputRecord, Language};
use crate::io::files::GraphFolder;
use crate::node::{Assets, Next, Reader, Source};

pub const PACE: Pace = Pace { first: Duration::from_millis(20), longest: Duration::from_millis(100) };

/// The source of a config, or what is wrong with it.
pub fn build<S: Source>(text: &str) -> Result<S, Vec<String>> {
    let source = SourceFile::new("g.toml", text);
    let files = GraphFolder::of("g.toml".as_ref());
    let table = parse_toml(&source).unwrap();
    let value = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
    let told = |faults: Vec<crate::diagnostic::Diagnostic>| faults.iter().map(|f| f.to_string()).collect::<Vec<_>>();
    let config = decode(value, &source).map_err(told)?;
    S::new(config, &Assets::new(Language::En, &source, &files)).map_err(told)
}

/// To the end of a finite source.
pub fn read_all(mut reader: Box<dyn Reader>) -> (Vec<Batch>, InputRecord) {
    let mut batches = Vec::new();
    loop {
        match reader.next().unwrap() {
            Next::Batch(batch) => batches.push(batch),
            Next::Idle => panic!("a finite source is never idle"),
            Next::End => return (batches, reader.record()),
        }
    }
}

/// The next batch of a live source.
pub fn until_batch(reader: &mut dyn Reader) -> Batch {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(120) {
        match reader.next().unwrap() {
            Next::Batch(batch) => return batch,
            Next::Idle => {}
            Next::End => panic!("it has ended"),
        }
    }
    panic!("nothing came: {:?}", reader.record());
}

/// What ends the reading.
pub fn until_fault(mut reader: Box<dyn Reader>) -> String {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(120) {
        match reader.next() {
            Err(fault) => return fault.to_string(),
            Ok(Next::End) => panic!("it ended without a fault"),
            Ok(_) => {}
        }
    }
    panic!("it goes on: {:?}", reader.record());
}

/// Stops the process when dropped.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `None` where it is not installed.
pub fn start(program: &str, arguments: &[String]) -> Option<Running> {
    let child = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.ok().map(Running)
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
