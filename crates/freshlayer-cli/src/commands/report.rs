use std::fs::{self, File};
use std::io::{self, IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use freshlayer::report::Exit;
use freshlayer::{Dossier, chain, dossier};

use crate::output::{Answer, Done, Form, Stopped};
use crate::wiring::Host;

/// Write a page of the layers: what serves and how old it is, who waits and why, what was rejected, what a prune would free.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all.
    layers: Vec<String>,
    /// File to write, as one HTML page; an older one is replaced. Default: standard output, unless that is a terminal.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let form = host.style.form;
    if form == Form::Lines && args.out.is_none() && io::stdout().is_terminal() {
        let words = "a terminal shows no page: write it with --out report.html, or print its data with --json";
        return Err(Stopped::usage(words));
    }
    let engine = host.engine().await?;
    let definitions = host.definitions(&args.layers)?;
    let (mut layers, mut failures) = (Vec::new(), Vec::new());
    for definition in &definitions.good {
        match dossier(&engine, definition).await {
            Ok(layer) => layers.push(layer),
            Err(error) => failures.push(format!("{}: {}", definition.layer, chain(&error))),
        }
    }
    let dossier = Dossier::of(engine.ports.clock.now(), layers, failures.clone());
    let done = match (&args.out, form) {
        (None, Form::Lines) => Done::text(freshlayer_page::page(&dossier)),
        (out, _) => {
            let page = out.as_ref().map(|file| written(file, &freshlayer_page::page(&dossier)));
            let lines = page.transpose()?.unwrap_or_default();
            Done::new(Exit::Done, lines, Answer::Dossier(Box::new(dossier)))
        }
    };
    Ok(done.failing(failures).without(definitions.problems))
}

fn written(file: &Path, page: &str) -> Result<String, Stopped> {
    replace(file, page.as_bytes())
        .map_err(|error| Stopped::failed(format!("write {}: {error}", file.display())))?;
    Ok(format!("wrote {}\n", file.display()))
}

/// Writes beside the file, then puts the finished text in its place: who reads it sees the old page or the new one.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = file.file_name().ok_or_else(|| io::Error::other("expected the name of a file"))?;
    let beside = format!(".{}.{}.part", name.to_string_lossy(), std::process::id());
    let beside = file.with_file_name(beside);
    let written = File::create_new(&beside)
        .and_then(|mut part| part.write_all(bytes).and_then(|()| part.sync_all()))
        .and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        let _was_not_made = fs::remove_file(&beside);
    }
    written
}
