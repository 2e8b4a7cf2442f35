//! Puts the engine together: the only place that knows all adapters.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "aws")]
use crate::account::Account;
#[cfg(not(feature = "aws"))]
use crate::arguments::NO_AWS;
use crate::arguments::{Arguments, Cloud, Target};
use crate::definitions::Definitions;
use crate::environment::{self, MAXMIND_ACCOUNT_ID, MAXMIND_LICENSE_KEY, MAXMIND_LICENSE_KEY_FILE};
use crate::hooks::Hooks;
use crate::output::{Stopped, Style};
use crate::progress::Progress;
use crate::scanners::Scanners;
use crate::sources::Sources;
use crate::vault::Vault;
use freshlayer::definition::{Definition, SecretRef};
use freshlayer::ports::{FunctionName, Notary, Ports, Regions, Store, Unsigned};
use freshlayer::state::Owner;
use freshlayer::{Attention, Digest, Engine, LayerName};
use freshlayer_http::{HttpSource, MaxmindAccount, Settings};
use freshlayer_local::{
    CommandHook, CommandScanner, FileSource, FolderFleet, FolderRegions, FolderRegistry,
    FolderStore, HostFolders, LocalSecrets, ProcessPeers, Refreshes, Runner, SystemClock, clear,
    sweep,
};
use jiff::Timestamp;
use nix::unistd::{User, getuid};

/// How long a lease holds on a publisher that cannot be asked whether it lives: Lambda's longest run.
const LEASE: Duration = Duration::from_mins(15);

/// A publisher's lease ends before that, also where it crashed.
const PATIENCE: Duration = Duration::from_mins(17);

/// How long a run waits before it tries again what failed for now.
const RETRY_PAUSES_SECS: [u64; 3] = [1, 3, 10];

type StateAndRegions = (Arc<dyn Store>, Arc<dyn Regions>);

/// The folder of definitions, and where they lead to: the local host, or an AWS account.
pub(crate) struct Host {
    pub(crate) layers: PathBuf,
    root: PathBuf,
    work: PathBuf,
    pub(crate) style: Style,
    pub(crate) target: Target,
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "this build has no AWS"))]
    cloud: Cloud,
}

/// The local host's folder as it was before a command.
pub(crate) struct HostFolder {
    root: PathBuf,
    is_there: bool,
}

impl HostFolder {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        Self { root: arguments.host.clone(), is_there: arguments.host.exists() }
    }

    /// Has git leave out a folder that the command made. One that was there is its owner's matter.
    pub(crate) fn keep_out_of_git(&self) {
        if !self.is_there && self.root.is_dir() {
            let ignored = File::create_new(self.root.join(".gitignore"));
            let _it_works_without = ignored.and_then(|mut file| file.write_all(b"*\n"));
        }
    }
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
        let fleet = FolderFleet::new(self.root.join("functions"), self.registry());
        let Ok(freshlayer) = std::env::current_exe() else { return fleet };
        let (host, variables) = (self.root.clone(), environment::read);
        fleet.with_runner(Runner { freshlayer, host, variables })
    }

    /// Where layers are merged to one `/opt`.
    pub(crate) fn merged(&self) -> PathBuf {
        self.root.join("opt")
    }

    /// Names the person who orders, for all who see the order later: on AWS the caller's ARN, where it can be had.
    #[cfg_attr(not(feature = "aws"), expect(clippy::unused_async, reason = "AWS is asked"))]
    pub(crate) async fn person(&self) -> String {
        #[cfg(feature = "aws")]
        if self.target == Target::Aws
            && let Ok(aws) = Account::new(&self.cloud).connected().await
            && let Ok(arn) = aws.caller().await
        {
            return arn;
        }
        let user = User::from_uid(getuid()).ok().flatten().map(|user| user.name);
        let user = user.unwrap_or_else(|| getuid().to_string());
        format!("{user}@{}", ProcessPeers::of_this_machine().machine())
    }

    /// Where pulled zips are kept.
    pub(crate) fn pulled(&self) -> PathBuf {
        self.root.join("pulled")
    }

    /// Notes that a layer was refreshed on the local host. A time that cannot be written is missing in `status`.
    pub(crate) fn note_refresh(&self, layer: &LayerName, at: Timestamp) {
        if self.target == Target::Local {
            let _missing = self.refreshes().note(layer, at);
        }
    }

    /// Returns when a layer was last refreshed on the local host.
    pub(crate) fn refreshed(&self, layer: &LayerName) -> Option<Timestamp> {
        (self.target == Target::Local).then(|| self.refreshes().last(layer)).flatten()
    }

    fn refreshes(&self) -> Refreshes {
        Refreshes::new(self.root.join("refreshed"))
    }

    /// Removes what this machine keeps of pruned releases and of runs that were killed.
    pub(crate) fn clear_leftovers<'a>(&self, pruned: impl Iterator<Item = &'a Digest>) {
        let folders = HostFolders {
            root: &self.root,
            state: &self.state(),
            pulled: &self.pulled(),
            merged: &self.merged(),
        };
        clear(folders, pruned);
    }

    fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Makes an engine. Leftovers of runs that were killed are removed on the way.
    pub(crate) async fn engine(&self) -> Result<Engine, Stopped> {
        #[cfg(feature = "aws")]
        let account = Arc::new(Account::new(&self.cloud));
        let vault = Vault {
            local: LocalSecrets::new(environment::read),
            #[cfg(feature = "aws")]
            account: Arc::clone(&account),
        };
        let settings = Settings {
            maxmind: maxmind_account(),
            secrets: Arc::new(vault),
            pause: Settings::PAUSE,
        };
        let http = HttpSource::new(settings)
            .map_err(|error| Stopped::failed(format!("make the HTTP client: {error}")))?;
        let http_hook = http.hook();
        let peers = ProcessPeers::of_this_machine();
        sweep(&self.work, &peers);
        let owner = Owner { name: peers.own_name(), lease: LEASE };
        let (store, regions) = self.state_and_regions().await?;
        let progress = Arc::new(Progress::new(self.style));
        let ports = Ports {
            source: Arc::new(Sources {
                http,
                file: FileSource,
                progress: Arc::clone(&progress),
                #[cfg(feature = "aws")]
                account: Arc::clone(&account),
            }),
            scanner: Arc::new(Scanners {
                local: CommandScanner::new(environment::read),
                #[cfg(feature = "aws")]
                account: (self.target == Target::Aws).then(|| Arc::clone(&account)),
            }),
            hook: Arc::new(Hooks {
                command: CommandHook::new(environment::read),
                http: http_hook,
                #[cfg(feature = "aws")]
                account: (self.target == Target::Aws).then_some(account),
            }),
            notary: self.notary().await?,
            store,
            regions,
            clock: Arc::new(SystemClock::start()),
            peers: Arc::new(peers),
            events: progress,
        };
        Ok(Engine {
            ports,
            work: self.work.clone(),
            owner,
            deadline: None,
            attention: Attention::Whole,
            patience: PATIENCE,
            retry_pauses: RETRY_PAUSES_SECS.map(Duration::from_secs).to_vec(),
            variable: crate::environment::read,
        })
    }

    #[cfg(feature = "aws")]
    async fn notary(&self) -> Result<Arc<dyn Notary>, Stopped> {
        match (self.target, environment::read(environment::SIGNING_KEY.name)) {
            (Target::Aws, Some(key)) => Ok(Arc::new(self.aws().await?.notary(key))),
            _ => Ok(Arc::new(Unsigned)),
        }
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "as in a build with AWS")]
    async fn notary(&self) -> Result<Arc<dyn Notary>, Stopped> {
        Ok(Arc::new(Unsigned))
    }

    async fn state_and_regions(&self) -> Result<StateAndRegions, Stopped> {
        match self.target {
            Target::Local => Ok((
                Arc::new(FolderStore::new(self.state())),
                Arc::new(FolderRegions::new(self.registry(), self.fleet())),
            )),
            Target::Aws => self.account().await,
        }
    }

    #[cfg(feature = "aws")]
    pub(crate) async fn aws(&self) -> Result<freshlayer_aws::Aws, Stopped> {
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
        Ok((Arc::new(aws.store()), Arc::new(aws.regions())))
    }

    /// Returns the ARNs of a deployed function's layers, in its order.
    #[cfg(feature = "aws")]
    pub(crate) async fn deployed_layers(
        &self,
        function: &FunctionName,
        alias: Option<&str>,
    ) -> Result<Vec<String>, Stopped> {
        let fleet = self.aws().await?.fleet();
        let found = fleet.layers_of(function, alias).await;
        found.map_err(|fault| Stopped::failed(fault.to_string()))
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "as in a build with AWS")]
    async fn account(&self) -> Result<StateAndRegions, Stopped> {
        Err(Stopped::usage(NO_AWS))
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "as in a build with AWS")]
    pub(crate) async fn deployed_layers(
        &self,
        _function: &FunctionName,
        _alias: Option<&str>,
    ) -> Result<Vec<String>, Stopped> {
        Err(Stopped::usage(NO_AWS))
    }

    /// Reads the definitions of some layers, or of all. A bad one leaves out its own layer.
    pub(crate) fn definitions(&self, names: &[String]) -> Result<Definitions, Stopped> {
        let found = match names {
            [] => Definitions::all(&self.layers).some()?,
            _ => Definitions::named(&self.layers, names)?.some()?,
        };
        Ok(match self.target {
            Target::Local => found,
            Target::Aws => found.on_aws(),
        })
    }

    /// Reads the definition of one layer.
    pub(crate) fn definition(&self, name: &str) -> Result<Definition, Stopped> {
        let mut found = self.definitions(&[name.to_owned()])?;
        Ok(found.good.remove(0))
    }
}

/// Finds the account, or says what is missing. The licence key itself is read when it is sent.
pub(crate) fn maxmind_account() -> Result<MaxmindAccount, String> {
    let missing = || {
        format!(
            "a maxmind source needs an account: set {} and, for its licence key, {} or {}",
            MAXMIND_ACCOUNT_ID.name, MAXMIND_LICENSE_KEY.name, MAXMIND_LICENSE_KEY_FILE.name
        )
    };
    let account_id = environment::read(MAXMIND_ACCOUNT_ID.name).ok_or_else(missing)?;
    let license_key = if let Some(file) = environment::read(MAXMIND_LICENSE_KEY_FILE.name) {
        SecretRef::File { path: PathBuf::from(&file), written: file }
    } else {
        environment::read(MAXMIND_LICENSE_KEY.name).ok_or_else(missing)?;
        SecretRef::Variable(MAXMIND_LICENSE_KEY.name.to_owned())
    };
    Ok(MaxmindAccount { account_id, license_key })
}
