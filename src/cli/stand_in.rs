//! What stands in for nodes that are not to run: in a test, in a replay.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::domain::{Batch, Timestamp};
use crate::node::{AnyFold, AnyTask, Cx, FoldValue, Gathered, TaskError, Wanted, Window};
use crate::port::BoxFuture;

/// Gives one value, whatever comes in.
pub struct Given(pub Box<RawValue>);

impl AnyFold for Given {
    fn wants(&self) -> Wanted {
        Wanted::default()
    }
    fn open(&self, _: Option<Timestamp>) -> Gathered {
        Box::new(()) as Box<dyn Any + Send>
    }
    fn push(&self, _: &mut Gathered, _: &Batch) {}
    fn close(&mut self, _: Gathered, _: &Window) -> Result<FoldValue, serde_json::Error> {
        Ok(FoldValue { json: self.0.clone(), is_alarm: false, notes: Vec::new() })
    }
    fn expects_records(&self) -> bool {
        false
    }
    fn save(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
    fn load(&mut self, _: &mut dyn Read, _: u64) -> io::Result<()> {
        Ok(())
    }
}

impl AnyTask for Given {
    fn run<'a>(&'a self, _: &'a RawValue, _: &'a Cx) -> BoxFuture<'a, Result<Box<RawValue>, TaskError>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
    fn fallback(&self, _: &RawValue) -> Option<Box<RawValue>> {
        None
    }
    fn writes(&self) -> Option<&str> {
        None
    }
    fn needs_in_windows(&self) -> Option<(&'static str, &'static str)> {
        None
    }
}

/// Gives what it is given: stands for an output node, which would tell the world of it.
pub struct Echo;

impl AnyTask for Echo {
    fn run<'a>(&'a self, input: &'a RawValue, _: &'a Cx) -> BoxFuture<'a, Result<Box<RawValue>, TaskError>> {
        Box::pin(std::future::ready(Ok(input.to_owned())))
    }
    fn fallback(&self, _: &RawValue) -> Option<Box<RawValue>> {
        None
    }
    fn writes(&self) -> Option<&str> {
        None
    }
    fn needs_in_windows(&self) -> Option<(&'static str, &'static str)> {
        None
    }
}

/// Gives what some of a node's tasks came to, and runs the others.
pub struct Journaled {
    pub task: Arc<dyn AnyTask>,
    /// By task, `node` or `node[item]`.
    pub outputs: BTreeMap<String, Box<RawValue>>,
}

impl AnyTask for Journaled {
    fn run<'a>(&'a self, input: &'a RawValue, cx: &'a Cx) -> BoxFuture<'a, Result<Box<RawValue>, TaskError>> {
        match self.outputs.get(&cx.task) {
            Some(output) => Box::pin(std::future::ready(Ok(output.clone()))),
            None => self.task.run(input, cx),
        }
    }
    fn fallback(&self, input: &RawValue) -> Option<Box<RawValue>> {
        self.task.fallback(input)
    }
    fn writes(&self) -> Option<&str> {
        self.task.writes()
    }
    fn needs_in_windows(&self) -> Option<(&'static str, &'static str)> {
        self.task.needs_in_windows()
    }
}
