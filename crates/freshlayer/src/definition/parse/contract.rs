//! `contract`: what consumers rely on, per field.

use freshlayer_reader::Format;

use super::super::rules::CONTRACT_FIELDS_MAX as FIELDS_MAX;
use super::Parser;
use crate::schema::{Contract, FieldContract, mmdb_class, sqlite_class};

impl Parser<'_> {
    pub(super) fn contract(&mut self, at: &str, format: Format, contract: Contract) -> Contract {
        let message = match format {
            Format::Mmdb if contract.len() > FIELDS_MAX => {
                Some(format!("names {} fields; expected at most {FIELDS_MAX}", contract.len()))
            }
            Format::File | Format::Archive if !contract.is_empty() => {
                Some(format!("goes with format mmdb and sqlite; this dataset is {format}"))
            }
            _ => None,
        };
        if let Some(message) = message {
            self.problem(&["dataset", at, "contract"], message);
            return contract;
        }
        for (path, field) in &contract {
            self.field_contract(at, format, path, field);
            if let Some(above) = above(path, &contract) {
                let message = format!("`{above}` has to be a map or an array to hold it");
                self.problem(&["dataset", at, "contract", path], message);
            }
        }
        contract
    }

    fn field_contract(&mut self, at: &str, format: Format, path: &str, field: &FieldContract) {
        let (class_of, types): (fn(&str) -> _, _) = match format {
            Format::Mmdb => {
                (mmdb_class, "a type of the MaxMind DB format, such as string or uint32")
            }
            _ => (sqlite_class, "text, integer, real, number or blob"),
        };
        let class = field.kind.as_deref().and_then(class_of);
        if let (Some(kind), None) = (&field.kind, class) {
            let message = format!("expected {types}, found {kind:?}");
            self.problem(&["dataset", at, "contract", path, "type"], message);
            return;
        }
        for (key, message) in field.contradictions(class) {
            self.problem(&["dataset", at, "contract", path, key], message);
        }
        if format == Format::Mmdb {
            return;
        }
        if field.absent.is_some() {
            let message = "goes with format mmdb; a column is always there";
            self.problem(&["dataset", at, "contract", path, "absent"], message);
        }
        if path.split_once('.').is_none_or(|(table, column)| table.is_empty() || column.is_empty())
        {
            let message = "expected a key of the form \"table.column\"";
            self.problem(&["dataset", at, "contract", path], message);
        }
    }
}

/// Finds a field that a path leads through and that cannot hold another one.
fn above<'a>(path: &str, contract: &'a Contract) -> Option<&'a String> {
    let leads = |above: &str| {
        let rest = path.strip_prefix(above);
        rest.is_some_and(|rest| rest.starts_with('.') || rest.starts_with("[]"))
    };
    let holds = |field: &FieldContract| {
        field.kind.as_deref().is_none_or(|kind| kind == "map" || kind == "array")
    };
    contract.iter().find(|(above, field)| leads(above) && !holds(field)).map(|(above, _)| above)
}
