use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use clap::ValueEnum;
use freshlayer::report::Exit;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// Write a layer's definition to begin with.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the layer carries.
    #[arg(value_enum, default_value_t = Sample::Geo)]
    sample: Sample,
}

/// The definitions that freshlayer brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sample {
    /// MaxMind's free City and ASN databases; needs an account.
    Geo,
    /// The world's countries as SQLite.
    Countries,
    /// FFmpeg, static, for Intel and AMD processors.
    Ffmpeg,
}

impl Sample {
    fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Geo => ("geo.toml", include_str!("../../../../layers/samples/geo.toml")),
            Self::Countries => {
                ("countries.toml", include_str!("../../../../layers/samples/countries.toml"))
            }
            Self::Ffmpeg => ("ffmpeg.toml", include_str!("../../../../layers/samples/ffmpeg.toml")),
        }
    }
}

/// The definition that was written.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Written {
    /// Its file.
    file: PathBuf,
}

pub(crate) fn run(host: &Host, args: &Args) -> Result<Done, Stopped> {
    let (name, text) = args.sample.file();
    let file = host.layers.join(name);
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Stopped::usage(format!("{} exists; change that one, or move it away", file.display()))
        }
        _ => Stopped::failed(format!("write {}: {error}", file.display())),
    };
    fs::create_dir_all(&host.layers).map_err(failed)?;
    let made = fs::File::create_new(&file).and_then(|mut made| {
        // The sample's schema lies one folder higher than the definition's.
        made.write_all(
            text.replace("../definition.schema.json", "./definition.schema.json").as_bytes(),
        )
    });
    made.map_err(failed)?;
    let lines = format!(
        "wrote {}; change it to what you want, then run `freshlayer check` and `freshlayer refresh`\n",
        file.display()
    );
    Ok(Done::new(Exit::Done, lines, Answer::Written(Written { file })))
}
