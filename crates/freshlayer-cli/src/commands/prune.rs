use std::fmt::Write;

use freshlayer::report::Exit;
use freshlayer::{Keep, Named, Prune, Pruned, prune};

use crate::output::lines::bytes;
use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// Delete the layer versions and zips of releases that nothing uses or refers to. It looks twice before it deletes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all.
    layers: Vec<String>,
    /// Number of newest releases to keep, used or not.
    #[arg(long, value_name = "RELEASES", default_value_t = 10)]
    keep: usize,
    /// Delete also releases that a Region's parameter named in the last 30 days: a deployment that fails may go back to one.
    #[arg(long)]
    even_if_named: bool,
    /// Delete nothing; show what would be deleted, and why each other release stays.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let mode = if args.dry_run { Prune::Preview } else { Prune::Delete };
    let named = if args.even_if_named { Named::Goes } else { Named::Stays };
    let keep = Keep { newest: args.keep, named };
    let engine = host.engine().await?;
    let mut all = Vec::new();
    let definitions = host.definitions(&args.layers)?;
    for definition in &definitions.good {
        let pruned = prune(&engine, definition, keep, mode).await;
        all.push(pruned.unwrap_or_else(|error| Pruned::failed(&definition.layer, mode, &error)));
    }
    if mode == Prune::Delete {
        let gone = all.iter().flat_map(|pruned| &pruned.releases);
        host.clear_leftovers(gone.map(|release| &release.zip_sha256));
    }
    let exit = all.iter().map(Pruned::exit).fold(Exit::Done, Exit::worst);
    let lines = all.iter().map(lines).collect();
    Ok(Done::new(exit, lines, Answer::Pruned(all)).without(definitions.problems))
}

fn lines(pruned: &Pruned) -> String {
    let layer = &pruned.layer;
    if let Some(held) = &pruned.held {
        return format!("{layer}: held: {held}\n");
    }
    if pruned.releases.is_empty() && pruned.kept.is_empty() && !pruned.failures.is_empty() {
        let failures = pruned.failures.join("; ");
        return format!("{layer}: failed: {failures}; nothing was deleted\n");
    }
    let (did, nothing) = match pruned.mode {
        Prune::Delete | Prune::AfterRespite => ("pruned", "nothing to prune"),
        Prune::Preview => ("would prune", "nothing would be pruned"),
    };
    let zips = pruned.releases.iter().map(|release| release.zip_bytes);
    let (count, zips) = (pruned.releases.len(), bytes(zips.sum()));
    let mut text = match count {
        0 => format!("{layer}: {nothing}\n"),
        1 => format!("{layer}: {did} 1 release, a zip of {zips}\n"),
        _ => format!("{layer}: {did} {count} releases, zips of {zips}\n"),
    };
    for release in &pruned.releases {
        let versions = release.layer_versions.iter();
        let versions: Vec<String> =
            versions.map(|arn| format!("{}:{}", arn.region(), arn.version())).collect();
        let (seq, versions) = (release.seq, versions.join(" "));
        let _ = writeln!(text, "  release {seq}  {did}  layer version {versions}");
    }
    for kept in &pruned.kept {
        let _ = writeln!(text, "  release {}  kept: {}", kept.seq, kept.reason);
    }
    for late in &pruned.kept_too_long {
        let _ = writeln!(text, "  too old: {}", late.text);
    }
    for failure in &pruned.failures {
        let _ = writeln!(text, "  failed: {failure}; the next prune tries again");
    }
    text
}
