//! What tasks are given: the outputs that their ports refer to, put together as JSON text. Text, so that a resumed run
//! feeds the very bytes that the first one would have.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::graph::{PlanInput, Reference};

/// The input objects of a node's tasks: one, or one per item; `None` for an item that is skipped.
pub fn inputs_of<'a>(
    ports: &[PlanInput],
    each: bool,
    value: &dyn Fn(usize) -> Option<&'a RawValue>,
) -> Result<Vec<Option<Box<RawValue>>>, String> {
    let mut whole: Vec<(&str, Cow<'a, RawValue>)> = Vec::new();
    let mut zipped: Vec<(&PlanInput, Vec<&'a RawValue>)> = Vec::new();
    for port in ports {
        if port.each {
            zipped.push((port, joined(port, value)?));
        } else {
            whole.push((&port.port, self::whole(port, value)?));
        }
    }
    let whole = || whole.iter().map(|(port, value)| (*port, value.as_ref()));
    if !each {
        return Ok(vec![Some(object(whole().collect())?)]);
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
        let own = zipped.iter().filter_map(|(port, items)| Some((*port, *items.get(at)?)));
        let skipped = own.clone().any(|(port, value)| value.get() == "null" && !port.nullable);
        let fields = whole().chain(own.map(|(port, value)| (port.port.as_str(), value)));
        if skipped { Ok(None) } else { object(fields.collect()).map(Some) }
    };
    (0..count).map(item).collect()
}

/// What every task of a node is given alike, by port.
pub fn whole_of<'a>(
    ports: &[PlanInput],
    value: &dyn Fn(usize) -> Option<&'a RawValue>,
) -> Result<Vec<(String, Box<RawValue>)>, String> {
    let whole =
        ports.iter().filter(|port| !port.each).map(|port| Ok((port.port.clone(), whole(port, value)?.into_owned())));
    whole.collect()
}

/// The input object of one item of a node that has one port of `each`; `None` for an item that is skipped.
pub fn item_of(
    whole: &[(String, Box<RawValue>)],
    port: &PlanInput,
    item: &RawValue,
) -> Result<Option<Box<RawValue>>, String> {
    if item.get() == "null" && !port.nullable {
        return Ok(None);
    }
    let whole = whole.iter().map(|(port, value)| (port.as_str(), value.as_ref()));
    object(whole.chain([(port.port.as_str(), item)]).collect()).map(Some)
}

/// What a port that is not taken item by item is given.
fn whole<'a>(port: &PlanInput, value: &dyn Fn(usize) -> Option<&'a RawValue>) -> Result<Cow<'a, RawValue>, String> {
    match &port.from[..] {
        [reference] => referred(reference, value).map(Cow::Borrowed),
        _ => list(&joined(port, value)?).map(Cow::Owned),
    }
}

/// The items of all lists that a port refers to.
fn joined<'a>(port: &PlanInput, value: &dyn Fn(usize) -> Option<&'a RawValue>) -> Result<Vec<&'a RawValue>, String> {
    let lists = port.from.iter().map(|reference| read::<Vec<&RawValue>>(referred(reference, value)?));
    Ok(lists.collect::<Result<Vec<_>, _>>()?.concat())
}

fn referred<'a>(reference: &Reference, value: &dyn Fn(usize) -> Option<&'a RawValue>) -> Result<&'a RawValue, String> {
    let value = value(reference.node).ok_or("an input is not there yet")?;
    let Some(field) = &reference.field else { return Ok(value) };
    if value.get() == "null" {
        return Ok(value);
    }
    let fields: BTreeMap<String, &'a RawValue> = read(value)?;
    Ok(fields.get(field).copied().unwrap_or(RawValue::NULL))
}

/// `null`, which stands for what was skipped.
pub fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

fn read<'a, T: serde::Deserialize<'a>>(value: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(value.get()).map_err(|e| format!("a value is not what its type says, which is a bug: {e}"))
}

/// A JSON list of JSON texts, which are not read again.
pub fn list(items: &[&RawValue]) -> Result<Box<RawValue>, String> {
    to_raw_value(items).map_err(|e| e.to_string())
}

fn object(fields: Vec<(&str, &RawValue)>) -> Result<Box<RawValue>, String> {
    struct Fields<'a>(Vec<(&'a str, &'a RawValue)>);
    impl Serialize for Fields<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().copied())
        }
    }
    to_raw_value(&Fields(fields)).map_err(|e| e.to_string())
}
