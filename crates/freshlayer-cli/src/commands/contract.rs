use freshlayer::report::Exit;
use freshlayer::schema::contract_toml;
use freshlayer::suggest_contract;

use super::inspect::place;
use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// Write down what consumers rely on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Propose a contract that a file's data keeps: types, how often a value may be missing, codes.
    Suggest {
        /// The file, packed or not, or its address (`https://…`).
        source: String,
    },
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let What::Suggest { source } = args.what;
    let engine = host.engine().await?;
    let contract = suggest_contract(&engine, &place(&source)?).await?;
    Ok(Done::new(Exit::Done, contract_toml(&contract), Answer::Contract(contract)))
}
