//! Puts the engine together: the only place that knows all adapters.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use freshlayer::definition::{Definition, read_file, read_folder};
use freshlayer::ports::Ports;
use freshlayer::state::Session;
use freshlayer::{Engine, LayerName, LayerVersionArn};
use freshlayer_http::{Credentials, HttpSource, Secret, Settings};
use freshlayer_local::{
    FileSource, FolderFleet, FolderRegistry, FolderStore, ProcessPeers, REGION, SystemClock, sweep,
};

use crate::arguments::Arguments;
use crate::environment::{self, MAXMIND_ACCOUNT_ID, MAXMIND_LICENSE_KEY, MAXMIND_LICENSE_KEY_FILE};
use crate::output::{Stopped, Style};
use crate::progress::Progress;
use crate::sources::Sources;

/// How long a lease holds on a publisher that cannot be asked whether it lives: Lambda's longest run.
const LEASE: Duration = Duration::from_mins(15);

/// The local host and the folder of definitions.
pub(crate) struct Host {
    layers: PathBuf,
    root: PathBuf,
    work: PathBuf,
    style: Style,
}

impl Host {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let work = arguments
            .work
            .clone()
            .unwrap_or_else(|| arguments.host.join("work"));
        Self {
            layers: arguments.definitions.clone(),
            root: arguments.host.clone(),
            work,
            style: Style::of(arguments),
        }
    }

    pub(crate) fn registry(&self) -> FolderRegistry {
        FolderRegistry::new(self.root.join("layers"))
    }

    pub(crate) fn fleet(&self) -> FolderFleet {
        FolderFleet::new(self.root.join("functions"), self.registry())
    }

    pub(crate) fn merged(&self) -> PathBuf {
        self.root.join("opt")
    }

    /// Makes an engine. Leftovers of runs that were killed are removed on the way.
    pub(crate) fn engine(&self) -> Result<Engine, Stopped> {
        let settings = Settings {
            maxmind: maxmind_account(),
            ..Settings::default()
        };
        let http = HttpSource::new(settings)
            .map_err(|error| Stopped::failed(format!("make the HTTP client: {error}")))?;
        let peers = ProcessPeers::of_this_machine();
        sweep(&self.work, &peers);
        let owner = peers.own_name();
        let ports = Ports {
            source: Arc::new(Sources {
                http,
                file: FileSource,
            }),
            store: Arc::new(FolderStore::new(self.root.join("state"))),
            registry: Arc::new(self.registry()),
            fleet: Arc::new(self.fleet()),
            clock: Arc::new(SystemClock::start()),
            peers: Arc::new(peers),
            events: Arc::new(Progress::new(self.style)),
        };
        Ok(Engine {
            ports,
            work: self.work.clone(),
            owner,
            lease: LEASE,
        })
    }

    /// Reads the definitions of some layers, or of all.
    pub(crate) fn definitions(&self, names: &[String]) -> Result<Vec<Definition>, Stopped> {
        if names.is_empty() {
            return read_folder(&self.layers, &environment::read).map_err(Stopped::definition);
        }
        let (mut definitions, mut problems) = (Vec::new(), Vec::new());
        for name in names {
            let layer = layer_name(name)?;
            let file = self.layers.join(format!("{layer}.toml"));
            if !file.exists() {
                return Err(Stopped::usage(format!(
                    "there is no layer `{layer}`: expected its definition at {}",
                    file.display()
                )));
            }
            match read_file(&file, &environment::read) {
                Ok(definition) => definitions.push(definition),
                Err(found) => problems.extend(found),
            }
        }
        match problems.is_empty() {
            true => Ok(definitions),
            false => Err(Stopped::definition(problems)),
        }
    }

    /// Finds a layer version: `NAME` at its current release, or `NAME:VERSION`.
    pub(crate) async fn layer_version(&self, text: &str) -> Result<LayerVersionArn, Stopped> {
        if let Some((name, version)) = text.split_once(':') {
            let number = version.parse::<u64>().ok().filter(|number| *number > 0);
            let number = number.ok_or_else(|| {
                Stopped::usage(format!("expected NAME or NAME:VERSION, found {text:?}"))
            })?;
            return Ok(FolderRegistry::arn(&layer_name(name)?, number));
        }
        let layer = layer_name(text)?;
        let engine = self.engine()?;
        let session = Session::open(&engine, &layer)
            .await
            .map_err(Stopped::from)?;
        let head = session.head();
        let version = head.desired().and_then(|seq| head.version(seq, REGION));
        version.cloned().ok_or_else(|| {
            Stopped::usage(format!(
                "layer `{layer}` has no version yet: run `freshlayer refresh {layer}` first"
            ))
        })
    }
}

pub(crate) fn layer_name(text: &str) -> Result<LayerName, Stopped> {
    LayerName::parse(text).map_err(|error| Stopped::usage(format!("layer name: {error}")))
}

/// Finds the account; what is missing is said by the first source that needs it.
fn maxmind_account() -> Result<Credentials, String> {
    let missing = || {
        format!(
            "a maxmind source needs an account: set {} and {}, or {}",
            MAXMIND_ACCOUNT_ID.name, MAXMIND_LICENSE_KEY.name, MAXMIND_LICENSE_KEY_FILE.name
        )
    };
    let account_id = environment::read(MAXMIND_ACCOUNT_ID.name).ok_or_else(missing)?;
    let key = match environment::read(MAXMIND_LICENSE_KEY_FILE.name) {
        Some(file) => std::fs::read_to_string(&file).map_err(|error| {
            format!(
                "read {file}, which {} names: {error}",
                MAXMIND_LICENSE_KEY_FILE.name
            )
        })?,
        None => environment::read(MAXMIND_LICENSE_KEY.name).ok_or_else(missing)?,
    };
    Ok(Credentials {
        account_id,
        license_key: Secret::new(&key),
    })
}
