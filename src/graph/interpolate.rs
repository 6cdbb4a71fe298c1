//! `${VARIABLE}` and `${VARIABLE:-default}` in strings of a node's config; `$${` is a literal `${`.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use crate::diagnostic::{Diagnostic, SourceFile, codes};

/// The variables that a config used, with their values: kept so that messages can leave the values out.
pub type Used = Vec<(String, String)>;

/// Replaces variables in every string of `value`. A string with a variable that cannot be put in stays as it is written,
/// and has an AG0013 for each of them.
pub fn interpolate(
    value: &mut Spanned<DeValue<'_>>,
    source: &SourceFile,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> (Used, Vec<Diagnostic>) {
    let mut walk = Walk { source, lookup, used: Vec::new(), faults: Vec::new() };
    walk.value(value);
    (walk.used, walk.faults)
}

const OPEN: &str = "${";

struct Walk<'a> {
    source: &'a SourceFile,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    used: Used,
    faults: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn value(&mut self, value: &mut Spanned<DeValue<'_>>) {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(text) if text.contains(OPEN) => {
                let before = self.faults.len();
                let put_in = self.text(text, span);
                if self.faults.len() == before {
                    *text = put_in.into();
                }
            }
            DeValue::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            DeValue::Table(table) => table.iter_mut().for_each(|(_, entry)| self.value(entry)),
            _ => {}
        }
    }

    fn text(&mut self, text: &str, span: Range<usize>) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(OPEN) {
            let (before, from) = rest.split_at(at);
            if let Some(literal) = before.strip_suffix('$') {
                out.push_str(literal);
                out.push_str("${");
                rest = from.strip_prefix(OPEN).unwrap_or_default(); // `find` found it
                continue;
            }
            out.push_str(before);
            let Some((inside, after)) = from.strip_prefix(OPEN).unwrap_or_default().split_once('}') else {
                self.faults.push(
                    Diagnostic::new(codes::graph::VARIABLE, format!("`{from}` has no closing `}}`"))
                        .at(self.source, span.clone())
                        .help("write `${NAME}`, or `$${` for a literal `${`"),
                );
                return out; // not used any more
            };
            let (name, default) = inside.split_once(":-").map_or((inside, None), |(n, d)| (n, Some(d)));
            match (self.lookup)(name).or(default.map(str::to_string)) {
                Some(value) => {
                    out.push_str(&value);
                    self.used.push((name.to_string(), value));
                }
                None => self.faults.push(
                    Diagnostic::new(codes::graph::VARIABLE, format!("the environment variable `{name}` is not set"))
                        .at(self.source, span.clone())
                        .help(format!("set `{name}`, or write a default: `${{{name}:-…}}`")),
                ),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_defaults_and_literals() {
        let source = SourceFile::new("t", "");
        let lookup = |name: &str| (name == "A").then(|| "1".to_string());
        let check = |text: &str| {
            let mut value = Spanned::new(0..0, DeValue::String(text.to_string().into()));
            let (used, faults) = interpolate(&mut value, &source, &lookup);
            let after = value.get_ref().as_str().unwrap().to_string();
            match faults.first() {
                None => Ok((after, used.len())),
                Some(fault) => {
                    assert_eq!(after, text, "it stays as written");
                    Err(fault.message.clone())
                }
            }
        };
        assert_eq!(check("x${A}y${B:-z}"), Ok(("x1yz".into(), 2)));
        assert_eq!(check("$${A} $"), Ok(("${A} $".into(), 0)));
        assert_eq!(check("$${${A}${A}"), Ok(("${11".into(), 2)));
        assert_eq!(check("$${A ${"), Err("`${` has no closing `}`".into()));
        assert_eq!(check("x${A ${B:-z"), Err("`${A ${B:-z` has no closing `}`".into()));
        assert_eq!(check("${B}"), Err("the environment variable `B` is not set".into()));
    }
}
