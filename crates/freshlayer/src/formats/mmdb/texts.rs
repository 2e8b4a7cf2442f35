//! The shapes of texts: `SW1A 1AA` is `AA9A 9AA`. Codes of one kind have few of them.

use std::collections::BTreeSet;

use super::Fault;
use super::decode::{Kind, Value, behind, resolved};
use super::tree::Tree;

/// How many texts and how many shapes are kept per field.
pub(super) const TEXTS_MAX: usize = 4_096;

/// Returns a text with each letter as `A` and each digit as `9`.
pub(super) fn shape_of(text: &str) -> String {
    let plain = text.chars().map(|letter| match letter {
        _ if letter.is_alphabetic() => 'A',
        _ if letter.is_numeric() => '9',
        other => other,
    });
    plain.collect()
}

/// Lists the shapes of the texts in a field, up to a few thousand: `None` where there are more.
pub(crate) fn shapes(tree: &Tree<'_>, path: &str) -> Result<Option<BTreeSet<String>>, Fault> {
    let keys: Vec<&[u8]> = path.split('.').map(str::as_bytes).collect();
    let mut found = BTreeSet::new();
    for offset in tree.records(1).flatten() {
        collect(tree.data, offset, &keys, &mut found)?;
        if found.len() > TEXTS_MAX {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

fn collect(
    data: &[u8],
    place: usize,
    keys: &[&[u8]],
    found: &mut BTreeSet<String>,
) -> Result<(), Fault> {
    let here = resolved(data, place)?.value;
    let Some((wanted, below)) = keys.split_first() else {
        if let Value::Scalar { kind: Kind::Text, start, next } = here {
            found.insert(shape_of(&String::from_utf8_lossy(&data[start..next])));
        }
        return Ok(());
    };
    let Value::Items { kind: Kind::Map, count, next } = here else { return Ok(()) };
    let mut at = next;
    for _ in 0..count {
        let key = resolved(data, at)?;
        if let Value::Scalar { kind: Kind::Text, start, next } = key.value
            && data[start..next] == **wanted
        {
            return collect(data, key.next, below, found);
        }
        at = behind(data, key.next, 0)?;
    }
    Ok(())
}
