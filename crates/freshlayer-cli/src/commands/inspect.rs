use std::fmt::Write;

use freshlayer::definition::Definition;
use freshlayer::schema::contract_toml;
use freshlayer::{Against, DatasetName, Inspection, Level, Plain};

use crate::output::lines::{advice, bytes};
use crate::output::{Answer, Done, Stopped, gates};
use crate::wiring::Host;

/// Check any file, folder or address without a definition, and propose one for it.
///
/// Nothing is released and nothing is remembered.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file, the folder, or the address (`https://…`).
    source: String,
    /// Check it as data of this layer: by the layer's definition, and against what serves.
    #[arg(long)]
    layer: Option<String>,
    /// The layer's dataset; needed where it has several.
    #[arg(long, requires = "layer")]
    dataset: Option<String>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let against = match &args.layer {
        Some(layer) => against(host, layer, args.dataset.as_deref())?,
        None => Against::Itself,
    };
    let engine = host.engine().await?;
    let inspection = freshlayer::inspect(&engine, &place(&args.source)?, against).await?;
    Ok(Done::new(inspection.exit(), lines(&inspection), Answer::Inspected(Box::new(inspection))))
}

/// Returns an address as it is, and the whole path of a file.
pub(crate) fn place(source: &str) -> Result<String, Stopped> {
    if source.starts_with("https://") || source.starts_with("http://") {
        return Ok(source.to_owned());
    }
    let fault = |error| Stopped::usage(format!("read {source}: {error}"));
    let path = std::path::absolute(source).map_err(fault)?;
    std::fs::metadata(&path).map_err(fault)?;
    path.into_os_string().into_string().map_err(|_| {
        Stopped::usage(format!("{source}: its path is no UTF-8 text, which a definition is"))
    })
}

fn against(host: &Host, layer: &str, dataset: Option<&str>) -> Result<Against, Stopped> {
    let definition = host.definition(layer)?;
    let name = dataset_of(&definition, dataset)?;
    Ok(Against::Dataset(Box::new(definition), name))
}

/// Takes the dataset that is named, or the only one.
pub(crate) fn dataset_of(
    definition: &Definition,
    asked: Option<&str>,
) -> Result<DatasetName, Stopped> {
    match (asked, &definition.datasets[..]) {
        (Some(name), _) => DatasetName::parse(name).map_err(Stopped::usage),
        (None, [only]) => Ok(only.name.clone()),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|dataset| dataset.name.as_str()).collect();
            Err(Stopped::usage(format!(
                "layer `{}` has several datasets: say which with --dataset {}",
                definition.layer,
                names.join(" | ")
            )))
        }
    }
}

fn plain_word(plain: Option<Plain>) -> &'static str {
    match plain {
        Some(Plain::Program) => " (a program)",
        Some(Plain::Page) => " (a web page)",
        Some(Plain::Other) | None => "",
    }
}

fn lines(inspection: &Inspection) -> String {
    let Inspection { source, format, plain, digest, layer, checks, definition, contract, .. } =
        inspection;
    let mut text = match (format, digest) {
        (Some(format), Some(digest)) => {
            let (plain, size) = (plain_word(*plain), bytes(inspection.size_bytes));
            format!("{source}: {format}{plain}, {size}, SHA-256 {digest}\n")
        }
        _ => format!("{source}: it cannot be unpacked\n"),
    };
    gates::listed(checks, "  ", &mut text);
    text.push_str(&advice(checks.problems(), layer.as_ref()));
    if let Some(layer) = layer {
        let fails = checks.problems().any(|problem| problem.level == Level::Fail);
        let word = if fails { "would refuse it" } else { "would take it" };
        let _ = writeln!(text, "layer {layer} {word}");
        return text;
    }
    if let Some(definition) = definition {
        let _ = write!(text, "\na definition that it passes, for `<layer>.toml`:\n\n{definition}");
    }
    if let Some(contract) = contract {
        let _ = write!(
            text,
            "\na contract that it keeps; take out what your functions do not read:\n\n{}",
            contract_toml(contract)
        );
    }
    text
}
