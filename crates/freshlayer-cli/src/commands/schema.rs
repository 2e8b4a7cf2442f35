use freshlayer::definition::definition_schema;
use freshlayer::report::Exit;
use schemars::schema_for;

use crate::arguments::SchemaOf;
use crate::output::{CommandResult, Done, Printed};

pub(crate) fn run(of: SchemaOf) -> Done {
    let schema = match of {
        SchemaOf::Definition => definition_schema(),
        SchemaOf::Report => schema_for!(Printed<'_>).to_value(),
    };
    let lines = format!("{schema:#}\n");
    Done { exit: Exit::Done, lines: lines.clone(), result: CommandResult::Text(lines) }
}
