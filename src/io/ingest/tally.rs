use crate::domain::{Fault, InputRecord};

/// Examples that are kept of each kind of fault.
const EXAMPLES: usize = 20;

/// Adds what was read of one input to what was read of those before; examples of faults name it. `entities` is left
/// as it is: the same may be in both.
pub fn absorb(all: &mut InputRecord, one: InputRecord, name: &str) {
    if all.format.split(", ").all(|format| format != one.format) {
        let comma = if all.format.is_empty() { "" } else { ", " };
        all.format = format!("{}{comma}{}", all.format, one.format);
    }
    all.bytes += one.bytes;
    all.records += one.records;
    all.bad += one.bad;
    all.first = [all.first, one.first].into_iter().flatten().min();
    all.last = all.last.max(one.last);
    for fault in one.faults {
        add(&mut all.faults, fault, Some(name));
    }
}

/// Counts a fault in, and keeps its examples if there are few. The list stays sorted by code.
pub fn add(faults: &mut Vec<Fault>, mut fault: Fault, name: Option<&str>) {
    for example in fault.examples.iter_mut() {
        example.detail = name.map(|name| format!("{name}: ")).unwrap_or_default() + &example.detail;
    }
    match faults.binary_search_by(|known| known.code.cmp(&fault.code)) {
        Err(place) => faults.insert(place, fault),
        Ok(place) => {
            let Some(known) = faults.get_mut(place) else { return };
            known.count += fault.count;
            let room = EXAMPLES.saturating_sub(known.examples.len());
            known.examples.extend(fault.examples.into_iter().take(room));
        }
    }
}
