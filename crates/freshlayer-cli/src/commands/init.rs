use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use freshlayer::definition::definition_schema;
use freshlayer::report::Exit;
use freshlayer::{Against, LayerName, inspect};
use schemars::JsonSchema;
use serde::Serialize;

use super::inspect::place;
use crate::output::{Answer, Done, Stopped};
use crate::references::layer_name;
use crate::wiring::Host;

/// The file of the schema, which the first line of a definition names.
const SCHEMA_FILE: &str = "definition.schema.json";

/// Write a layer's definition to begin with: of your data, or one of the samples.
///
/// With --from the data is downloaded and checked, and the definition is one that it passes. Without it NAME is a sample: `geo`
/// (MaxMind's free City and ASN databases; needs an account), `countries` (the world's countries as SQLite) or `ffmpeg` (FFmpeg,
/// static, for Intel and AMD processors). No file is overwritten.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer; with --from the default is the name of the data, without it `geo`.
    name: Option<String>,
    /// Where the data comes from: an address (`https://…`), a file or a folder.
    #[arg(long, value_name = "URL|FILE")]
    from: Option<String>,
}

/// The definitions that freshlayer brings along.
const SAMPLES: [(&str, &str); 3] = [
    ("geo", include_str!("../../samples/geo.toml")),
    ("countries", include_str!("../../samples/countries.toml")),
    ("ffmpeg", include_str!("../../samples/ffmpeg.toml")),
];

/// The definition that was written.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Written {
    /// Its file.
    file: PathBuf,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    match (args.name, args.from) {
        (name, Some(source)) => of_data(host, name.as_deref(), &source).await,
        (name, None) => sample(host, name.as_deref().unwrap_or("geo")),
    }
}

fn sample(host: &Host, name: &str) -> Result<Done, Stopped> {
    let sample = SAMPLES.iter().find(|(known, _)| *known == name);
    let (_, text) = sample.ok_or_else(|| {
        Stopped::usage(format!(
            "there is no sample `{name}`: there are geo, countries and ffmpeg; for data of your own add --from with its address \
             or file"
        ))
    })?;
    // The sample's schema lies one folder higher than the definition's.
    let text = text.replace("../definition.schema.json", "./definition.schema.json");
    let file = file_of(host, name)?;
    write(&file, &text)?;
    Ok(written(
        file,
        "change it to what you want, then run `freshlayer check` and `freshlayer refresh`",
    ))
}

/// Writes a definition that data passes. Nothing is written before the data was checked.
async fn of_data(host: &Host, name: Option<&str>, source: &str) -> Result<Done, Stopped> {
    let named = name.map(layer_name).transpose()?;
    if let Some(layer) = &named {
        file_of(host, layer.as_str())?;
    }
    let engine = host.engine().await?;
    let inspection = inspect(&engine, &place(source)?, Against::Itself).await?;
    let refused = |why| Stopped::with_code(Exit::Rejected.code(), why);
    let definition = inspection.beginning().map_err(refused)?;
    let layer = match named {
        Some(layer) => layer,
        None => name_of(definition)?,
    };
    let file = file_of(host, layer.as_str())?;
    write(&file, &format!("#:schema ./{SCHEMA_FILE}\n{definition}"))?;
    let next = format!("look at it, then run `freshlayer refresh {layer}`");
    Ok(written(file, &next))
}

/// Takes the name of the only dataset.
fn name_of(definition: &str) -> Result<LayerName, Stopped> {
    let table: toml::Table = definition.parse().map_err(|_| unnamed())?;
    let name = table.get("dataset").and_then(|all| all.get(0)?.get("name")?.as_str());
    layer_name(name.ok_or_else(unnamed)?)
}

fn unnamed() -> Stopped {
    Stopped::usage("the layer needs a name: `freshlayer init NAME --from …`")
}

/// Names the file of a definition, which must not be there.
fn file_of(host: &Host, layer: &str) -> Result<PathBuf, Stopped> {
    let file = host.layers.join(format!("{layer}.toml"));
    if file.exists() { Err(exists(&file)) } else { Ok(file) }
}

fn exists(file: &Path) -> Stopped {
    Stopped::usage(format!("{} exists; change that one, or move it away", file.display()))
}

/// Writes a definition, and its schema where there is none.
fn write(file: &Path, text: &str) -> Result<(), Stopped> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let failed = |file: &Path, error: std::io::Error| {
        Stopped::failed(format!("write {}: {error}", file.display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let schema = folder.join(SCHEMA_FILE);
    match create(&schema, &format!("{:#}\n", definition_schema())) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(failed(&schema, error));
        }
        _ => {}
    }
    create(file, text).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(file),
        _ => failed(file, error),
    })
}

/// Makes a file that must not be there; where it cannot be written whole, none is left.
fn create(file: &Path, text: &str) -> std::io::Result<()> {
    let mut made = fs::File::create_new(file)?;
    let written = made.write_all(text.as_bytes());
    if written.is_err() {
        let _gone = fs::remove_file(file);
    }
    written
}

fn written(file: PathBuf, next: &str) -> Done {
    let lines = format!("wrote {}; {next}\n", file.display());
    Done::new(Exit::Done, lines, Answer::Written(Written { file }))
}
