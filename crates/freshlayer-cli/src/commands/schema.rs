use clap::ValueEnum;
use freshlayer::definition::definition_schema;
use freshlayer::report::event_schema;

use crate::output::{Document, Done};

/// Print a JSON Schema: of definitions, for editors, of the --json report, or of the events.
///
/// The events are those that the publisher puts on the event bus of AWS.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(value_enum, default_value_t = SchemaOf::Definition)]
    of: SchemaOf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemaOf {
    /// A layer definition.
    Definition,
    /// What --json prints.
    Report,
    /// What the publisher puts on the event bus.
    Event,
}

pub(crate) fn run(args: &Args) -> Done {
    let schema = match args.of {
        SchemaOf::Definition => definition_schema(),
        SchemaOf::Report => Document::schema(),
        SchemaOf::Event => event_schema(),
    };
    Done::text(format!("{schema:#}\n"))
}
