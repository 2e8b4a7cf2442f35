use super::{Counted, missing};
use crate::formats::mmdb::{Fault, Shape, Tree, Watch, count_texts, watched};
use crate::problem::{Code, GateReport, Problem};
use crate::schema::{Contract, FieldContract, Kind, NamedValues, built_in};

/// Fewer records are an excerpt of a well-known database: its shares say nothing.
const RECORDS_OF_AN_EDITION_MIN: u64 = 10_000;

/// A field that a contract names.
pub(in crate::intake::inspect) struct Named {
    path: String,
    contract: FieldContract,
    by: By,
}

/// Who names a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The definition.
    Definition,
    /// Ours, for a well-known database.
    Edition,
}

/// Lists the fields that the definition names, and those that everyone relies on in such a database.
pub(in crate::intake::inspect) fn named(own: &Contract, database_type: &str) -> Vec<Named> {
    let name = |by: By| {
        move |(path, contract): (&String, &FieldContract)| Named {
            path: path.clone(),
            contract: contract.clone(),
            by,
        }
    };
    let known = built_in(database_type);
    let known = known.iter().filter(|(path, _)| !own.contains_key(*path));
    own.iter().map(name(By::Definition)).chain(known.map(name(By::Edition))).collect()
}

impl Named {
    /// Makes what the walk over all records keeps an eye on.
    pub(in crate::intake::inspect) fn watch(fields: &[Self]) -> Watch {
        // A pattern that is none is the definition's to refuse.
        let rule = |named: &Self| named.contract.rule().unwrap_or_default();
        Watch::new(fields.iter().map(|named| (named.path.as_str(), rule(named))))
    }

    /// Tells whether it is of no concern in so small a database.
    fn is_excerpt(&self, shape: &Shape) -> bool {
        self.by == By::Edition && shape.records < RECORDS_OF_AN_EDITION_MIN
    }
}

/// Judges the records of an mmdb.
pub(in crate::intake::inspect) fn judge(
    fields: &[Named],
    tree: &Tree<'_>,
    shape: &Shape,
    gates: &mut GateReport,
) {
    if fields.is_empty() {
        return;
    }
    for id in [Code::ContractField, Code::ContractType, Code::ContractNull, Code::ContractValue] {
        gates.judge(id, None);
    }
    gates.measured(Code::ContractField, format!("{} fields named", fields.len()));
    let (networks, counts) = watched(tree, shape);
    for (named, count) in fields.iter().zip(&counts) {
        let at = format!("field {}", named.path);
        gates.judge(Code::ContractField, absent(named, shape));
        gates.judge(Code::ContractType, other_types(named, shape));
        let mut contract = named.contract.clone();
        if named.is_excerpt(shape) {
            contract.null_share_max = None;
        }
        let counted = Counted {
            at,
            contract: &contract,
            of: "networks",
            whole: networks,
            values: count.values,
            breaches: count.breaches,
            first: count.first.as_ref(),
        };
        counted.judge(gates);
    }
}

/// Counts the networks with each value that the definition lists. Looks at `values_max` values per field at most.
pub(in crate::intake::inspect) fn named_values(
    contract: &Contract,
    tree: &Tree<'_>,
    values_max: u64,
) -> Result<NamedValues, Fault> {
    let listing = contract.iter().filter(|(_, field)| !field.values.is_empty());
    let counted = listing.map(|(path, field)| {
        Ok((path.clone(), count_texts(tree, path, &field.values, values_max)?))
    });
    counted.collect()
}

fn kinds<'a>(path: &'a str, shape: &'a Shape) -> impl Iterator<Item = (Kind, usize)> + 'a {
    let fields = shape.fields.iter();
    fields.filter(move |((at, _), _)| at == path).map(|((_, kind), offset)| (*kind, *offset))
}

fn absent(named: &Named, shape: &Shape) -> Option<Problem> {
    let may_lack = named.by == By::Edition || named.contract.absent.is_some();
    let is_there = kinds(&named.path, shape).next().is_some();
    (!may_lack && !is_there).then(|| {
        missing("the field in some record", "none with it", format!("field {}", named.path))
    })
}

fn other_types(named: &Named, shape: &Shape) -> Vec<Problem> {
    let Some(wanted) = named.contract.kind.as_deref() else { return Vec::new() };
    let others = kinds(&named.path, shape).filter(|(kind, _)| kind.to_string() != wanted);
    let problem = |(kind, offset): (Kind, usize)| {
        Problem::fail(Code::ContractType, wanted, kind.to_string())
            .at(format!("field {}, first at data offset {offset}", named.path))
    };
    others.map(problem).collect()
}
