//! Formulas of a playbook: CEL over numbers. Held to types when the playbook is read, so that all that can happen
//! later is a missing fact or a result that is not finite. Knows no playbook and no recommendation.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use cel::parser::PrattParser;
use cel::{Context, Env, IdedExpr as Expression, Value};

use crate::diagnostic::cel_fault;
use crate::domain::Figure;

/// Names and values that formulas may use.
pub type Variables = BTreeMap<String, f64>;

/// Longer formulas and deeper nesting are refused, so that neither parser nor evaluation can exhaust the stack.
const MAX_LENGTH: usize = 400;
const MAX_DEPTH: u16 = 48;

/// What a formula gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Number,
    Condition,
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Kind::Number => "a number",
            Kind::Condition => "a condition",
        }
    }
}

/// A formula that parses and whose types fit.
#[derive(Debug)]
pub struct Formula {
    expression: Expression,
    /// The variables that it uses.
    pub variables: BTreeSet<String>,
}

/// Why a text is no formula, and which bytes of it are meant.
#[derive(Debug, PartialEq, Eq)]
pub struct Flaw {
    pub message: String,
    pub at: Range<usize>,
}

impl Formula {
    /// # Errors
    /// Syntax, an operator or function that does not exist or does not fit, or a result of another kind than wanted.
    pub fn parse(text: &str, wanted: Kind) -> Result<Formula, Flaw> {
        let whole = 0..text.len();
        if text.len() > MAX_LENGTH {
            let message = format!("a formula has at most {MAX_LENGTH} characters; split it into several");
            return Err(Flaw { message, at: whole });
        }
        let parser = PrattParser::new().max_recursion_depth(MAX_DEPTH);
        let mut expression = parser.parse(text).map_err(|errors| {
            let (what, at) = cel_fault(text, &errors);
            Flaw { message: format!("the formula does not parse: {what}"), at }
        })?;
        let mut checker = Checker { text, variables: BTreeSet::new() };
        let kind = checker.check(&mut expression, 0)?;
        if kind != wanted {
            return Err(Flaw { message: format!("{} is wanted, this is {}", wanted.noun(), kind.noun()), at: whole });
        }
        Ok(Formula { variables: checker.variables, expression })
    }

    /// The number; `None` when a variable is missing or the result is not finite.
    pub fn number(&self, machine: &Machine, variables: &Variables) -> Option<Figure> {
        match self.evaluate(machine, variables)? {
            Value::Float(value) => Figure::new(value),
            _ => None,
        }
    }

    /// Whether the condition is known to hold: not when it depends on a missing variable.
    pub fn holds(&self, machine: &Machine, variables: &Variables) -> bool {
        matches!(self.evaluate(machine, variables), Some(Value::Bool(true)))
    }

    fn evaluate(&self, machine: &Machine, variables: &Variables) -> Option<Value> {
        let mut context = Context::with_env(Arc::clone(&machine.env));
        for (name, value) in variables.iter().filter(|(name, _)| self.variables.contains(*name)) {
            context.add_variable_from_value(name.as_str(), *value);
        }
        // A refusal means that the name is taken; then the formula fails like one whose variable is missing.
        context.add_function("round", round).ok()?;
        context.add_function("ceil", f64::ceil).ok()?;
        context.add_function("floor", f64::floor).ok()?;
        context.add_function("min", f64::min).ok()?;
        context.add_function("max", f64::max).ok()?;
        context.resolve(&self.expression).ok()
    }
}

/// What evaluates formulas; made once, and only where there is one to evaluate.
pub struct Machine {
    env: LazyLock<Arc<Env>>,
}

impl Machine {
    pub fn new() -> Machine {
        Machine { env: LazyLock::new(|| Arc::new(Env::stdlib())) }
    }
}

/// Functions of formulas and how many numbers each takes.
const FUNCTIONS: [(&str, usize); 5] = [("round", 2), ("ceil", 1), ("floor", 1), ("min", 2), ("max", 2)];

/// `value` with so many digits after the point, halves away from zero.
fn round(value: f64, digits: f64) -> f64 {
    let scale = 10f64.powi(digits.clamp(-9.0, 9.0) as i32);
    let scaled = value * scale;
    if scaled.is_finite() { scaled.round() / scale } else { value }
}

/// Walks a parsed formula: finds its kind, notes its variables and makes every number a double, since CEL does not
/// mix integers with doubles and a person does.
struct Checker<'a> {
    text: &'a str,
    variables: BTreeSet<String>,
}

impl Checker<'_> {
    fn check(&mut self, node: &mut Expression, depth: u16) -> Result<Kind, Flaw> {
        if depth > MAX_DEPTH {
            return Err(Flaw { message: "nested too deeply; split the formula".into(), at: self.place(&node.expr) });
        }
        if let Some(name) = dotted(&node.expr) {
            self.variables.insert(name);
            return Ok(Kind::Number);
        }
        match &mut node.expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Call(call) if call.target.is_none() => self.call(call, depth),
            other => {
                let message = "a formula has only numbers, facts, operators and functions".into();
                Err(Flaw { message, at: self.place(other) })
            }
        }
    }

    fn literal(&self, literal: &mut LiteralValue) -> Result<Kind, Flaw> {
        let number = match &*literal {
            LiteralValue::Double(double) => *double.inner(),
            LiteralValue::Int(int) => *int.inner() as f64,
            LiteralValue::UInt(uint) => *uint.inner() as f64,
            LiteralValue::Boolean(_) => return Ok(Kind::Condition),
            _ => {
                let message = "a formula has no texts, only numbers and conditions".into();
                return Err(Flaw { message, at: 0..self.text.len() });
            }
        };
        *literal = LiteralValue::Double(number.into());
        Ok(Kind::Number)
    }

    fn call(&mut self, call: &mut CallExpr, depth: u16) -> Result<Kind, Flaw> {
        use Kind::{Condition, Number};
        if call.func_name == operators::CONDITIONAL {
            return self.conditional(&mut call.args, depth);
        }
        let (takes, count, gives) = match call.func_name.as_str() {
            operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE => (Number, 2, Number),
            operators::NEGATE => (Number, 1, Number),
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS => (Number, 2, Condition),
            operators::LOGICAL_AND | operators::LOGICAL_OR => (Condition, 2, Condition),
            operators::LOGICAL_NOT => (Condition, 1, Condition),
            name => match FUNCTIONS.iter().find(|(function, _)| *function == name) {
                Some((_, count)) => (Number, *count, Number),
                None => return Err(self.unknown_function(name)),
            },
        };
        if call.args.len() != count {
            let message = format!("`{}` takes {count} values, not {}", call.func_name, call.args.len());
            return Err(Flaw { message, at: self.place_of_call(&call.func_name) });
        }
        for arg in &mut call.args {
            self.expect(arg, takes, depth)?;
        }
        Ok(gives)
    }

    fn conditional(&mut self, args: &mut [Expression], depth: u16) -> Result<Kind, Flaw> {
        let [condition, yes, no] = args else {
            return Err(Flaw { message: "`? :` takes a condition and two values".into(), at: 0..self.text.len() });
        };
        self.expect(condition, Kind::Condition, depth)?;
        let kind = self.check(yes, depth + 1)?;
        self.expect(no, kind, depth)?;
        Ok(kind)
    }

    fn expect(&mut self, arg: &mut Expression, wanted: Kind, depth: u16) -> Result<(), Flaw> {
        match self.check(arg, depth + 1)? {
            kind if kind == wanted => Ok(()),
            kind => {
                let message = format!("{} is wanted here, not {}", wanted.noun(), kind.noun());
                Err(Flaw { message, at: self.place(&arg.expr) })
            }
        }
    }

    fn unknown_function(&self, name: &str) -> Flaw {
        let names = FUNCTIONS.map(|(name, _)| name).join(", ");
        let is_name = name.starts_with(|c: char| c.is_alphabetic());
        let message = if is_name {
            format!("no function is named `{name}`; there are {names}")
        } else {
            format!("the operator `{}` does not apply to numbers", name.trim_matches(['_', '@']))
        };
        Flaw { message, at: self.place_of_call(name) }
    }

    /// Bytes of what a person looks for: the name of a variable or function, else the whole formula.
    fn place(&self, expr: &Expr) -> Range<usize> {
        match expr {
            Expr::Call(call) => self.place_of_call(&call.func_name),
            expr => dotted(expr).map_or(0..self.text.len(), |name| word(self.text, &name)),
        }
    }

    fn place_of_call(&self, name: &str) -> Range<usize> {
        if name.starts_with(char::is_alphabetic) { word(self.text, name) } else { 0..self.text.len() }
    }
}

/// Bytes of the first place where `name` stands by itself; all of `text` where it is not written in one piece.
pub fn word(text: &str, name: &str) -> Range<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    text.match_indices(name)
        .map(|(at, _)| at..at + name.len())
        .find(|at| {
            let before = text.get(..at.start).and_then(|before| before.chars().next_back());
            let after = text.get(at.end..).and_then(|after| after.chars().next());
            !before.is_some_and(part) && !after.is_some_and(part)
        })
        .unwrap_or(0..text.len())
}

/// `a.b.c` as one name.
fn dotted(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", dotted(&select.operand.expr)?, select.field)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        [("cpu_usage.value", 93.5), ("assumed.target", 70.0), ("zero", 0.0), ("huge", 1e308)]
            .map(|(name, value)| (name.to_string(), value))
            .into()
    }

    fn number(text: &str) -> Option<f64> {
        Formula::parse(text, Kind::Number).unwrap().number(&Machine::new(), &variables()).map(Figure::get)
    }

    fn holds(text: &str) -> bool {
        Formula::parse(text, Kind::Condition).unwrap().holds(&Machine::new(), &variables())
    }

    #[test]
    fn numbers_of_any_spelling_mix() {
        assert_eq!(number("ceil(2 * cpu_usage.value / assumed.target)"), Some(3.0));
        assert_eq!(number("max(1, floor(cpu_usage.value) - 90u)"), Some(3.0));
        assert_eq!(number("min(cpu_usage.value, 7.25) + -1"), Some(6.25));
        assert_eq!(number("round(cpu_usage.value / 7, 1)"), Some(13.4));
        assert_eq!(number("round(1234.5, -2)"), Some(1200.0));
        assert_eq!(number("round(huge, 9)"), Some(1e308));
        assert_eq!(number("cpu_usage.value > 90 && true ? 1 : 2.5"), Some(1.0));
    }

    #[test]
    fn what_cannot_be_computed_is_no_number() {
        for text in ["cpu_usage.value / zero", "zero / zero", "huge * 10", "memory_usage.value + 1", "-huge - huge"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn conditions_on_missing_facts_do_not_hold() {
        assert!(holds("cpu_usage.value >= 93.5"));
        assert!(!holds("cpu_usage.value > 93.5"));
        assert!(!holds("memory_usage.value > 0"));
        assert!(!holds("!(memory_usage.value > 0)"));
        assert!(holds("memory_usage.value > 0 || cpu_usage.value > 0"));
    }

    #[test]
    fn flaws_name_their_place() {
        for (text, place, message) in [
            ("1 +", "", "the formula does not parse: mismatched input the end, expecting expression"),
            ("a $ 2", "$", "the formula does not parse: unexpected character"),
            ("é + 1", "é", "the formula does not parse: unexpected character"),
            ("a b", "b", "the formula does not parse: mismatched input 'b', expecting the end"),
            ("(a", "", "the formula does not parse: expected ')'"),
            ("1 + cel(2)", "cel", "no function is named `cel`; there are round, ceil, floor, min, max"),
            ("ceil(1, 2)", "ceil", "`ceil` takes 1 values, not 2"),
            ("1 + 'two'", "1 + 'two'", "a formula has no texts, only numbers and conditions"),
            ("1 + (a > 2)", "1 + (a > 2)", "a number is wanted here, not a condition"),
            ("2 > true", "2 > true", "a number is wanted here, not a condition"),
            ("a > 2", "a > 2", "a number is wanted, this is a condition"),
            ("a % 2", "a % 2", "the operator `%` does not apply to numbers"),
        ] {
            let flaw = Formula::parse(text, Kind::Number).unwrap_err();
            assert_eq!((text.get(flaw.at).unwrap(), flaw.message.as_str()), (place, message), "{text}");
        }
        for text in
            ["[1]", "{}", "a[0]", "a.b()", "has(a.b)", "[1].all(x, x > 0)", "a.?b", "", "null", "99999999999999999999"]
        {
            assert!(Formula::parse(text, Kind::Number).is_err(), "{text}");
        }
    }

    #[test]
    fn no_text_exhausts_the_stack() {
        for text in ["(", "-", "!", "1+", "a.", "1?2:", "[", "f(", "1*", "{1:"] {
            assert!(Formula::parse(&text.repeat(10_000), Kind::Number).is_err());
            assert!(Formula::parse(&text.repeat(MAX_LENGTH / text.len()), Kind::Number).is_err());
        }
        let sum = format!("1{}", " + 1".repeat(40));
        assert_eq!(number(&sum), Some(41.0));
        assert!(Formula::parse(&format!("1{}", "+1".repeat(190)), Kind::Number).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_formula_or_a_flaw_inside_it(text in "\\PC{0,40}") {
            if let Err(flaw) = Formula::parse(&text, Kind::Number) {
                proptest::prop_assert!(text.get(flaw.at).is_some());
            }
        }
    }
}
