//! An upstream as the world has them: an HTTP server on a free port of the loopback, over a folder.
//!
//! `<root>/files/…` is served with `ETag`, `Last-Modified`, conditional requests and ranges.
//! `/hooks/…` answers questions about waves.
//! `<root>/maxmind/<edition>/<YYYYMMDD>.mmdb` is served by MaxMind's protocol.

mod answer;
pub mod chaos;
mod files;
mod hooks;
mod maxmind;
mod trouble;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub(crate) use maxmind::AUTHORIZATION;
pub use maxmind::{ACCOUNT_ID, LICENSE_KEY};

/// One way to misbehave. It holds for the next requests that it fits, as often as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection dies after so many bytes of the body.
    Cut(u64),
    /// The connection stays open after so many bytes of the body, and nothing more comes.
    Hang(u64),
    /// So many bytes of the body come at a time, every tenth of a second.
    Trickle(usize),
    /// The body never ends.
    Endless,
    /// Another status, with a body.
    Status(u16, &'static str),
    /// A redirect to the same address, for ever.
    RedirectLoop,
    /// The file changes between a broken transfer and its resumption.
    ChangedSinceCut,
    /// The same, and the rest of the new file is sent in spite of `If-Range`.
    IgnoresIfRange,
    /// No `ETag` and no `Last-Modified`.
    NoValidators,
    /// The metadata states another MD5 than the database's.
    WrongMd5,
    /// The presigned address answers 403.
    Expired,
    /// The tar holds no mmdb.
    TarWithoutMmdb,
    /// A redirect to another address.
    Redirect(String),
}

/// What a request looked like to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Path with query.
    pub path: String,
    /// Whether the request was conditional.
    pub conditional: bool,
    /// The `Range` header.
    pub range: Option<String>,
    /// Whether the request carried `Authorization`.
    pub authorized: bool,
    /// All headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// A running server; it stops when this is dropped.
pub struct Upstream {
    root: PathBuf,
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
}

/// What the server's parts share.
struct Shared {
    root: PathBuf,
    presigned: Mutex<Option<SocketAddr>>,
    faults: Mutex<Vec<Planned>>,
    seen: Mutex<Vec<Seen>>,
}

struct Planned {
    path: String,
    fault: Fault,
    times: usize,
}

impl Shared {
    fn see(&self, seen: Seen) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    /// Takes the next fault that is planned for a path.
    fn fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let at = faults.iter().position(|p| p.times > 0 && path.contains(&p.path))?;
        faults[at].times -= 1;
        Some(faults[at].fault.clone())
    }
}

impl Upstream {
    /// Starts a server over a folder, on a free port.
    ///
    /// # Panics
    /// Where no port of the loopback can be had.
    pub fn start(root: &Path) -> Self {
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            presigned: Mutex::default(),
            faults: Mutex::default(),
            seen: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let (started, start) = std::sync::mpsc::channel();
        let state = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let main = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let other = TcpListener::bind("127.0.0.1:0").await.expect("another free port");
                let address = main.local_addr().expect("a bound port has an address");
                let presigned = other.local_addr().expect("a bound port has an address");
                *state.presigned.lock().unwrap_or_else(PoisonError::into_inner) = Some(presigned);
                started.send(address).expect("the starter waits");
                tokio::select! {
                    () = serve(main, Arc::clone(&state)) => {}
                    () = serve(other, state) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = start.recv().expect("the server starts");
        Self { root: root.to_owned(), address, shared, stop: Some(stop) }
    }

    /// Returns `http://127.0.0.1:<port>`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the address of a file.
    pub fn url(&self, file: &str) -> String {
        format!("{}/files/{file}", self.base())
    }

    /// Puts a file where it is served, as a new build: at once, with the time of now.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn publish(&self, file: &str, bytes: &[u8]) {
        write(&self.root.join("files").join(file), bytes);
    }

    /// Puts a build of a MaxMind edition where it is served.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn publish_edition(&self, edition: &str, date: &str, mmdb: &[u8]) {
        write(&self.root.join("maxmind").join(edition).join(format!("{date}.mmdb")), mmdb);
    }

    /// Plans a fault for the next requests whose path holds a text.
    pub fn misbehave(&self, path: &str, fault: Fault, times: usize) {
        let mut faults = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.push(Planned { path: path.to_owned(), fault, times });
    }

    /// Takes all plans back.
    pub fn behave(&self) {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the requests since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut seen)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(());
        }
    }
}

/// Writes a file under another name and renames it, so that no request sees half of it.
fn write(path: &Path, bytes: &[u8]) {
    let folder = path.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let file = tempfile::NamedTempFile::new_in(folder).expect("the folder can be written");
    std::fs::write(file.path(), bytes).expect("the file can be written");
    file.persist(path).expect("the file can be renamed");
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let own = listener.local_addr().ok();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let shared = Arc::clone(&shared);
                async move {
                    let answer = if request.method() == Method::POST {
                        hooks::answer(&shared, request).await
                    } else {
                        route(&shared, own, &request)
                    };
                    Ok::<_, std::convert::Infallible>(answer)
                }
            });
            let _closed =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn headers(request: &Request<Incoming>) -> BTreeMap<String, String> {
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn route(shared: &Shared, own: Option<SocketAddr>, request: &Request<Incoming>) -> answer::Answer {
    let header =
        |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let seen = Seen {
        path: request.uri().to_string(),
        conditional: header("if-none-match").or(header("if-modified-since")).is_some(),
        range: header("range"),
        authorized: header("authorization").is_some(),
        headers: headers(request),
    };
    shared.see(seen);
    let presigned = *shared.presigned.lock().unwrap_or_else(PoisonError::into_inner);
    if presigned.is_some() && own == presigned {
        return maxmind::presigned(shared, request);
    }
    let path = request.uri().path();
    if let Some(file) = path.strip_prefix("/files/") {
        let file = shared.root.join("files").join(file);
        return files::answer(shared, request, &file);
    }
    maxmind::answer(shared, request)
}
