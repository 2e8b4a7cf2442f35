//! I10 over everything that is said and kept: an upstream that answers nonsense, and repeats what it was asked with
//! wherever an answer has room for it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use freshlayer_tests::sandbox::Sandbox;

/// Lower case letters and digits: an address's scheme may be that.
pub(crate) const SECRET: &str = "s3cretkeyofanupstream";
/// As much of it as a text that is cut off still tells.
const START: &str = "s3cretkey";
/// `user:s3cretkeyofanupstream`, as Basic authentication writes it; MaxMind's account is `42`.
const BASIC: [&str; 2] =
    ["dXNlcjpzM2NyZXRrZXlvZmFudXBzdHJlYW0", "NDI6czNjcmV0a2V5b2ZhbnVwc3RyZWFt"];

/// `some`, with which good data begins: what an upstream sends as data is data, whatever it repeats.
const MAGIC: &str = "736f6d65";

/// Where an answer repeats what it was asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    Refusal,
    CutRefusal,
    ErrorInJson,
    Validators,
    RedirectScheme,
    Metadata,
    MetadataMd5,
    Checksum,
    Page,
}

const ECHOES: [Echo; 9] = [
    Echo::Refusal,
    Echo::CutRefusal,
    Echo::ErrorInJson,
    Echo::RedirectScheme,
    Echo::Metadata,
    Echo::MetadataMd5,
    Echo::Checksum,
    Echo::Page,
    Echo::Validators,
];

/// A server that repeats.
pub(crate) struct Parrot {
    pub(crate) port: u16,
    echo: Arc<Mutex<Echo>>,
    /// The secrets that it was sent, each by the path of its request.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Parrot {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let (echo, heard) = (Arc::new(Mutex::new(Echo::Refusal)), Arc::default());
        let parrot = Self { port, echo, heard };
        let (echo, heard) = (Arc::clone(&parrot.echo), Arc::clone(&parrot.heard));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let echo = *echo.lock().expect("no panic");
                if let Some(path) = converse(stream, echo) {
                    heard.lock().expect("no panic").push(path);
                }
            }
        });
        parrot
    }

    pub(crate) fn repeat(&self, echo: Echo) {
        *self.echo.lock().expect("no panic") = echo;
    }

    /// Tells whether a secret came with a request for a path.
    pub(crate) fn heard(&self, path: &str) -> bool {
        self.heard.lock().expect("no panic").iter().any(|heard| heard == path)
    }

    /// Writes a layer whose source has some keys.
    fn layer(&self, sandbox: &Sandbox, name: &str, source: &str) {
        let source = source.replace("PARROT", &format!("http://127.0.0.1:{}", self.port));
        let toml = format!(
            "[[dataset]]\nname = 'a'\nformat = 'file'\nexpect.magic = '{MAGIC}'\n{source}\n\
             [limits]\ntries_max = 1\n"
        );
        sandbox.layer(name, &toml);
    }
}

/// Answers one request; returns its path where it brought a secret.
fn converse(mut stream: TcpStream, echo: Echo) -> Option<String> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let secret = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        ["authorization", "x-api-key"].contains(&&*name.to_lowercase()).then(|| value.to_owned())
    });
    let secret = secret.or_else(|| path.contains(SECRET).then(|| SECRET.to_owned()));
    let said = secret.clone().unwrap_or_default();
    let _gone = stream.write_all(answer(echo, &path, &said).as_bytes());
    secret.map(|_| path)
}

fn answer(echo: Echo, path: &str, said: &str) -> String {
    // A request without a secret has nothing to repeat.
    let secret = if said.is_empty() { "" } else { SECRET };
    let of = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
    };
    let plain = "content-type: text/plain\r\n";
    let zeros = "0".repeat(64);
    match echo {
        Echo::Refusal => of("403 No", plain, &format!("you sent {said}, which is {secret}")),
        Echo::CutRefusal => of("403 No", plain, &format!("{} {secret} {said}", "x".repeat(188))),
        Echo::ErrorInJson => {
            let json = format!("{{\"error\": \"{said}\", \"key\": \"{secret}\"}}");
            of("500 No", "content-type: application/json\r\n", &json)
        }
        Echo::RedirectScheme => {
            of("302 Moved", &format!("location: x{secret}://example.org\r\n"), "")
        }
        Echo::Metadata => of("200 OK", plain, &format!("{{\"databases\": \"{secret}\"}}")),
        Echo::MetadataMd5 => {
            let json = format!(
                "{{\"databases\": [{{\"edition_id\": \"E\", \"md5\": \"{secret}\", \"date\": \"{said}\"}}]}}"
            );
            of("200 OK", plain, &json)
        }
        Echo::Checksum => of("200 OK", plain, &format!("{zeros}  {secret}\n{zeros}  {said}\n")),
        Echo::Page => of("200 OK", "content-type: text/html\r\n", &format!("<html>{said}")),
        Echo::Validators if path.ends_with(".sha256") => of("200 OK", plain, &sha256()),
        Echo::Validators => {
            let headers = format!("etag: \"{said} {secret}\"\r\nlast-modified: {said}\r\n");
            of("200 OK", &headers, "some bytes")
        }
    }
}

/// The SHA-256 of `some bytes`.
fn sha256() -> String {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(b"some bytes");
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything that the commands say.
fn said(sandbox: &Sandbox, url: &str) -> String {
    let commands: [&[&str]; 9] = [
        &["refresh", "-v"],
        &["refresh", "--json", "-v"],
        &["status"],
        &["status", "--json"],
        &["history", "bearer", "--json"],
        &["inspect", url, "--layer", "bearer", "--json"],
        &["diff", "bearer", url],
        &["doctor"],
        &["provenance", "bearer"],
    ];
    let run = |arguments: &&[&str]| {
        let mut command = sandbox.command(arguments);
        command.env("KEY", SECRET).env("MAXMIND_ACCOUNT_ID", "42");
        let output = command.env("MAXMIND_LICENSE_KEY", SECRET).output().expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        format!("$ {}\n{}", arguments.join(" "), String::from_utf8_lossy(&text))
    };
    commands.iter().map(run).collect()
}

#[test]
fn nothing_that_an_upstream_repeats_is_said_or_kept() {
    let sandbox = Sandbox::new();
    let parrot = Parrot::start();
    for (name, source) in [
        ("header", "source.https = 'PARROT/header'\nsource.headers = { 'X-Api-Key' = '${KEY}' }"),
        (
            "basic",
            "source.https = 'PARROT/basic'\nsource.basic = { user = 'user', password = '${KEY}' }",
        ),
        (
            "bearer",
            "source.https = 'PARROT/bearer'\nsource.bearer = '${KEY}'\n\
             source.sha256_url = 'PARROT/bearer.sha256'",
        ),
        ("address", "source.https = 'PARROT/address?key=${KEY}'"),
        ("maxmind", "source.maxmind = 'E'\nsource.host = 'PARROT'"),
    ] {
        parrot.layer(&sandbox, name, source);
    }
    let url = format!("http://127.0.0.1:{}/bearer", parrot.port);
    for echo in ECHOES {
        parrot.repeat(echo);
        let said = said(&sandbox, &url);
        for hidden in [START, BASIC[0], BASIC[1]] {
            assert!(!said.to_lowercase().contains(&hidden.to_lowercase()), "{echo:?}: {said}");
            assert_kept_nowhere(&sandbox, hidden, echo);
        }
    }
    let address = format!("/address?key={SECRET}");
    for path in ["/header", "/basic", "/bearer", &address, "/geoip/updates/metadata?edition_id=E"] {
        assert!(parrot.heard(path), "{path} was asked for with no secret");
    }
    let released = std::fs::read_dir(sandbox.path("host/state/layers")).expect("readable").count();
    assert!(released >= 4, "what may be remembered is remembered: {released} layers");
}

fn assert_kept_nowhere(sandbox: &Sandbox, hidden: &str, echo: Echo) {
    let found = Command::new("grep")
        .args(["-r", "-i", "-l", hidden])
        .arg(sandbox.path("host"))
        .output()
        .expect("grep starts");
    assert!(found.stdout.is_empty(), "{echo:?}: {}", String::from_utf8_lossy(&found.stdout));
}
