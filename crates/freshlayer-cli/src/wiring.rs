//! Puts the engine together: the only place that knows all adapters.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "aws")]
use crate::arguments::Cloud;
use crate::arguments::{Arguments, Target};
use crate::environment::{self, MAXMIND_ACCOUNT_ID, MAXMIND_LICENSE_KEY, MAXMIND_LICENSE_KEY_FILE};
use crate::output::{Stopped, Style};
use crate::progress::Progress;
use crate::references::layer_name;
use crate::sources::Sources;
use freshlayer::Engine;
use freshlayer::definition::{Definition, read_file, read_folder};
use freshlayer::ports::{Ports, Regions, Store};
use freshlayer::state::Owner;
use freshlayer_http::{Credentials, HttpSource, Secret, Settings};
use freshlayer_local::{
    FileSource, FolderFleet, FolderRegions, FolderRegistry, FolderStore, ProcessPeers, SystemClock,
    sweep,
};

/// How long a lease holds on a publisher that cannot be asked whether it lives: Lambda's longest run.
const LEASE: Duration = Duration::from_mins(15);

type StateAndRegions = (Arc<dyn Store>, Arc<dyn Regions>);

/// The folder of definitions, and where they lead to: the local host, or an AWS account.
pub(crate) struct Host {
    layers: PathBuf,
    root: PathBuf,
    work: PathBuf,
    pub(crate) style: Style,
    pub(crate) target: Target,
    #[cfg(feature = "aws")]
    cloud: Cloud,
}

impl Host {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        let work = arguments.work.clone().unwrap_or_else(|| arguments.host.join("work"));
        Self {
            layers: arguments.definitions.clone(),
            root: arguments.host.clone(),
            work,
            style: Style::of(arguments),
            target: arguments.target,
            #[cfg(feature = "aws")]
            cloud: arguments.cloud.clone(),
        }
    }

    /// Keeps a command to the local host.
    pub(crate) fn local_only(&self, command: &str, instead: &str) -> Result<(), Stopped> {
        if self.target == Target::Local {
            return Ok(());
        }
        Err(Stopped::usage(format!("`{command}` works on the local host only; {instead}")))
    }

    pub(crate) fn registry(&self) -> FolderRegistry {
        FolderRegistry::new(self.root.join("layers"))
    }

    pub(crate) fn fleet(&self) -> FolderFleet {
        FolderFleet::new(self.root.join("functions"), self.registry())
    }

    /// Where layers are merged to one `/opt`.
    pub(crate) fn merged(&self) -> PathBuf {
        self.root.join("opt")
    }

    /// Where pulled zips are kept.
    pub(crate) fn pulled(&self) -> PathBuf {
        self.root.join("pulled")
    }

    /// Makes an engine. Leftovers of runs that were killed are removed on the way.
    pub(crate) async fn engine(&self) -> Result<Engine, Stopped> {
        let settings = Settings { maxmind: maxmind_account(), ..Settings::default() };
        let http = HttpSource::new(settings)
            .map_err(|error| Stopped::failed(format!("make the HTTP client: {error}")))?;
        let peers = ProcessPeers::of_this_machine();
        sweep(&self.work, &peers);
        let owner = Owner { name: peers.own_name(), lease: LEASE };
        let (store, regions) = self.state_and_regions().await?;
        let ports = Ports {
            source: Arc::new(Sources { http, file: FileSource }),
            store,
            regions,
            clock: Arc::new(SystemClock::start()),
            peers: Arc::new(peers),
            events: Arc::new(Progress::new(self.style)),
        };
        Ok(Engine { ports, work: self.work.clone(), owner, deadline: None })
    }

    #[cfg_attr(
        not(feature = "aws"),
        expect(clippy::unused_async, reason = "the local host needs no waiting")
    )]
    async fn state_and_regions(&self) -> Result<StateAndRegions, Stopped> {
        match self.target {
            Target::Local => Ok((
                Arc::new(FolderStore::new(self.root.join("state"))),
                Arc::new(FolderRegions::new(self.registry(), self.fleet())),
            )),
            #[cfg(feature = "aws")]
            Target::Aws => self.account().await,
        }
    }

    #[cfg(feature = "aws")]
    pub(crate) async fn aws(&self) -> Result<freshlayer_aws::Aws, Stopped> {
        if self.target != Target::Aws {
            return Err(Stopped::usage("--remote needs --target aws"));
        }
        let bucket = self.cloud.bucket.clone().ok_or_else(|| {
            Stopped::usage(format!(
                "--target aws needs the bucket that holds the state: name it with --bucket or {}",
                environment::BUCKET.name
            ))
        })?;
        let settings = freshlayer_aws::Settings {
            region: self.cloud.region.clone(),
            profile: self.cloud.profile.clone(),
            bucket,
        };
        freshlayer_aws::Aws::connect(&settings)
            .await
            .map_err(|fault| Stopped::failed(fault.to_string()))
    }

    #[cfg(feature = "aws")]
    async fn account(&self) -> Result<StateAndRegions, Stopped> {
        let aws = self.aws().await?;
        Ok((Arc::new(aws.store()), Arc::new(aws.regions(freshlayer_aws::Glance::Never))))
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
            format!("read {file}, which {} names: {error}", MAXMIND_LICENSE_KEY_FILE.name)
        })?,
        None => environment::read(MAXMIND_LICENSE_KEY.name).ok_or_else(missing)?,
    };
    Ok(Credentials { account_id, license_key: Secret::new(&key) })
}
