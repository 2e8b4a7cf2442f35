//! AWS over its real wire protocol, on loopback: the emulator that the tests install and start themselves.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use freshlayer_aws::{Aws, Pace};

use crate::sandbox::workspace;

/// The Region of all accounts.
pub const REGION: &str = "eu-west-1";
/// The emulator keeps no limit of calls; the tests need not wait for one.
const CALLS_PER_SEC: u32 = 1_000;
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A running emulator. It ends with this process.
pub struct Emulator {
    port: u16,
    _process: Child,
}

/// Returns the one emulator of this process; starts it at the first call, and installs it at the very first.
///
/// # Panics
/// Where Python is missing, or the emulator does not start.
pub fn emulator() -> &'static Emulator {
    static RUNNING: OnceLock<Emulator> = OnceLock::new();
    RUNNING.get_or_init(Emulator::start)
}

impl Emulator {
    fn start() -> Self {
        let python = installed();
        let port = free_port();
        let process = Command::new(python)
            .arg(workspace().join("tests/emulator/launch.py"))
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("IOT_MTLS_ENABLED", "0")
            .env("SFTP_ENABLED", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts");
        let emulator = Self {
            port,
            _process: process,
        };
        let started = Instant::now();
        while !emulator.answers() {
            assert!(
                started.elapsed() < STARTS_WITHIN,
                "the emulator does not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        emulator
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        let request =
            "GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }

    /// Makes a new, empty account with a bucket.
    pub async fn account(&self) -> Account {
        static NEXT: AtomicU64 = AtomicU64::new(100_000_000_000);
        let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        let account = Account {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            id,
        };
        let here = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(REGION))
            .build();
        let bucket = account.s3().create_bucket().bucket(account.bucket());
        let made = bucket.create_bucket_configuration(here).send().await;
        made.expect("the bucket is new");
        account
    }
}

/// An account of the emulator.
pub struct Account {
    /// Its twelve digits.
    pub id: String,
    endpoint: String,
}

impl Account {
    /// Returns how its SDK is configured.
    pub fn sdk(&self) -> SdkConfig {
        // The emulator takes the access key for the account.
        let credentials = Credentials::new(&self.id, "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(freshlayer_aws::http_client())
            .build()
    }

    /// Returns what a process needs in its environment to work in this account.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", self.id.clone()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("FRESHLAYER_BUCKET", self.bucket()),
        ]
    }

    /// Returns the name of its bucket.
    pub fn bucket(&self) -> String {
        format!("freshlayer-{}", self.id)
    }

    /// Returns freshlayer's view of it.
    ///
    /// # Panics
    /// Never: the Region is named.
    pub fn aws(&self) -> Aws {
        let aws = Aws::with(self.sdk(), &self.bucket()).expect("a Region is named");
        aws.paced(Pace::per_sec(CALLS_PER_SEC))
    }

    /// Returns a client, to look at the account and to set its scene.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.sdk())
    }

    /// Returns a client, to look at the account and to set its scene.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.sdk())
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Installs the emulator into the project's own virtual environment, once; returns its Python.
fn installed() -> PathBuf {
    let place = workspace().join(".venv");
    let python = place.join("bin/python");
    let wanted = workspace().join("tests/emulator/requirements.txt");
    let run = |command: &mut Command| {
        let done = command.status().expect("Python 3 with venv is installed");
        assert!(done.success(), "{command:?} fails");
    };
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&place));
    }
    let quiet = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ];
    run(Command::new(&python).args(quiet).arg(&wanted));
    python
}
