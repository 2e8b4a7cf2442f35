//! An upstream that answers half of its requests badly. What a request gets follows from the seed, its path and how
//! often that path was asked for, so that a seed that fails fails again.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::trouble::{Asked, Build, Step, draw, missing, not_modified, redirect, steps, whole};
pub use super::trouble::{Proof, Trouble};

/// A longer head is no request of ours.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// What the name of a file's checksum ends with.
const CHECKSUM: &str = ".sha256";

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Right, always.
    Kind,
    /// Badly, every other time.
    Chaotic,
}

/// What names a state of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// A strong `ETag`.
    Strong,
    /// A weak one.
    Weak,
    /// Nothing.
    Nothing,
}

/// A running server; it stops when this is dropped.
pub struct Chaos {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    task: JoinHandle<()>,
}

/// One request, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The path.
    pub path: String,
    /// The first byte of the range that it asked for.
    pub from: Option<usize>,
    /// What went wrong.
    pub trouble: Trouble,
}

struct World {
    seed: u64,
    mood: Mood,
    naming: Naming,
    proof: Proof,
    /// The builds of each file, the newest last.
    files: BTreeMap<String, Vec<Vec<u8>>>,
    asked: BTreeMap<String, u64>,
    told: Vec<Told>,
}

impl Chaos {
    /// Starts a server on the runtime that this is called on. It is kind at first.
    ///
    /// # Panics
    /// Where no port of the loopback can be had.
    pub async fn start(seed: u64, naming: Naming, proof: Proof) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port has an address");
        let (files, asked, told) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let world = World { seed, mood: Mood::Kind, naming, proof, files, asked, told };
        let world = Arc::new(Mutex::new(world));
        let task = tokio::spawn(serve(listener, Arc::clone(&world)));
        Self { address, world, task }
    }

    /// Returns the address of a file; its checksum lies beside it, with `.sha256` behind its name.
    pub fn url(&self, file: &str) -> String {
        format!("http://{}/{file}", self.address)
    }

    /// Puts a new build of a file where it is served.
    pub fn publish(&self, file: &str, bytes: &[u8]) {
        self.world().files.entry(format!("/{file}")).or_default().push(bytes.to_owned());
    }

    /// Changes how it answers from now on.
    pub fn be(&self, mood: Mood) {
        self.world().mood = mood;
    }

    /// Returns what it did with each request so far.
    pub fn told(&self) -> Vec<Told> {
        self.world().told.clone()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, world: Arc<Mutex<World>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let _gone = converse(stream, &world).await;
        });
    }
}

/// Answers one request; each has a connection of its own.
async fn converse(mut stream: TcpStream, world: &Mutex<World>) -> std::io::Result<()> {
    let Some(request) = read(&mut stream).await? else { return Ok(()) };
    let steps = locked(world).answer(&request);
    for step in steps {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await?,
            Step::Wait(time) => tokio::time::sleep(time).await,
            Step::Reset => return stream.set_zero_linger(),
        }
    }
    stream.shutdown().await
}

/// A request, as far as it matters.
struct Request {
    path: String,
    headers: BTreeMap<String, String>,
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 || head.len() > HEAD_BYTES_MAX {
            return Ok(None);
        }
    }
    Ok(parsed(&String::from_utf8_lossy(&head)))
}

fn parsed(head: &str) -> Option<Request> {
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Some(Request { path, headers: lines.filter_map(header).collect() })
}

impl World {
    fn answer(&mut self, request: &Request) -> Vec<Step> {
        if request.path == "/loop" {
            return vec![Step::Send(redirect("/loop"))];
        }
        let Some((right, other)) = self.builds(&request.path) else {
            return vec![Step::Send(missing())];
        };
        let asked = asked(request, &right);
        let mut random = self.random(&request.path);
        let trouble = match self.mood {
            Mood::Kind => Trouble::None,
            Mood::Chaotic => draw(&mut random, asked, self.proof_of(&request.path)),
        };
        self.told.push(Told { path: request.path.clone(), from: asked.from, trouble });
        let seen = request.headers.get("if-none-match");
        match trouble {
            Trouble::None if right.etag.is_some() && seen == right.etag.as_ref() => {
                vec![Step::Send(not_modified(&right))]
            }
            Trouble::None => vec![Step::Send(whole(&right, asked))],
            _ => steps(&mut random, trouble, asked, &right, &other),
        }
    }

    /// A checksum has no other proof than itself.
    fn proof_of(&self, path: &str) -> Proof {
        if path.ends_with(CHECKSUM) { Proof::Content } else { self.proof }
    }

    /// Returns the newest build of a file, and the one before it.
    fn builds(&self, path: &str) -> Option<(Build, Build)> {
        let file = path.strip_suffix(CHECKSUM).unwrap_or(path);
        let builds = self.files.get(file)?;
        let newest = builds.len().checked_sub(1)?;
        let build = |at: usize| {
            if file == path {
                Build { bytes: builds[at].clone(), etag: self.etag(at) }
            } else {
                Build { bytes: checksum(&builds[at]), etag: None }
            }
        };
        Some((build(newest), build(newest.saturating_sub(1))))
    }

    fn etag(&self, build: usize) -> Option<String> {
        match self.naming {
            Naming::Strong => Some(format!("\"build-{build}\"")),
            Naming::Weak => Some(format!("W/\"build-{build}\"")),
            Naming::Nothing => None,
        }
    }

    fn random(&mut self, path: &str) -> Rng {
        let count = self.asked.entry(path.to_owned()).or_default();
        *count += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, path, *count).hash(&mut hasher);
        Rng::with_seed(hasher.finish())
    }
}

fn asked(request: &Request, build: &Build) -> Asked {
    let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    let from = range.and_then(|range| range.strip_suffix('-')?.parse().ok());
    let same = request.headers.get("if-range").is_none_or(|seen| Some(seen) == build.etag.as_ref());
    let is_conditional = request.headers.contains_key("if-none-match");
    Asked { from: from.filter(|_| same), is_conditional }
}

fn checksum(bytes: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}\n").into_bytes()
}
