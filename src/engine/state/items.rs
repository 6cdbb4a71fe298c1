//! The items of nodes: how their values come together, and which tasks these lead to.
//!
//! A node with `each` over the whole of what another one with `each` makes *follows* it: it takes each item the moment that
//! is there. So a draft is judged while others are still written. What comes of it is the same as if it had waited for
//! the list.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::Duration;

use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use serde_json::value::RawValue;

use super::super::inputs::{inputs_of, item_of, list, null, whole_of};
use super::{Action, Diverged, Output, Run};
use crate::graph::Plan;

impl Run {
    /// An item of a node is there, and with it may be what is made of it.
    pub(super) fn item_ended(
        &mut self,
        plan: &Plan,
        (node, item): (usize, usize),
        output: Box<RawValue>,
        ready: &mut VecDeque<usize>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Diverged> {
        let state = self.nodes.get_mut(node).ok_or_else(|| Diverged("no such node".into()))?;
        if let Some(slot) = state.items.get_mut(item) {
            *slot = Some(output);
        }
        state.left = state.left.saturating_sub(1);
        let (is_open, left) = (state.is_open, state.left);
        if is_open {
            for follower in followers(plan, node) {
                if self.nodes.get(follower).is_some_and(|follower| follower.is_open) {
                    self.feed(plan, follower, item, ready, actions)?;
                }
            }
        }
        if left == 0 {
            self.gather(plan, node, ready)?;
        }
        Ok(())
    }

    /// All items of a node are there: its value is.
    fn gather(&mut self, plan: &Plan, node: usize, ready: &mut VecDeque<usize>) -> Result<(), Diverged> {
        let each = plan.nodes.get(node).is_some_and(|n| n.each);
        let items = self.nodes.get_mut(node).map(|s| std::mem::take(&mut s.items)).unwrap_or_default();
        let value = match each {
            true if self.is_taken(plan, node) => Output::Items(items, OnceLock::new()),
            true => Output::Text(list_of(&items).map_err(Diverged)?),
            false => Output::Text(items.into_iter().next().flatten().unwrap_or_else(null)),
        };
        self.finish(plan, node, value, ready)
    }

    /// Whether all who take from the node have been given its items one by one.
    fn is_taken(&self, plan: &Plan, node: usize) -> bool {
        let taken =
            followers(plan, node).filter(|&node| self.nodes.get(node).is_some_and(|state| state.is_open)).count();
        taken > 0 && taken == plan.dag.edges_directed(NodeIndex::new(node), Direction::Outgoing).count()
    }

    pub(super) fn finish(
        &mut self,
        plan: &Plan,
        node: usize,
        value: Output,
        ready: &mut VecDeque<usize>,
    ) -> Result<(), Diverged> {
        let state = self.nodes.get_mut(node).ok_or_else(|| Diverged("no such node".into()))?;
        if state.value.replace(value).is_some() {
            return Err(Diverged(format!("node {node} ended twice")));
        }
        let was_open = state.is_open;
        self.left = self.left.saturating_sub(1);
        // Whoever follows an open node stopped waiting when it was opened.
        self.let_go(plan, node, ready, |is_followed| !(is_followed && was_open));
        Ok(())
    }

    /// Tells those who take from the node, by edges of which `which` says so, that they need not wait for it any more.
    fn let_go(&mut self, plan: &Plan, node: usize, ready: &mut VecDeque<usize>, which: impl Fn(bool) -> bool) {
        for edge in plan.dag.edges_directed(NodeIndex::new(node), Direction::Outgoing) {
            let consumer = edge.target().index();
            let is_followed = plan.followed(consumer).is_some_and(|(port, _)| port.port == *edge.weight());
            if let Some(state) = self.nodes.get_mut(consumer).filter(|_| which(is_followed)) {
                state.missing = state.missing.saturating_sub(1);
                if state.missing == 0 {
                    ready.push_back(consumer);
                }
            }
        }
    }

    /// Demands the tasks of nodes that need not wait any more; an empty list finishes its node at once.
    pub(super) fn ready(
        &mut self,
        plan: &Plan,
        mut ready: VecDeque<usize>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Diverged> {
        while let Some(node) = ready.pop_front() {
            let followed = plan.followed(node).map(|(_, producer)| producer);
            let opened = match followed.filter(|&producer| !self.has_value(producer)) {
                Some(producer) => self.follow(plan, node, producer, &mut ready, actions)?,
                None => self.open(plan, node, &mut ready, actions)?,
            };
            if let Err(error) = opened {
                // Lists of unequal length cannot be zipped; the node fails as its `on_error` says.
                if let Some(state) = self.nodes.get_mut(node) {
                    (state.items, state.left) = (vec![None], 1);
                }
                let action = Action::GiveUp { node, item: None, attempt: 1, input: null().into(), error };
                self.demand((node, None), action, actions);
            }
        }
        Ok(())
    }

    /// All inputs are there. The inner error is why there are no items.
    fn open(
        &mut self,
        plan: &Plan,
        node: usize,
        ready: &mut VecDeque<usize>,
        actions: &mut Vec<Action>,
    ) -> Result<Result<(), String>, Diverged> {
        let Some(planned) = plan.nodes.get(node) else { return Ok(Ok(())) };
        let inputs = match inputs_of(&planned.inputs, planned.each, &|node| self.value(node)) {
            Ok(inputs) => inputs,
            Err(error) => return Ok(Err(error)),
        };
        let Some(state) = self.nodes.get_mut(node) else { return Ok(Ok(())) };
        state.items = inputs.iter().map(|input| input.is_none().then(null)).collect();
        state.left = inputs.iter().filter(|i| i.is_some()).count();
        if state.left == 0 {
            return self.gather(plan, node, ready).map(Ok);
        }
        state.is_open = true;
        for (item, input) in inputs.into_iter().enumerate() {
            let Some(input) = input else { continue };
            self.start_item((node, planned.each.then_some(item as u32)), input, actions);
        }
        self.let_go(plan, node, ready, |is_followed| is_followed);
        Ok(Ok(()))
    }

    /// All inputs are there but the list of the producer, which is being made.
    fn follow(
        &mut self,
        plan: &Plan,
        node: usize,
        producer: usize,
        ready: &mut VecDeque<usize>,
        actions: &mut Vec<Action>,
    ) -> Result<Result<(), String>, Diverged> {
        let Some(planned) = plan.nodes.get(node) else { return Ok(Ok(())) };
        let whole = match whole_of(&planned.inputs, &|node| self.value(node)) {
            Ok(whole) => whole,
            Err(error) => return Ok(Err(error)),
        };
        let items = self.nodes.get(producer).map(|state| &state.items);
        let there: Vec<bool> = items.into_iter().flatten().map(Option::is_some).collect();
        let Some(state) = self.nodes.get_mut(node) else { return Ok(Ok(())) };
        (state.whole, state.left, state.is_open) = (whole, there.len(), true);
        state.items = vec![None; there.len()];
        self.let_go(plan, node, ready, |is_followed| is_followed);
        for (item, _) in there.iter().enumerate().filter(|(_, is_there)| **is_there) {
            self.feed(plan, node, item, ready, actions)?;
        }
        Ok(Ok(()))
    }

    /// Gives a node the item of the one that it follows.
    fn feed(
        &mut self,
        plan: &Plan,
        node: usize,
        item: usize,
        ready: &mut VecDeque<usize>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Diverged> {
        let Some((port, producer)) = plan.followed(node) else { return Ok(()) };
        let whole = self.nodes.get(node).map(|state| state.whole.as_slice()).unwrap_or_default();
        let value = self.nodes.get(producer).and_then(|state| state.items.get(item)?.as_deref());
        match item_of(whole, port, value.unwrap_or(RawValue::NULL)).map_err(Diverged)? {
            None => self.item_ended(plan, (node, item), null(), ready, actions),
            Some(input) => {
                self.start_item((node, Some(item as u32)), input, actions);
                Ok(())
            }
        }
    }

    fn start_item(&mut self, (node, item): (usize, Option<u32>), input: Box<RawValue>, actions: &mut Vec<Action>) {
        let action = Action::Start { node, item, attempt: 1, input: input.into(), after: Duration::ZERO };
        self.demand((node, item), action, actions);
    }
}

/// The list of the items of a node, `null` for those that are not there.
pub(super) fn list_of(items: &[Option<Box<RawValue>>]) -> Result<Box<RawValue>, String> {
    let items: Vec<&RawValue> = items.iter().map(|item| item.as_deref().unwrap_or(RawValue::NULL)).collect();
    list(&items)
}

/// The nodes that follow this one.
fn followers(plan: &Plan, node: usize) -> impl Iterator<Item = usize> {
    let edges = plan.dag.edges_directed(NodeIndex::new(node), Direction::Outgoing);
    edges.filter_map(|edge| {
        let consumer = edge.target().index();
        let (port, _) = plan.followed(consumer)?;
        (port.port == *edge.weight()).then_some(consumer)
    })
}
