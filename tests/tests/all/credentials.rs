//! A user and password in an address: from a variable they are sent to their host, and to no other.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use freshlayer_tests::sandbox::{Ran, Sandbox};

/// `user:s3cret-pass`, as Basic authentication writes it.
const BASIC: &str = "Basic dXNlcjpzM2NyZXQtcGFzcw==";
const PASSWORD: &str = "s3cret-pass";

/// Path and `Authorization` of a request.
type Seen = (String, Option<String>);

/// A server that asks for the password, and notes path and `Authorization` of each request.
struct Guarded {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Guarded {
    /// Serves `/data`; `/moved` redirects to `/data` of its own by a whole address, `/away` to `elsewhere`.
    fn start(elsewhere: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
                let first = lines.next().and_then(Result::ok).unwrap_or_default();
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let headers: Vec<String> =
                    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let given = headers.iter().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
                });
                let answer = match path.as_str() {
                    _ if given.as_deref() != Some(BASIC) => "401 Unauthorized\r\n".to_owned(),
                    "/moved" => format!("302 Found\r\nlocation: http://127.0.0.1:{port}/data\r\n"),
                    "/away" => format!("302 Found\r\nlocation: {elsewhere}\r\n"),
                    _ => "200 OK\r\netag: \"one\"\r\n".to_owned(),
                };
                noted.lock().expect("no panic").push((path, given));
                let body = if answer.starts_with("200") { "some bytes" } else { "" };
                let length = body.len();
                let _gone = write!(
                    stream,
                    "HTTP/1.1 {answer}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        Self { port, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("no panic"))
    }
}

fn refresh(sandbox: &Sandbox, server: &Guarded, path: &str, variable: &str) -> Ran {
    let toml = format!(
        "[[dataset]]\nname = 'a'\nformat = 'file'\nsource.https = 'http://${{UP}}@127.0.0.1:{}{path}'\n",
        server.port
    );
    sandbox.layer("data", &toml);
    let output = sandbox.command(&["refresh", "-v"]).env("UP", variable).output();
    let ran = Ran::of(&output.expect("it runs"));
    assert!(!ran.stdout.contains(PASSWORD) && !ran.stderr.contains(PASSWORD), "{ran:?}");
    ran
}

#[test]
fn a_variable_brings_user_and_password() {
    let sandbox = Sandbox::new();
    let server = Guarded::start(String::new());
    for path in ["/data", "/moved"] {
        let ran = refresh(&sandbox, &server, path, &format!("user:{PASSWORD}"));
        assert_eq!(ran.code, 0, "{path}: {ran:?}");
        assert!(server.seen().iter().all(|(_, given)| given.as_deref() == Some(BASIC)));
    }
    let written = std::process::Command::new("grep")
        .args(["-r", "-l", PASSWORD])
        .arg(sandbox.path("host"))
        .output();
    assert!(written.expect("grep starts").stdout.is_empty(), "no file holds the password");
}

#[test]
fn a_redirect_takes_them_to_no_other_host() {
    let sandbox = Sandbox::new();
    sandbox.upstream.publish("data", b"some bytes");
    let server = Guarded::start(sandbox.upstream.url("data"));
    let ran = refresh(&sandbox, &server, "/away", &format!("user:{PASSWORD}"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let seen = sandbox.upstream.seen();
    assert!(!seen.is_empty() && seen.iter().all(|request| !request.authorized), "{seen:?}");
}

#[test]
fn a_wrong_password_is_refused_and_not_shown() {
    let sandbox = Sandbox::new();
    let server = Guarded::start(String::new());
    let ran = refresh(&sandbox, &server, "/data", &format!("wrong:{PASSWORD}"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("${UP}@127.0.0.1") && ran.stdout.contains("401"), "{ran:?}");
}

#[test]
fn a_password_that_is_written_out_stays_an_error() {
    let sandbox = Sandbox::new();
    let toml =
        "[[dataset]]\nname = 'a'\nformat = 'file'\nsource.https = 'https://me:pw@example.org/a'\n";
    sandbox.layer("data", toml);
    let ran = sandbox.cli(&["check"]);
    assert!(ran.code == 2 && ran.stderr.contains("write a variable in its place"), "{ran:?}");
}
