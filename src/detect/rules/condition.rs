//! The text of a condition: of CEL what compares metrics and numbers, `+ - * /`, `&& || !` and parentheses.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use cel::parser::PrattParser;

use super::super::derived::{Node, Operator};
use crate::diagnostic::cel_fault;

/// Longer texts and deeper nesting are refused, so that neither the parser nor we can exhaust the stack.
const MAX_LENGTH: usize = 400;
const MAX_DEPTH: u16 = 48;

/// Why a text is no condition: which bytes are meant, what is wrong and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Flaw {
    pub at: Range<usize>,
    pub message: String,
    pub help: &'static str,
}

const ALLOWED: &str = "a condition compares metrics and numbers, with + - * /, && || ! and parentheses";

/// # Errors
/// Syntax, or anything but what a condition is made of.
pub fn parse(text: &str) -> Result<Node, Flaw> {
    let whole = 0..text.len();
    if text.len() > MAX_LENGTH {
        let message = format!("the condition is longer than {MAX_LENGTH} characters");
        return Err(Flaw { at: whole, message, help: "split it into several" });
    }
    let parser = PrattParser::new().max_recursion_depth(MAX_DEPTH);
    let parsed = parser.parse(text).map_err(|errors| {
        let (what, at) = cel_fault(text, &errors);
        Flaw { at, message: format!("the condition does not parse: {what}"), help: ALLOWED }
    })?;
    let mut walker = Walker { text, cursor: 0 };
    let found = walker.walk(&parsed.expr, 0)?;
    if !found.is_condition {
        let message = "this is a number, not a condition".to_string();
        return Err(Flaw { at: whole, message, help: "compare it with something: `cpu_usage > 80`" });
    }
    let mut names = Default::default();
    found.node.gather(&mut names);
    if names.is_empty() {
        let message = "the condition names no metric".to_string();
        return Err(Flaw { at: whole, message, help: "compare a metric with something: `cpu_usage > 80`" });
    }
    Ok(found.node)
}

struct Found {
    node: Node,
    is_condition: bool,
    at: Range<usize>,
}

/// Goes through a parsed text from left to right. The tree has no places, but its leaves stand in the text in the same
/// order, so a cursor finds them.
struct Walker<'a> {
    text: &'a str,
    cursor: usize,
}

impl Walker<'_> {
    fn walk(&mut self, expr: &Expr, depth: u16) -> Result<Found, Flaw> {
        if depth > MAX_DEPTH {
            return Err(Flaw {
                at: self.word(),
                message: "nested too deeply".to_string(),
                help: "split the condition",
            });
        }
        if let Some(name) = dotted(expr) {
            return Ok(Found { node: Node::Metric(name), is_condition: false, at: self.word() });
        }
        match expr {
            Expr::Literal(literal) => {
                let at = self.word();
                let number = match literal {
                    LiteralValue::Double(double) => *double.inner(),
                    LiteralValue::Int(int) => *int.inner() as f64,
                    LiteralValue::UInt(uint) => *uint.inner() as f64,
                    _ => return Err(self.refuse(at)),
                };
                if !number.is_finite() {
                    return Err(self.refuse(at));
                }
                Ok(Found { node: Node::Number(number), is_condition: false, at })
            }
            Expr::Call(call) if call.target.is_none() => self.call(call, depth),
            _ => {
                let at = self.word();
                Err(self.refuse(at))
            }
        }
    }

    fn call(&mut self, call: &CallExpr, depth: u16) -> Result<Found, Flaw> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::NEGATE, [of]) => {
                let of = self.expect(&of.expr, false, depth)?;
                Ok(Found { node: Node::Negative(Box::new(of.node)), is_condition: false, at: of.at })
            }
            (operators::LOGICAL_NOT, [of]) => {
                let of = self.expect(&of.expr, true, depth)?;
                Ok(Found { node: Node::Not(Box::new(of.node)), is_condition: true, at: of.at })
            }
            (name, [left, right]) if !name.starts_with(|c: char| c.is_alphanumeric()) => {
                let Some((operator, takes_conditions)) = operator(name) else {
                    // The place of the operator is between the two.
                    let left = self.walk(&left.expr, depth + 1)?.at;
                    let right = self.walk(&right.expr, depth + 1)?.at;
                    return Err(self.refuse(self.between(&left, &right)));
                };
                let left = self.expect(&left.expr, takes_conditions, depth)?;
                let right = self.expect(&right.expr, takes_conditions, depth)?;
                let gives_number =
                    matches!(operator, Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide);
                let at = left.at.start..right.at.end;
                Ok(Found { node: Node::binary(operator, left.node, right.node), is_condition: !gives_number, at })
            }
            _ => {
                let at = self.word();
                Err(self.refuse(at))
            }
        }
    }

    fn expect(&mut self, expr: &Expr, condition: bool, depth: u16) -> Result<Found, Flaw> {
        let found = self.walk(expr, depth + 1)?;
        if found.is_condition == condition {
            return Ok(found);
        }
        let (message, help) = if condition {
            ("a condition is wanted here, not a number", "compare it with something: `cpu_usage > 80`")
        } else {
            ("a number is wanted here, not a condition", "a condition stands by itself or between && and ||")
        };
        Err(Flaw { at: found.at, message: message.to_string(), help })
    }

    fn refuse(&self, at: Range<usize>) -> Flaw {
        let what = self.text.get(at.clone()).unwrap_or_default();
        Flaw { at, message: format!("`{what}` has no place in a condition"), help: ALLOWED }
    }

    /// The operator between two places, without spaces and parentheses.
    fn between(&self, left: &Range<usize>, right: &Range<usize>) -> Range<usize> {
        let gap = self.text.get(left.end..right.start).unwrap_or_default();
        let outside = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '-' | '!' | '"' | '\'');
        let operator = gap.trim_matches(outside);
        let start = left.end + (gap.len() - gap.trim_start_matches(outside).len());
        if operator.is_empty() { left.start..right.end } else { start..start + operator.len() }
    }

    /// The next name or number; the whole text where there is none.
    fn word(&mut self) -> Range<usize> {
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let rest = self.text.get(self.cursor..).unwrap_or_default();
        let Some(begin) = rest.find(part) else { return 0..self.text.len() };
        let word = rest.get(begin..).unwrap_or_default();
        let mut length = word.find(|c| !part(c)).unwrap_or(word.len());
        // The sign of an exponent belongs to the number: 1e-5.
        let number = word.get(..length).unwrap_or_default();
        let has_exponent = number.ends_with(['e', 'E']) && number.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if has_exponent && let Some(exponent) = word.get(length + 1..).filter(|_| !number.starts_with("0x")) {
            length += 1 + exponent.find(|c: char| !c.is_ascii_digit()).unwrap_or(exponent.len());
        }
        let start = self.cursor + begin;
        self.cursor = start + length;
        start..self.cursor
    }
}

/// The operator of a name, and whether it takes conditions.
fn operator(name: &str) -> Option<(Operator, bool)> {
    Some(match name {
        operators::ADD => (Operator::Add, false),
        operators::SUBSTRACT => (Operator::Subtract, false),
        operators::MULTIPLY => (Operator::Multiply, false),
        operators::DIVIDE => (Operator::Divide, false),
        operators::LESS => (Operator::Less, false),
        operators::LESS_EQUALS => (Operator::LessOrEqual, false),
        operators::GREATER => (Operator::Greater, false),
        operators::GREATER_EQUALS => (Operator::GreaterOrEqual, false),
        operators::EQUALS => (Operator::Equal, false),
        operators::NOT_EQUALS => (Operator::NotEqual, false),
        operators::LOGICAL_AND => (Operator::And, true),
        operators::LOGICAL_OR => (Operator::Or, true),
        _ => return None,
    })
}

/// `a.b.c` as one name.
fn dotted(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", dotted(&select.operand.expr)?, select.field)),
        _ => None,
    }
}
