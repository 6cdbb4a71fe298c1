use std::borrow::Cow;
use std::cmp::Ordering;

use crate::domain::{Batch, Figure, MetricColumn};

/// A column that rules judge and no record has: made of other columns, record by record.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    pub name: String,
    pub node: Node,
}

/// What a column is made of. A condition is 1 where it holds and 0 where it does not; NaN is unknown: a metric is absent
/// that decides it, or a divisor is zero.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Number(f64),
    Metric(String),
    Negative(Box<Node>),
    Not(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    And,
    Or,
}

impl Derived {
    /// The column of a batch, `before` the ones that were derived of it already. `None` where all of it is unknown.
    pub fn column(&self, batch: &Batch, before: &[MetricColumn]) -> Option<MetricColumn> {
        let mut values = self.node.values(batch, before).into_owned();
        let mut known = false;
        for value in &mut values {
            if value.is_finite() {
                known = true;
            } else {
                *value = f64::NAN;
            }
        }
        known.then(|| MetricColumn { name: self.name.as_str().into(), values })
    }
}

impl Node {
    pub fn binary(operator: Operator, left: Node, right: Node) -> Node {
        Node::Binary(operator, Box::new(left), Box::new(right))
    }

    /// Adds the names of the metrics that it is made of, each once, in the order in which they stand there.
    pub fn gather(&self, names: &mut Vec<String>) {
        match self {
            Node::Number(_) => {}
            Node::Metric(name) if names.contains(name) => {}
            Node::Metric(name) => names.push(name.clone()),
            Node::Negative(of) | Node::Not(of) => of.gather(names),
            Node::Binary(_, left, right) => {
                left.gather(names);
                right.gather(names);
            }
        }
    }

    fn values<'a>(&self, batch: &'a Batch, before: &'a [MetricColumn]) -> Cow<'a, [f64]> {
        match self {
            Node::Number(number) => vec![*number; batch.len()].into(),
            Node::Metric(name) => {
                let column = before.iter().chain(&batch.metrics).find(|column| *column.name == **name);
                match column {
                    Some(column) if column.values.len() == batch.len() => column.values.as_slice().into(),
                    column => {
                        let mut values = column.map(|column| column.values.clone()).unwrap_or_default();
                        values.resize(batch.len(), f64::NAN);
                        values.into()
                    }
                }
            }
            Node::Negative(of) => of.values(batch, before).iter().map(|value| -value).collect(),
            Node::Not(of) => of.values(batch, before).iter().map(|value| 1.0 - value).collect(),
            Node::Binary(operator, left, right) => {
                let (left, right) = (left.values(batch, before), right.values(batch, before));
                let apply = operator.function();
                left.iter().zip(right.iter()).map(|(left, right)| apply(*left, *right)).collect()
            }
        }
    }
}

impl Operator {
    /// Once per column, not once per value.
    fn function(self) -> fn(f64, f64) -> f64 {
        match self {
            Operator::Add => |a, b| a + b,
            Operator::Subtract => |a, b| a - b,
            Operator::Multiply => |a, b| a * b,
            Operator::Divide => |a, b| a / b,
            Operator::Less => |a, b| holds(a, b, Ordering::is_lt),
            Operator::LessOrEqual => |a, b| holds(a, b, Ordering::is_le),
            Operator::Greater => |a, b| holds(a, b, Ordering::is_gt),
            Operator::GreaterOrEqual => |a, b| holds(a, b, Ordering::is_ge),
            Operator::Equal => |a, b| holds(a, b, Ordering::is_eq),
            Operator::NotEqual => |a, b| holds(a, b, Ordering::is_ne),
            Operator::And => |a, b| decided(a, b, 0.0),
            Operator::Or => |a, b| decided(a, b, 1.0),
        }
    }
}

/// Whether the two compare so, as a report states them.
fn holds(a: f64, b: f64, wanted: fn(Ordering) -> bool) -> f64 {
    if !a.is_finite() || !b.is_finite() {
        return f64::NAN;
    }
    // Further apart than this they differ within nine digits, and rounding would not change their order.
    let apart = (a - b).abs() > 1e-8 * a.abs().max(b.abs());
    let ordering = match (Figure::new(a), Figure::new(b)) {
        _ if apart => a.total_cmp(&b),
        (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        _ => return f64::NAN, // no finite value comes here
    };
    f64::from(u8::from(wanted(ordering)))
}

/// One that is `deciding` is enough, whatever the other; else both must be known.
fn decided(a: f64, b: f64, deciding: f64) -> f64 {
    if a == deciding || b == deciding {
        deciding
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        1.0 - deciding
    }
}
