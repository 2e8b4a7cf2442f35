//! A local host in a temporary folder: the engine on it, and the real binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use freshlayer::definition::{Definition, Origin, SecretRef, read_file};
use freshlayer::ports::{
    Event, Events, Fetch, News, Ports, Request, Source, SourceError, Unsigned,
};
use freshlayer::report::Report;
use freshlayer::state::Owner;
use freshlayer::{Attention, Engine, LayerName, Retry};
use freshlayer_http::{HttpSource, MaxmindAccount, Settings};
use freshlayer_local::{
    CommandHook, CommandScanner, FileSource, FolderFleet, FolderRegions, FolderRegistry,
    FolderStore, LocalSecrets, ProcessPeers, SystemClock,
};
use tempfile::TempDir;

use crate::secrecy::{assert_host_keeps_secrets, assert_keeps_secrets};
use crate::upstream::{ACCOUNT_ID, LICENSE_KEY, Upstream};

/// A folder with definitions and a local host, an upstream, and nothing else.
pub struct Sandbox {
    folder: TempDir,
    /// The upstream, started over this sandbox.
    pub upstream: Upstream,
}

/// How a run of the binary ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Sandbox {
    /// Makes an empty one.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("layers")).expect("the folder is new");
        let upstream = Upstream::start(&folder.path().join("upstream"));
        Self { folder, upstream }
    }

    /// Returns a path in the sandbox.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Writes a layer's definition; `UPSTREAM` in it becomes the upstream's address.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn layer(&self, layer: &str, toml: &str) -> &Self {
        let toml = toml.replace("UPSTREAM", &self.upstream.base());
        std::fs::write(self.path("layers").join(format!("{layer}.toml")), toml)
            .expect("the definition can be written");
        self
    }

    /// Reads a layer's definition.
    ///
    /// # Panics
    /// Where it has problems.
    pub fn definition(&self, layer: &str) -> Definition {
        let file = self.path("layers").join(format!("{layer}.toml"));
        read_file(&file, &|_| None).expect("the definition holds")
    }

    /// Makes an engine on the sandbox's host.
    pub fn engine(&self) -> Engine {
        engine(&self.path("host"))
    }

    /// Returns the host's functions.
    pub fn fleet(&self) -> FolderFleet {
        fleet(&self.path("host"))
    }

    /// Refreshes a layer in this process.
    pub fn refresh(&self, layer: &str) -> Report {
        self.refresh_with(&self.engine(), layer)
    }

    /// Refreshes a layer with an engine of the caller's.
    pub fn refresh_with(&self, engine: &Engine, layer: &str) -> Report {
        let definition = self.definition(layer);
        let report = block_on(freshlayer::refresh(engine, &definition, Retry::OnChange));
        assert_keeps_secrets("a report", &format!("{report:?}"));
        report
    }

    /// Runs the real binary on the sandbox.
    ///
    /// # Panics
    /// Where it cannot be built or started.
    pub fn cli(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("the binary starts");
        Ran::of(&output)
    }

    /// Makes a command of the real binary on the sandbox.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("freshlayer"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("FRESHLAYER_HOST", "host")
            .env("MAXMIND_ACCOUNT_ID", ACCOUNT_ID)
            .env("MAXMIND_LICENSE_KEY", LICENSE_KEY);
        command
    }

    /// Reads a layer's head as JSON, without what differs from run to run: times and lease owners.
    ///
    /// # Panics
    /// Where there is no head.
    pub fn head(&self, layer: &str) -> serde_json::Value {
        let path = self.path("host/state/layers").join(layer).join("head.json");
        let bytes = std::fs::read(&path).expect("the layer has a head");
        serde_json::from_slice(&bytes).expect("the head is JSON")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        assert_host_keeps_secrets(&self.path("host"));
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Ran {
    /// Takes what a finished process left.
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_keeps_secrets("the output", &stdout);
        assert_keeps_secrets("the log", &stderr);
        Self { code: output.status.code().unwrap_or(-1), stdout, stderr }
    }

    /// Parses the JSON document that the run printed.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Makes an engine on a local host's folder, as the binary does.
///
/// # Panics
/// Where the HTTP client cannot be made.
pub fn engine(host: &Path) -> Engine {
    let http = http();
    let peers = ProcessPeers::of_this_machine();
    let owner = Owner { name: peers.own_name(), lease: Duration::from_mins(15) };
    let ports = Ports {
        source: Arc::new(Sources { http }),
        scanner: Arc::new(CommandScanner::new(variable)),
        hook: Arc::new(CommandHook::new(variable)),
        notary: Arc::new(Unsigned),
        store: Arc::new(FolderStore::new(host.join("state"))),
        regions: Arc::new(FolderRegions::new(registry(host), fleet(host))),
        clock: Arc::new(SystemClock::start()),
        peers: Arc::new(peers),
        events: Arc::new(Deaf),
    };
    Engine {
        ports,
        work: host.join("work"),
        owner,
        deadline: None,
        attention: Attention::Whole,
        patience: Duration::ZERO,
        retry_pauses: vec![Duration::ZERO; 3],
        variable: |_| None,
    }
}

/// Makes the HTTP client of engines in this process.
///
/// # Panics
/// Where it cannot be made.
pub fn http() -> HttpSource {
    let license_key = SecretRef::Variable("MAXMIND_LICENSE_KEY".to_owned());
    let maxmind = Ok(MaxmindAccount { account_id: ACCOUNT_ID.to_owned(), license_key });
    let secrets = Arc::new(LocalSecrets::new(variable));
    let settings = Settings { maxmind, secrets, pause: Duration::from_millis(5) };
    HttpSource::new(settings).expect("the client can be made")
}

/// The environment of engines in this process.
fn variable(name: &str) -> Option<String> {
    (name == "MAXMIND_LICENSE_KEY").then(|| LICENSE_KEY.to_owned())
}

fn registry(host: &Path) -> FolderRegistry {
    FolderRegistry::new(host.join("layers"))
}

fn fleet(host: &Path) -> FolderFleet {
    FolderFleet::new(host.join("functions"), registry(host))
}

/// Runs a future on a runtime of its own.
///
/// # Panics
/// Where no runtime can be made.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Parses a layer name that is known to be one.
///
/// # Panics
/// Where it is none.
pub fn layer_name(name: &str) -> LayerName {
    LayerName::parse(name).expect("a layer name")
}

struct Sources {
    http: HttpSource,
}

#[async_trait]
impl Source for Sources {
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError> {
        match request.source.origin {
            Origin::File { .. } => FileSource.fetch(request).await,
            _ => self.http.fetch(request).await,
        }
    }

    async fn news(&self, request: Request<'_>) -> Result<News, SourceError> {
        match request.source.origin {
            Origin::File { .. } => FileSource.news(request).await,
            _ => self.http.news(request).await,
        }
    }
}

/// Takes no note of events.
pub struct Deaf;

impl Events for Deaf {
    fn emit(&self, _event: &Event) {}
}

/// Builds the workspace's binaries once, as users get them, and returns the path of one.
///
/// # Panics
/// Where the build fails.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    let status = outside_of_a_package(&mut Command::new(env!("CARGO")))
        .args(["build", "--quiet", "--workspace", "--bins", "--examples"])
        .current_dir(workspace())
        .env("CARGO_TARGET_DIR", target())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the binaries can be built");
    profile()
}

/// Takes away what cargo told this test of its package. Build scripts would take it for a change, and run again each time.
pub(crate) fn outside_of_a_package(cargo: &mut Command) -> &mut Command {
    let is_told =
        |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for name in std::env::vars().map(|(name, _)| name).filter(is_told) {
        cargo.env_remove(name);
    }
    cargo
}

/// Returns the folder that this test was built in: `target/<profile>`.
fn profile() -> PathBuf {
    let own = std::env::current_exe().expect("this test has a path");
    // target/<profile>/deps/<this test>
    let profile = own.parent().and_then(Path::parent);
    profile.expect("a test lies below its profile").to_owned()
}

/// Returns cargo's target folder.
pub(crate) fn target() -> PathBuf {
    let profile = profile();
    profile.parent().expect("a profile lies below it").to_owned()
}

/// Returns the workspace's folder.
///
/// # Panics
/// Never: the tests are a member of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}
