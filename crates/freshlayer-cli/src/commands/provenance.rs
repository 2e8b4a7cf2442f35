use clap::ValueEnum;
use freshlayer::report::Exit;
use freshlayer::{Evidence, Wrapping, provenance};

use crate::output::{Answer, Done, Stopped};
use crate::references::ReleaseReference;
use crate::wiring::Host;

/// Print what proves where a release came from: in-toto statements, and a CycloneDX bill of materials.
///
/// One JSON document per line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    /// The release, such as 3, or its data version, such as 1.0.3; default: the current one.
    #[arg(long)]
    release: Option<ReleaseReference>,
    /// What to print; default: all.
    #[arg(long)]
    kind: Option<Kind>,
    /// Print the DSSE envelopes that a key of KMS signed, where the publisher has one.
    #[arg(long)]
    signed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// in-toto `test-result`: every check of every dataset.
    Checks,
    /// in-toto `release`: which zip the data version is.
    Release,
    /// in-toto `deployment`: the decision that functions shall be on it.
    Promotion,
    /// CycloneDX 1.6: what the zip holds, and where that came from.
    Bom,
}

impl Kind {
    fn evidence(self) -> Evidence {
        match self {
            Self::Checks => Evidence::Checks,
            Self::Release => Evidence::Release,
            Self::Promotion => Evidence::Promotion,
            Self::Bom => Evidence::Bom,
        }
    }
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let definition = host.definition(&args.layer)?;
    let release = match args.release {
        Some(release) => Some(release.number(host, &definition.layer).await?),
        None => None,
    };
    let kinds = args.kind.map(|kind| vec![kind.evidence()]);
    let kinds = kinds.unwrap_or_else(|| Evidence::ALL.to_vec());
    let wrapping = if args.signed { Wrapping::Signed } else { Wrapping::Plain };
    let engine = host.engine().await?;
    let proof = provenance(&engine, &definition, release, &kinds, wrapping).await?;
    let lines = proof.documents.iter().map(|document| format!("{document}\n")).collect();
    Ok(Done::new(Exit::Done, lines, Answer::Provenance(proof)))
}
