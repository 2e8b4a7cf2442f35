//! Every implementation of a port against the port's one suite.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use freshlayer::LayerVersionArn;
use freshlayer::definition::{
    Destinations, RequestHeaders, RolloutHook, ScanHook, SourceUrl, Terms,
};
use freshlayer::faults::Faults;
use freshlayer::ports::{Fleet, FunctionName, Ports, Publication, Region, Registry};
use freshlayer_local::{FolderFleet, FolderRegistry, FolderStore, NewFunction};
use freshlayer_tests::contracts::{self, Asked, FleetBench, Hooks, Hosts};
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Sandbox, block_on, http, layer_name};
use url::Url;

/// The ports of a sandbox, wrapped in faults that never strike: the wrapper must be invisible.
fn wrapped(sandbox: &Sandbox) -> Ports {
    Faults::new(|_, _| None, || {}).around(&sandbox.engine().ports)
}

fn home(ports: &Ports) -> Region {
    let mut regions = block_on(ports.regions.of(&Destinations::default()));
    regions.remove(0)
}

#[test]
fn folder_store() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    block_on(contracts::store(&|| Arc::new(FolderStore::new(folder.path()))));
}

#[test]
fn store_behind_faults_that_never_strike() {
    let store = wrapped(&Sandbox::new()).store;
    block_on(contracts::store(&|| Arc::clone(&store)));
}

#[test]
fn folder_registry() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    block_on(contracts::registry(&FolderRegistry::new(folder.path()), Hosts::Nobody));
}

#[test]
fn registry_behind_faults_that_never_strike() {
    block_on(contracts::registry(home(&wrapped(&Sandbox::new())).registry.as_ref(), Hosts::Nobody));
}

struct LocalBench {
    fleet: FolderFleet,
    observed: Arc<dyn Fleet>,
    registry: FolderRegistry,
    zip: tempfile::NamedTempFile,
}

impl LocalBench {
    fn new(host: &Path, observed: Option<Arc<dyn Fleet>>) -> Self {
        let registry = FolderRegistry::new(host.join("layers"));
        let fleet = FolderFleet::new(host.join("functions"), registry.clone());
        let zip = tempfile::NamedTempFile::new().expect("a temporary file");
        let writer = zip::ZipWriter::new(zip.reopen().expect("a temporary file"));
        writer.finish().expect("an empty zip");
        let observed = observed.unwrap_or_else(|| Arc::new(fleet.clone()));
        Self { fleet, observed, registry, zip }
    }
}

#[async_trait]
impl FleetBench for LocalBench {
    fn fleet(&self) -> &dyn Fleet {
        self.observed.as_ref()
    }

    async fn layer_version(&self, layer: &str) -> LayerVersionArn {
        let zip = self.zip.path();
        let sha256 = freshlayer::sha256_of(zip).expect("readable");
        let layer = layer_name(layer);
        let publication = Publication {
            layer: &layer,
            description: "a version",
            zip,
            sha256: &sha256,
            terms: &Terms::default(),
        };
        self.registry.publish(publication).await.expect("publishable").arn
    }

    async fn function(
        &self,
        name: &str,
        layers: &[LayerVersionArn],
        aliases: &[&str],
        tags: &[(&str, &str)],
    ) {
        let own = |text: &&str| (*text).to_owned();
        let tags: BTreeMap<String, String> = tags.iter().map(|(k, v)| (own(k), own(v))).collect();
        let new = NewFunction {
            name: FunctionName::parse(name).expect("a function name"),
            layers: layers.to_vec(),
            aliases: aliases.iter().map(own).collect(),
            tags,
            program: Vec::new(),
        };
        self.fleet.add(new).expect("the function is new");
    }

    async fn deploy(&self, name: &str) {
        let name = FunctionName::parse(name).expect("a function name");
        self.fleet.edit(&name, |function| Ok(function.deploy("other code"))).expect("it is there");
    }
}

#[test]
fn folder_fleet() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    block_on(contracts::fleet(&LocalBench::new(folder.path(), None)));
}

#[test]
fn fleet_behind_faults_that_never_strike() {
    let sandbox = Sandbox::new();
    let (_, fleet) = home(&wrapped(&sandbox)).fleets.remove(0);
    block_on(contracts::fleet(&LocalBench::new(&sandbox.path("host"), Some(fleet))));
}

fn shell(script: &str) -> ScanHook {
    ScanHook::Command(["sh", "-c", script].map(str::to_owned).to_vec())
}

/// Commands of every kind.
fn commands() -> Hooks {
    Hooks {
        clears: shell("exit 0"),
        refuses: shell("echo malware; exit 1"),
        waits: shell("echo queue >&2; exit 75"),
        unclear: shell("exit 3"),
        missing: ScanHook::Command(vec!["/nowhere/scanner".to_owned()]),
    }
}

#[test]
fn command_scanner() {
    let sandbox = Sandbox::new();
    let scanner = sandbox.engine().ports.scanner;
    block_on(contracts::scanner(scanner.as_ref(), &commands(), &sandbox.path("layer.zip")));
}

#[test]
fn scanner_behind_faults_that_never_strike() {
    let sandbox = Sandbox::new();
    let scanner = wrapped(&sandbox).scanner;
    block_on(contracts::scanner(scanner.as_ref(), &commands(), &sandbox.path("layer.zip")));
}

fn asked_commands() -> Asked {
    let shell = |script: &str| RolloutHook::Command(["sh", "-c", script].map(str::to_owned).into());
    Asked {
        answers: shell(r#"printf '{"verdict": "proceed", "reason": %s}' "$(cat)""#),
        chatters: shell("head -c 20000 /dev/zero"),
        fails: shell("echo out of order; exit 1"),
        missing: RolloutHook::Command(vec!["/nowhere/hook".to_owned()]),
        other: RolloutHook::Lambda("hook".to_owned()),
    }
}

#[test]
fn command_hook() {
    let sandbox = Sandbox::new();
    block_on(contracts::hook(sandbox.engine().ports.hook.as_ref(), &asked_commands()));
}

#[test]
fn hook_behind_faults_that_never_strike() {
    let sandbox = Sandbox::new();
    block_on(contracts::hook(wrapped(&sandbox).hook.as_ref(), &asked_commands()));
}

#[test]
fn http_hook() {
    let sandbox = Sandbox::new();
    let hook = |path: &str| {
        let url = Url::parse(&format!("{}/hooks/{path}", sandbox.upstream.base()));
        let url = SourceUrl::new("https://example.org", url.expect("an address"));
        RolloutHook::Https { url, headers: RequestHeaders::default() }
    };
    let asked = Asked {
        answers: hook("answers"),
        chatters: hook("chatters"),
        fails: hook("fails"),
        missing: hook("missing"),
        other: RolloutHook::Lambda("hook".to_owned()),
    };
    block_on(contracts::hook(&http().hook(), &asked));
}

#[test]
fn https_source() {
    let sandbox = Sandbox::new();
    sandbox.upstream.publish("data", b"first");
    let toml = "[[dataset]]\nname = 'x'\nformat = 'file'\nsource.https = 'UPSTREAM/files/data'";
    let spec = sandbox.layer("x", toml).definition("x").datasets.remove(0).source;
    let change = || {
        sandbox.upstream.publish("data", b"second, and longer");
        b"second, and longer".to_vec()
    };
    let source = sandbox.engine().ports.source;
    let first = b"first".to_vec();
    block_on(contracts::source(source.as_ref(), &spec, <[u8]>::to_vec, change, first));
}

#[test]
fn file_source() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("data");
    std::fs::write(&file, b"first").expect("writable");
    let toml =
        format!("[[dataset]]\nname = 'x'\nformat = 'file'\nsource.file = '{}'", file.display());
    let spec = sandbox.layer("x", &toml).definition("x").datasets.remove(0).source;
    let change = || {
        std::fs::write(&file, b"second, and longer").expect("writable");
        b"second, and longer".to_vec()
    };
    let source = sandbox.engine().ports.source;
    let first = b"first".to_vec();
    block_on(contracts::source(source.as_ref(), &spec, <[u8]>::to_vec, change, first));
}

#[test]
fn maxmind_source() {
    let sandbox = Sandbox::new();
    let (first, second) = (Mmdb::default().bytes(), Mmdb::later(3).bytes());
    sandbox.upstream.publish_edition("GeoLite2-Country", "20260915", &first);
    let toml = "[[dataset]]\nname = 'x'\nformat = 'mmdb'\nsource.maxmind = 'GeoLite2-Country'\n\
                source.host = 'UPSTREAM'";
    let spec = sandbox.layer("x", toml).definition("x").datasets.remove(0).source;
    let change = || {
        sandbox.upstream.publish_edition("GeoLite2-Country", "20260918", &second);
        second.clone()
    };
    let source = sandbox.engine().ports.source;
    block_on(contracts::source(source.as_ref(), &spec, mmdb_in_tar, change, first));
    let seen = sandbox.upstream.seen();
    let presigned: Vec<_> = seen.iter().filter(|s| s.path.starts_with("/presigned")).collect();
    assert!(!presigned.is_empty() && presigned.iter().all(|request| !request.authorized));
}

fn mmdb_in_tar(body: &[u8]) -> Vec<u8> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(body));
    let mut entries = tar.entries().expect("a tar");
    let found = entries.find_map(|entry| {
        let mut entry = entry.expect("a whole tar");
        let is_mmdb = entry.path().is_ok_and(|p| p.extension().is_some_and(|e| e == "mmdb"));
        is_mmdb.then(|| {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("a whole entry");
            bytes
        })
    });
    found.expect("the tar holds an mmdb")
}
