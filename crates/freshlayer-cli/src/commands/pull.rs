use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use freshlayer::report::Exit;
use freshlayer::{LayerName, Pulled, Which};
use freshlayer_local::merged_zips;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Answer, Done, Stopped};
use crate::references::{LayerReference, layer_name, must_be_known};
use crate::wiring::Host;

/// Download layers and check their digests; with --to, merge them in list order, as Lambda does.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers: `NAME` for its current release, `NAME:VERSION` for a layer version by its number or for a data version such
    /// as 1.0.3, or the ARN of a layer version.
    #[arg(required = true)]
    layers: Vec<String>,
    /// Folder to create; it must not exist.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

/// One layer on this machine.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PulledLayer {
    /// The layer.
    pub(crate) layer: LayerName,
    /// The release; absent where a layer version was asked for by its ARN.
    pub(crate) release: Option<u64>,
    /// Where its zip is.
    pub(crate) zip: PathBuf,
}

/// Brings layers to this machine, and merges them where a folder is named.
pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let mut lines = String::new();
    let mut pulled = Vec::new();
    let mut zips = Vec::new();
    for layer in LayerReference::parse_all(&args.layers)? {
        let found = fetch(host, &layer).await?;
        let what = match found.release {
            Some(release) => format!("release {release}"),
            None => "the layer version".to_owned(),
        };
        let _ = writeln!(lines, "{layer}: {what} is at {}", found.zip.display());
        zips.push((found.layer.clone(), found.zip.clone()));
        pulled.push(found);
    }
    if let Some(to) = &args.to {
        if to.exists() {
            return Err(Stopped::usage(format!(
                "{} exists; name a folder that does not exist",
                to.display()
            )));
        }
        let opt = merged_zips(&zips, &host.merged())
            .map_err(|error| Stopped::failed(error.to_string()))?;
        copy(&opt, to)
            .map_err(|error| Stopped::failed(format!("copy to {}: {error}", to.display())))?;
        let _ = writeln!(lines, "merged at {}", to.display());
    }
    Ok(Done::new(Exit::Done, lines, Answer::Pulled(pulled)))
}

/// Brings one layer's zip to this machine.
pub(crate) async fn fetch(host: &Host, layer: &LayerReference) -> Result<PulledLayer, Stopped> {
    let (engine, cache) = (host.engine().await?, host.pulled());
    let (layer, wanted) = match layer {
        LayerReference::Current(layer) => {
            must_be_known(host, layer).await?;
            (layer, Which::Current)
        }
        LayerReference::Version(layer, number) => (layer, Which::LayerVersion(*number)),
        LayerReference::Release(layer, release) => {
            (layer, Which::Release(release.number(host, layer).await?))
        }
        LayerReference::Arn(arn) => {
            let zip = freshlayer::pull_version(&engine, arn, &cache).await?;
            return Ok(PulledLayer { layer: layer_name(arn.layer_name())?, release: None, zip });
        }
    };
    let Pulled { seq, zip } = freshlayer::pull(&engine, layer, wanted, &cache).await?;
    Ok(PulledLayer { layer: layer.clone(), release: Some(seq), zip })
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
