//! What a consumer gets of a layer: datasets, and of those with a contract their records and tables.

use std::collections::BTreeMap;

use freshlayer_reader::Format;

use super::CodegenError;
use crate::definition::{Dataset, Definition, FormatSpec, Origin};
use crate::formats::sqlite::quoted;
use crate::names::DatasetName;
use crate::schema::{Contract, FieldContract, Kind, StorageClass, documented, percent};

const UNWRITABLE: &str = "has an empty part or a control character, which no code can name";

/// A layer.
pub(super) struct LayerModel<'a> {
    pub(super) name: String,
    pub(super) datasets: Vec<DatasetModel<'a>>,
}

/// One of its datasets.
pub(super) struct DatasetModel<'a> {
    pub(super) name: &'a str,
    pub(super) content: Content,
}

/// What a dataset holds.
pub(super) enum Content {
    /// Records; none where no contract names their fields.
    Mmdb(Option<Record>),
    /// Tables; none where no contract names their columns.
    Sqlite(Vec<Table>),
    /// Files.
    Plain(Format),
}

/// A record of an mmdb, or an object in it.
pub(super) struct Record {
    /// The keys that lead to it; empty for the record itself.
    pub(super) path: Vec<String>,
    /// Its fields, sorted by key.
    pub(super) fields: Vec<Field>,
}

/// A field of a record.
pub(super) struct Field {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) presence: Presence,
    /// What people read of it.
    pub(super) note: String,
}

/// What a field holds.
pub(super) enum Value {
    /// One value of a type.
    Typed(Kind),
    /// A value whose type the contract does not state.
    Any,
    /// An object.
    Record(Record),
    /// A list of such values.
    List(Box<Value>),
}

/// Whether a field is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// In every record.
    Always,
    /// A boolean that stands there only when it is true.
    WhenTrue,
    /// In some records.
    Sometimes,
}

/// A table of a SQLite database.
pub(super) struct Table {
    pub(super) name: String,
    /// Its columns; the first one is the one that rows are found by.
    pub(super) columns: Vec<Column>,
}

/// A column of a table.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) class: Option<StorageClass>,
    pub(super) presence: Presence,
    /// What people read of it.
    pub(super) note: String,
}

impl<'a> LayerModel<'a> {
    pub(super) fn of(definition: &'a Definition) -> Result<Self, CodegenError> {
        let datasets = definition.datasets.iter().map(DatasetModel::of);
        Ok(Self {
            name: definition.layer.to_string(),
            datasets: datasets.collect::<Result<_, _>>()?,
        })
    }

    /// Tells whether a dataset holds something.
    pub(super) fn has(&self, wanted: fn(&Content) -> bool) -> bool {
        self.datasets.iter().any(|dataset| wanted(&dataset.content))
    }

    /// Tells whether a typed value of a record is one of those that are asked for.
    pub(super) fn has_value(&self, wanted: fn(&Value) -> bool) -> bool {
        self.datasets.iter().any(|dataset| match &dataset.content {
            Content::Mmdb(Some(record)) => record.has_value(wanted),
            _ => false,
        })
    }
}

impl Content {
    pub(super) fn is_mmdb(&self) -> bool {
        matches!(self, Self::Mmdb(_))
    }

    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

impl<'a> DatasetModel<'a> {
    fn of(dataset: &'a Dataset) -> Result<Self, CodegenError> {
        let content = match &dataset.spec {
            FormatSpec::Mmdb { .. } => {
                let contract = merged(dataset);
                let record = Node::of(&contract).record(&dataset.name)?;
                Content::Mmdb((!record.fields.is_empty()).then_some(record))
            }
            FormatSpec::Sqlite { tables, .. } => Content::Sqlite(read_tables(dataset, tables)?),
            FormatSpec::File { .. } | FormatSpec::Archive { .. } => {
                Content::Plain(dataset.format())
            }
        };
        Ok(Self { name: dataset.name.as_str(), content })
    }
}

impl Record {
    /// Says what it is.
    pub(super) fn says(&self) -> String {
        match &self.path[..] {
            [] => "One record, as far as the contract names it.".to_owned(),
            path => {
                let path = shown(&path.join("."));
                format!("The object `{path}`, as far as the contract names it.")
            }
        }
    }

    /// Returns it and every object in it, the inner ones first.
    pub(super) fn all(&self) -> Vec<&Self> {
        let inner = self.fields.iter().filter_map(|field| field.value.object());
        inner.flat_map(Self::all).chain([self]).collect()
    }

    fn has_value(&self, wanted: fn(&Value) -> bool) -> bool {
        self.fields.iter().any(|field| field.value.has(wanted))
    }
}

impl Value {
    fn object(&self) -> Option<&Record> {
        match self {
            Self::Record(record) => Some(record),
            Self::List(item) => item.object(),
            Self::Typed(_) | Self::Any => None,
        }
    }

    fn has(&self, wanted: fn(&Self) -> bool) -> bool {
        wanted(self)
            || match self {
                Self::Record(record) => record.has_value(wanted),
                Self::List(item) => item.has(wanted),
                Self::Typed(_) | Self::Any => false,
            }
    }
}

impl Table {
    /// Says what its rows are.
    pub(super) fn says(&self) -> String {
        format!("A row of the table `{}`, as far as the contract names it.", shown(&self.name))
    }

    /// Writes the query for its rows, with some white space between its clauses.
    ///
    /// A contract counts an empty text as no value whatever the column's type: it is read as NULL.
    pub(super) fn query(&self, between: &str) -> String {
        let columns = self.columns.iter().map(|column| {
            let name = quoted(&column.name);
            match column.class {
                None | Some(StorageClass::Text) => name,
                Some(_) => format!("NULLIF({name}, '') AS {name}"),
            }
        });
        let columns: Vec<String> = columns.collect();
        format!("SELECT {}{between}FROM {}", columns.join(", "), quoted(&self.name))
    }

    /// Writes the query for the rows with one value in the first column; `parameter` is what the language binds it to.
    pub(super) fn query_by_first(&self, between: &str, parameter: &str) -> String {
        let first = self.columns.first().map(|first| quoted(&first.name)).unwrap_or_default();
        format!("{}{between}WHERE {first} = {parameter}", self.query(between))
    }
}

/// The contract of an mmdb: what the definition says, and for a well-known edition what is documented.
fn merged(dataset: &Dataset) -> Contract {
    let mut contract = edition(dataset).map(documented).unwrap_or_default();
    for (path, own) in &dataset.contract {
        let known = contract.get(path).and_then(|known| known.kind.clone());
        let kind = own.kind.clone().or(known);
        contract.insert(path.clone(), FieldContract { kind, ..own.clone() });
    }
    contract
}

/// The `database_type` that a definition expects.
fn edition(dataset: &Dataset) -> Option<&str> {
    let FormatSpec::Mmdb { database_type, .. } = &dataset.spec else { return None };
    database_type.as_deref().or(match &dataset.source.origin {
        Origin::Maxmind { edition, .. } => Some(edition),
        _ => None,
    })
}

/// The tables of a contract. `expect.tables` says in which order its columns stand.
fn read_tables(
    dataset: &Dataset,
    expected: &[(String, Vec<String>)],
) -> Result<Vec<Table>, CodegenError> {
    let mut tables: BTreeMap<&str, Vec<Column>> = BTreeMap::new();
    for (path, field) in &dataset.contract {
        if path.chars().any(char::is_control) {
            let (dataset, path) = (dataset.name.clone(), path.clone());
            return Err(CodegenError::Contradiction { dataset, path, problem: UNWRITABLE });
        }
        if let Some((table, column)) = path.split_once('.') {
            tables.entry(table).or_default().push(Column::of(path, column, field));
        }
    }
    let named = |(name, mut columns): (&str, Vec<Column>)| {
        let order = expected.iter().find(|(table, _)| table == name).map(|(_, columns)| columns);
        columns.sort_by_key(|column| {
            order
                .and_then(|order| order.iter().position(|name| *name == column.name))
                .unwrap_or(usize::MAX)
        });
        Table { name: name.to_owned(), columns }
    };
    Ok(tables.into_iter().map(named).collect())
}

impl Column {
    fn of(path: &str, name: &str, field: &FieldContract) -> Self {
        let presence = if is_promised(field) { Presence::Always } else { Presence::Sometimes };
        Self {
            name: name.to_owned(),
            class: field.kind.as_deref().and_then(StorageClass::parse),
            presence,
            note: note(path, Some(field), presence, "rows"),
        }
    }
}

/// A field on its way from paths to records.
#[derive(Default)]
struct Node<'a> {
    path: String,
    contract: Option<&'a FieldContract>,
    keys: BTreeMap<&'a str, Node<'a>>,
    items: Option<Box<Node<'a>>>,
}

/// Whether every record leads through one place, or any number of items does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Record,
    Item,
}

impl<'a> Node<'a> {
    fn of(contract: &'a Contract) -> Self {
        let mut root = Self::default();
        for (path, field) in contract {
            let place = path.split('.').fold(&mut root, Self::step);
            place.contract = Some(field);
        }
        root
    }

    /// Finds or makes what one part of a path leads to: a key, and any item for each `[]` behind it.
    fn step<'n>(node: &'n mut Self, part: &'a str) -> &'n mut Self {
        let key = part.trim_end_matches("[]");
        let lists = (part.len() - key.len()) / 2;
        let dot = if node.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{key}", node.path);
        let field = node.keys.entry(key).or_insert_with(|| Self { path, ..Self::default() });
        (0..lists).fold(field, |list, _| {
            let path = format!("{}[]", list.path);
            list.items.get_or_insert_with(|| Box::new(Self { path, ..Self::default() }))
        })
    }

    /// Tells whether every record has a value there.
    fn is_promised(&self) -> bool {
        self.contract.is_some_and(is_promised)
            || self.keys.values().any(Self::is_promised)
            || self.items.as_deref().is_some_and(Self::is_promised)
    }

    fn record(&self, dataset: &DatasetName) -> Result<Record, CodegenError> {
        self.object(dataset, Within::Record, &[])
    }

    fn object(
        &self,
        dataset: &DatasetName,
        within: Within,
        above: &[String],
    ) -> Result<Record, CodegenError> {
        let mut fields = Vec::new();
        for (key, node) in &self.keys {
            if key.is_empty() || key.chars().any(char::is_control) {
                return Err(node.contradiction(dataset, UNWRITABLE));
            }
            let path = [above, &[(*key).to_owned()]].concat();
            let presence = node.presence(within);
            fields.push(Field {
                key: (*key).to_owned(),
                value: node.value(dataset, within, &path)?,
                presence,
                note: note(&node.path, node.contract, presence, "networks"),
            });
        }
        Ok(Record { path: above.to_vec(), fields })
    }

    fn presence(&self, within: Within) -> Presence {
        if self.contract.is_some_and(|field| field.absent == Some(false)) {
            Presence::WhenTrue
        } else if within == Within::Record && self.is_promised() {
            Presence::Always
        } else {
            Presence::Sometimes
        }
    }

    fn value(
        &self,
        dataset: &DatasetName,
        within: Within,
        path: &[String],
    ) -> Result<Value, CodegenError> {
        let kind = self.contract.and_then(kind);
        match (&self.items, self.keys.is_empty()) {
            (None, true) => Ok(kind.map_or(Value::Any, Value::Typed)),
            (Some(_), false) => Err(self.contradiction(dataset, "is both a list and an object")),
            (Some(items), true) => {
                self.hold(dataset, Kind::Array, "is both a value and a list")?;
                Ok(Value::List(Box::new(items.value(dataset, Within::Item, path)?)))
            }
            (None, false) => {
                self.hold(dataset, Kind::Map, "is both a value and an object")?;
                Ok(Value::Record(self.object(dataset, within, path)?))
            }
        }
    }

    /// Refuses what a contract says of a value where the paths below it make it something else.
    fn hold(
        &self,
        dataset: &DatasetName,
        is: Kind,
        problem: &'static str,
    ) -> Result<(), CodegenError> {
        let other = self.contract.and_then(kind).is_some_and(|kind| kind != is);
        let of_a_value = self.contract.is_some_and(|field| {
            !field.values.is_empty()
                || field.pattern.is_some()
                || field.min.is_some()
                || field.max.is_some()
                || field.absent.is_some()
        });
        if other || of_a_value { Err(self.contradiction(dataset, problem)) } else { Ok(()) }
    }

    fn contradiction(&self, dataset: &DatasetName, problem: &'static str) -> CodegenError {
        CodegenError::Contradiction { dataset: dataset.clone(), path: self.path.clone(), problem }
    }
}

fn kind(field: &FieldContract) -> Option<Kind> {
    let stated = field.kind.as_deref().and_then(Kind::parse);
    stated.or(field.absent.map(|_| Kind::Boolean))
}

fn is_promised(field: &FieldContract) -> bool {
    field.null_share_max == Some(0.0)
}

/// Writes a name so that it ends no comment of any language.
pub(super) fn shown(name: &str) -> String {
    name.replace("*/", "* /").replace('\\', "/")
}

/// Says where a field stands and how often it is there.
fn note(path: &str, field: Option<&FieldContract>, presence: Presence, of: &str) -> String {
    let path = shown(path);
    let share = field.and_then(|field| field.null_share_max).filter(|share| *share > 0.0);
    match (presence, share) {
        (Presence::Always, _) => format!("`{path}`; all {of} have it."),
        (Presence::WhenTrue, _) => format!("`{path}`; it is there only when it is true."),
        (Presence::Sometimes, Some(share)) => {
            format!("`{path}`; at most {} of the {of} lack it.", percent(share))
        }
        (Presence::Sometimes, None) => format!("`{path}`; it may be absent."),
    }
}
