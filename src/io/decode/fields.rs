use std::collections::BTreeMap;
use std::sync::Arc;

use super::Schema;
use crate::node::Wanted;

/// The fields that are read, and what each of them means. Made once from the schema and from what is wanted, so that
/// the dictionary does not grow with the input: a key that it lacks is skipped.
pub(super) struct Fields {
    all: Vec<Field>,
    /// Names of the metrics; `Field::metric` points here.
    pub metrics: Vec<Arc<str>>,
    /// The statuses' path with a dot after it: what the name of a flat status starts with.
    pub status_prefix: String,
    /// The time's path, for messages.
    pub timestamp: String,
}

/// One field, or an object on the path to one. It may mean several things at once.
#[derive(Default)]
pub(super) struct Field {
    /// Full path, with dots.
    pub path: Box<str>,
    pub time: bool,
    /// Place among the candidates for the entity; the lowest counts.
    pub entity: Option<usize>,
    pub metric: Option<usize>,
    pub statuses: bool,
    /// Everything read below this object, by the rest of its path, sorted: an object `a` with `b.c` in it has the keys
    /// `b` and `b.c`, since producers write both `{"b": {"c": 1}}` and `{"b.c": 1}`.
    pub children: Vec<(Box<str>, usize)>,
    /// The same by a hash; a power of two of them, or none.
    slots: Box<[Slot]>,
}

/// A place of a hash table.
#[derive(Clone, Copy, Default)]
struct Slot {
    words: Words,
    /// Place in `Field::children` from 1; 0 where there is none.
    child: u32,
}

/// The ends of a key. Up to sixteen bytes, and their length, they are all of it.
#[derive(Clone, Copy, Default, PartialEq)]
struct Words {
    head: u64,
    tail: u64,
    length: usize,
}

impl Fields {
    /// The object that a record is.
    pub const ROOT: usize = 0;

    pub fn new(schema: &Schema, wanted: &Wanted) -> Fields {
        let mut paths: BTreeMap<String, Field> = BTreeMap::new();
        paths.entry(schema.timestamp.clone()).or_default().time = true;
        for (rank, name) in schema.entity.iter().enumerate() {
            paths.entry(name.clone()).or_default().entity.get_or_insert(rank);
        }
        paths.entry(schema.statuses.clone()).or_default().statuses = true;
        for (index, metric) in wanted.metrics.iter().enumerate() {
            let renamed = schema.rename.iter().filter(|(_, to)| *to == metric).map(|(from, _)| from);
            let own = Some(metric).filter(|own| !schema.rename.contains_key(*own));
            for path in renamed.chain(own).filter(|path| **path != schema.timestamp) {
                paths.entry(path.clone()).or_default().metric = Some(index);
            }
        }
        Fields {
            all: link(paths).into_iter().map(Field::index).collect(),
            metrics: wanted.metrics.iter().map(|name| Arc::from(name.as_str())).collect(),
            status_prefix: format!("{}.", schema.statuses),
            timestamp: schema.timestamp.clone(),
        }
    }

    pub fn get(&self, id: usize) -> Option<&Field> {
        self.all.get(id)
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The field that `key` is inside the object `parent`.
    #[inline]
    pub fn child(&self, parent: usize, key: &str) -> Option<(usize, &Field)> {
        let Field { children, slots, .. } = self.all.get(parent)?;
        let words = Words::of(key.as_bytes());
        let mut place = words.hash();
        loop {
            // At least three slots of four are empty.
            let slot = slots.get(place & slots.len().checked_sub(1)?)?;
            let (name, id) = children.get((slot.child as usize).checked_sub(1)?)?;
            if slot.words == words && (words.length <= 16 || **name == *key) {
                return Some((*id, self.all.get(*id)?));
            }
            place += 1;
        }
    }
}

impl Words {
    #[inline(always)]
    fn of(key: &[u8]) -> Words {
        let (head, tail) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => (key.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)), 0),
        };
        Words { head, tail, length: key.len() }
    }

    /// Only keys of the schema are ever put into a table, so that no input can make them collide.
    #[inline(always)]
    fn hash(self) -> usize {
        let mixed = (self.head ^ self.tail.rotate_left(29) ^ self.length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize
    }
}

impl Field {
    /// Makes the children ready to be looked up.
    fn index(mut self) -> Field {
        let length = if self.children.is_empty() { 0 } else { (self.children.len() * 4).next_power_of_two() };
        let mut slots = vec![Slot::default(); length];
        for (child, (name, _)) in (1..).zip(&self.children) {
            let words = Words::of(name.as_bytes());
            let mut places = (0..length).map(|step| (words.hash() + step) & (length - 1));
            let free = places.find(|place| slots.get(*place).is_some_and(|slot| slot.child == 0));
            if let Some(slot) = free.and_then(|place| slots.get_mut(place)) {
                *slot = Slot { words, child };
            }
        }
        self.slots = slots.into();
        self
    }
}

/// Adds the objects on the way to each path and joins everything to its ancestors. The root comes first.
fn link(mut paths: BTreeMap<String, Field>) -> Vec<Field> {
    let dots = |path: &str| -> Vec<usize> { path.match_indices('.').map(|(i, _)| i).collect() };
    let ancestors: Vec<String> =
        paths.keys().flat_map(|path| dots(path).into_iter().filter_map(|i| path.get(..i)).map(String::from)).collect();
    for ancestor in ancestors {
        paths.entry(ancestor).or_default();
    }
    let ids: BTreeMap<String, usize> = paths.keys().cloned().zip(1..).collect();
    let mut all =
        vec![Field { children: ids.iter().map(|(p, id)| (p.as_str().into(), *id)).collect(), ..Field::default() }];
    for (path, mut field) in paths {
        let prefix = format!("{path}.");
        let below = ids.range(prefix.clone()..).take_while(|(p, _)| p.starts_with(&prefix));
        field.children = below.filter_map(|(p, id)| Some((p.get(prefix.len()..)?.into(), *id))).collect();
        field.path = path.into();
        all.push(field);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_nested_flat_and_mixed() {
        let schema = Schema { rename: [("load".to_string(), "cpu".to_string())].into(), ..Schema::default() };
        let wanted = Wanted { metrics: ["cpu", "a.b.c"].map(String::from).into() };
        let fields = Fields::new(&schema, &wanted);
        let path = |keys: &[&str]| {
            let id = keys.iter().try_fold(Fields::ROOT, |at, key| fields.child(at, key).map(|(id, _)| id))?;
            Some((fields.get(id)?.path.to_string(), fields.get(id)?.metric))
        };
        for keys in [&["a", "b", "c"][..], &["a.b", "c"], &["a", "b.c"], &["a.b.c"]] {
            assert_eq!(path(keys), Some(("a.b.c".to_string(), Some(0))), "{keys:?}");
        }
        assert_eq!(path(&["load"]), Some(("load".to_string(), Some(1))));
        assert_eq!(path(&["cpu"]), Some(("cpu".to_string(), Some(1))));
        assert_eq!(path(&["c"]), None);
        assert_eq!(path(&["a", "a"]), None);
    }
}
