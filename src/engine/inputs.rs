//! What tasks are given: the outputs that their ports refer to, put together as JSON text. Text, so that a resumed run
//! feeds the very bytes that the first one would have.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::graph::{PlanInput, Reference};

/// The input objects of a node's tasks: one, or one per item; `None` for an item that is skipped.
pub fn inputs_of<'a>(
    ports: &[PlanInput],
    each: bool,
    value: &dyn Fn(usize) -> Option<&'a RawValue>,
) -> Result<Vec<Option<Box<RawValue>>>, String> {
    let mut whole: Vec<(&str, String)> = Vec::new();
    let mut zipped: Vec<(&PlanInput, Vec<Box<RawValue>>)> = Vec::new();
    for port in ports {
        let mut parts = Vec::new();
        for reference in &port.from {
            parts.push(referred(reference, value)?);
        }
        if port.each {
            let items: Vec<Vec<Box<RawValue>>> = parts.iter().map(|p| read(p)).collect::<Result<_, _>>()?;
            zipped.push((port, items.into_iter().flatten().collect()));
        } else if let [part] = parts.as_slice() {
            whole.push((&port.port, part.get().to_string()));
        } else {
            let items: Vec<Vec<Box<RawValue>>> = parts.iter().map(|p| read(p)).collect::<Result<_, _>>()?;
            let joined = list(items.iter().flatten().map(|i| i.get().to_string()))?;
            whole.push((&port.port, joined.get().to_string()));
        }
    }
    if !each {
        return Ok(vec![Some(object(whole.iter().map(|(p, v)| (*p, v.as_str())))?)]);
    }
    let count = zipped.first().map_or(0, |(_, items)| items.len());
    if let Some((port, items)) = zipped.iter().find(|(_, items)| items.len() != count) {
        let first = zipped.first().map_or("", |(p, _)| p.port.as_str());
        return Err(format!(
            "`each` zips lists of one length, but `{first}` has {count} items and `{}` has {}",
            port.port,
            items.len()
        ));
    }
    let item = |at: usize| {
        let own = zipped.iter().filter_map(|(port, items)| Some((*port, items.get(at)?.get())));
        let skipped = own.clone().any(|(port, value)| value == "null" && !port.nullable);
        let fields = whole.iter().map(|(p, v)| (*p, v.as_str())).chain(own.map(|(p, v)| (p.port.as_str(), v)));
        if skipped { Ok(None) } else { object(fields).map(Some) }
    };
    (0..count).map(item).collect()
}

fn referred<'a>(reference: &Reference, value: &dyn Fn(usize) -> Option<&'a RawValue>) -> Result<Box<RawValue>, String> {
    let value = value(reference.node).ok_or("an input is not there yet")?;
    let Some(field) = &reference.field else { return Ok(value.to_owned()) };
    if value.get() == "null" {
        return Ok(null());
    }
    let mut fields: BTreeMap<String, Box<RawValue>> = read(value)?;
    Ok(fields.remove(field).unwrap_or_else(null))
}

/// `null`, which stands for what was skipped.
pub fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

fn read<'a, T: serde::Deserialize<'a>>(value: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(value.get()).map_err(|e| format!("a value is not what its type says, which is a bug: {e}"))
}

/// A JSON list of JSON texts.
pub fn list(items: impl Iterator<Item = String>) -> Result<Box<RawValue>, String> {
    let text = format!("[{}]", items.collect::<Vec<_>>().join(","));
    RawValue::from_string(text).map_err(|e| format!("an output is not JSON: {e}"))
}

fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Box<RawValue>, String> {
    let mut text = String::from("{");
    for (name, value) in fields {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(name).map_err(|e| e.to_string())?);
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    RawValue::from_string(text).map_err(|e| e.to_string())
}
