use std::fmt::Write as _;
use std::path::Path;

use freshlayer_local::merged_zips;

use crate::output::{CommandResult, Done, Stopped};
use crate::wiring::Host;

/// Brings layers to this machine, and merges them where a folder is named.
pub(crate) async fn run(
    host: &Host,
    layers: &[String],
    to: Option<&Path>,
) -> Result<Done, Stopped> {
    let mut lines = String::new();
    let mut pulled = Vec::new();
    let mut zips = Vec::new();
    for layer in layers {
        let found = host.pull(layer).await?;
        let what = match found.release {
            Some(release) => format!("release {release}"),
            None => "the layer version".to_owned(),
        };
        let _ = writeln!(lines, "{layer}: {what} is at {}", found.zip.display());
        zips.push((found.layer.clone(), found.zip.clone()));
        pulled.push(found);
    }
    if let Some(to) = to {
        if to.exists() {
            return Err(Stopped::usage(format!(
                "{} exists; name a folder that is not there yet",
                to.display()
            )));
        }
        let opt = merged_zips(&zips, &host.merged())
            .map_err(|error| Stopped::failed(error.to_string()))?;
        copy(&opt, to)
            .map_err(|error| Stopped::failed(format!("copy to {}: {error}", to.display())))?;
        let _ = writeln!(lines, "merged at {}", to.display());
    }
    Ok(Done { exit: freshlayer::report::Exit::Done, lines, result: CommandResult::Pulled(pulled) })
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
