use clap::ValueEnum;
use freshlayer::definition::definition_schema;

use crate::output::{Document, Done};

/// Print a JSON Schema: of definitions, for editors, or of the --json report.
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
}

pub(crate) fn run(args: &Args) -> Done {
    let schema = match args.of {
        SchemaOf::Definition => definition_schema(),
        SchemaOf::Report => Document::schema(),
    };
    Done::text(format!("{schema:#}\n"))
}
