//! AWS over its real wire protocol, on loopback: the emulator that the tests install and start themselves.

mod logged;
mod watched;

use std::collections::HashMap;
use std::io::{Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use freshlayer::LayerVersionArn;
use freshlayer_aws::{Aws, Pace};
use serde_json::Value;

use crate::sandbox::{block_on, workspace};
use crate::secrecy::{DATA, assert_keeps_secrets};

/// The Region where accounts begin.
pub const REGION: &str = "eu-west-1";
/// The emulator keeps no limit of calls; the tests need not wait for one.
const CALLS_PER_SEC: u32 = 1_000;
const STARTS_WITHIN: Duration = Duration::from_mins(1);
const ROLE: &str = "function";
const ELSEWHERE: [&str; 2] = ["NoSuchBucket", "PermanentRedirect"];
const LOOKS_APART: Duration = Duration::from_millis(50);

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
        let python = python();
        let port = free_port();
        let process = Command::new(python)
            .arg(workspace().join("tests/emulator/launch.py"))
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            // Roles may do what their policies say. The key of an account may do everything.
            .env("AUTH", "true")
            // What its functions are told.
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .env("IOT_MTLS_ENABLED", "0")
            .env("SFTP_ENABLED", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts");
        let emulator = Self { port, _process: process };
        wait_for("the emulator", || http(port, "GET", "/_ministack/health", "").is_some());
        emulator
    }

    /// Makes the role that the functions of a test have: one that may do nothing.
    fn make_role(&self, account: &Account) {
        let headers = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential={}/20261123/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none",
            account.id
        );
        let trust: String = url::form_urlencoded::byte_serialize(TRUST.as_bytes()).collect();
        let body = format!(
            "Action=CreateRole&Version=2010-05-08&RoleName={ROLE}&AssumeRolePolicyDocument={trust}"
        );
        send(self.port, "POST", "/", &headers, &body).expect("the role is new");
    }

    /// Makes a new, empty account with a bucket.
    ///
    /// # Panics
    /// Where the emulator does not.
    pub async fn account(&self) -> Account {
        static NEXT: AtomicU64 = AtomicU64::new(100_000_000_000);
        let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        let account = Account { port: self.port, region: REGION.to_owned(), id };
        account.make_bucket(&account.bucket()).await;
        self.make_role(&account);
        account
    }
}

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
"Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// An account of the emulator.
pub struct Account {
    /// Its twelve digits.
    pub id: String,
    region: String,
    port: u16,
}

/// I10: nothing in its bucket, its logs and its events holds a secret of the tests.
impl Drop for Account {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let looked = std::thread::scope(|scope| {
            scope.spawn(|| block_on(self.assert_bucket_keeps_secrets())).join()
        });
        looked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.assert_logs_keep_secrets();
    }
}

impl Account {
    /// Returns the same account in another Region.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        Self { id: self.id.clone(), region: region.to_owned(), port: self.port }
    }

    /// Makes a bucket in this Region.
    ///
    /// # Panics
    /// Where it is not new.
    pub async fn make_bucket(&self, name: &str) {
        let here = CreateBucketConfiguration::builder();
        let here = here.location_constraint(BucketLocationConstraint::from(&self.region[..]));
        let mut bucket = self.s3().create_bucket().bucket(name);
        // The first Region of all takes no constraint.
        if self.region != "us-east-1" {
            bucket = bucket.create_bucket_configuration(here.build());
        }
        bucket.send().await.expect("the bucket is new");
    }

    /// Deploys a template as a stack of its file's name, as `sam deploy` does; returns its outputs.
    ///
    /// # Panics
    /// Where it cannot be deployed.
    pub fn deploy_template(
        &self,
        template: &Path,
        code: Option<&Path>,
        parameters: &[&str],
    ) -> Value {
        let deployed = Command::new(python())
            .arg(workspace().join("tests/emulator/deploy.py"))
            .arg(template)
            .arg(self.bucket())
            .args(parameters)
            .envs(self.environment())
            .envs(code.map(|code| ("CODE", code)))
            .env("AWS_DEFAULT_REGION", &self.region)
            .output()
            .expect("python starts");
        let said = String::from_utf8_lossy(&deployed.stderr);
        assert!(deployed.status.success(), "{said}");
        serde_json::from_slice(&deployed.stdout).expect("outputs as JSON")
    }

    /// Returns how its SDK is configured.
    pub fn sdk(&self) -> SdkConfig {
        // The emulator takes the access key for the account.
        let credentials = Credentials::new(&self.id, "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .endpoint_url(self.endpoint())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(freshlayer_aws::http_client())
            .build()
    }

    /// Returns what a process needs in its environment to work in this account.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", self.id.clone()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_REGION", self.region.clone()),
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("FRESHLAYER_BUCKET", self.bucket()),
        ]
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the role of its functions, which may do nothing.
    pub fn role(&self) -> String {
        format!("arn:aws:iam::{}:role/{ROLE}", self.id)
    }

    async fn assert_bucket_keeps_secrets(&self) {
        let (s3, bucket) = (self.s3(), self.bucket());
        let mut pages = s3.list_objects_v2().bucket(&bucket).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                // A test may have deleted it, or it lies in another Region.
                Err(error) if error.code().is_some_and(|code| ELSEWHERE.contains(&code)) => return,
                Err(error) => panic!("the bucket {bucket} cannot be listed: {error:?}"),
            };
            for key in page.contents().iter().filter_map(|object| object.key()) {
                if DATA.iter().any(|name| key.starts_with(name)) {
                    continue;
                }
                let Ok(object) = s3.get_object().bucket(&bucket).key(key).send().await else {
                    continue;
                };
                let bytes = object.body.collect().await.expect("readable").to_vec();
                assert_keeps_secrets(key, &String::from_utf8_lossy(&bytes));
            }
        }
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

    /// Returns a client, to set its scene.
    pub fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::new(&self.sdk())
    }

    /// Makes a function as a person deploys one; each alias points to a first published version.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub async fn function(
        &self,
        name: &str,
        layers: &[LayerVersionArn],
        aliases: &[&str],
        tags: &[(&str, &str)],
    ) {
        self.function_of(a_zip("first"), name, layers, aliases, tags).await;
    }

    /// Makes a function of code of the caller's, as [`Account::function`] does of any code.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub async fn function_of(
        &self,
        code: Vec<u8>,
        name: &str,
        layers: &[LayerVersionArn],
        aliases: &[&str],
        tags: &[(&str, &str)],
    ) {
        let lambda = self.lambda();
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let tags: HashMap<String, String> = tags.iter().map(own).collect();
        let code = FunctionCode::builder().zip_file(Blob::new(code));
        let create = lambda
            .create_function()
            .function_name(name)
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .role(self.role())
            .code(code.build())
            .set_layers(Some(layers.iter().map(ToString::to_string).collect()))
            .set_tags(Some(tags));
        create.send().await.expect("the function is new");
        if !aliases.is_empty() {
            self.release(name, aliases).await;
        }
    }

    /// Publishes a function's first version, and makes aliases that point to it.
    ///
    /// # Panics
    /// Where they cannot be made.
    pub async fn release(&self, name: &str, aliases: &[&str]) {
        let lambda = self.lambda();
        let published = lambda.publish_version().function_name(name).send().await;
        let published = published.expect("publishable");
        let version = published.version().expect("it has a number");
        for alias in aliases {
            let create = lambda.create_alias().function_name(name).name(*alias);
            let created = create.function_version(version).send().await;
            created.expect("the alias is new");
        }
    }

    /// Invokes a function: `NAME`, or `NAME:ALIAS`.
    ///
    /// # Panics
    /// Where it ends with an error, or the answer is no JSON.
    pub async fn invoke(&self, name: &str, event: &Value) -> Value {
        let asked = self.lambda().invoke().function_name(name);
        let payload = Blob::new(event.to_string());
        let answer = asked.payload(payload).send().await.expect("invocable");
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        let text = String::from_utf8_lossy(payload).into_owned();
        assert_eq!(answer.function_error(), None, "{text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Deploys other code, as a person does.
    ///
    /// # Panics
    /// Where there is no such function.
    pub async fn deploy(&self, name: &str) {
        let update = self.lambda().update_function_code().function_name(name);
        let code = Blob::new(a_zip("other"));
        update.zip_file(code).send().await.expect("it is there");
    }

    /// Returns the layers of a version of a function, as Lambda lists them.
    ///
    /// # Panics
    /// Where there is no such function.
    pub async fn layers(&self, name: &str, qualifier: &str) -> Vec<String> {
        let asked = self.lambda().get_function_configuration().function_name(name);
        let found = asked.qualifier(qualifier).send().await.expect("it is there");
        let layers = found.layers().iter().filter_map(|layer| layer.arn());
        layers.map(str::to_owned).collect()
    }
}

/// A function's code, or a layer's: one file, which is enough for a host that does not run it.
///
/// # Panics
/// Never: it is written in memory.
pub fn a_zip(content: &str) -> Vec<u8> {
    zip_of("bootstrap", content)
}

/// Zips one file.
///
/// # Panics
/// Never: it is written in memory.
pub fn zip_of(name: &str, content: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file(name, options).expect("a new zip");
    zip.write_all(content.as_bytes()).expect("in memory");
    zip.finish().expect("in memory").into_inner()
}

/// A proxy before the emulator that misbehaves by rule. It ends when it is dropped.
pub struct FaultProxy {
    port: u16,
    process: Child,
}

impl FaultProxy {
    /// Starts one without rules.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(emulator: &Emulator) -> Self {
        let port = free_port();
        let process = Command::new(python().with_file_name("microburst"))
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--upstream", &format!("http://127.0.0.1:{}", emulator.port)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the proxy starts");
        let proxy = Self { port, process };
        wait_for("the proxy", || http(port, "GET", "/_microburst/health", "").is_some());
        proxy
    }

    /// Returns the address to use instead of the emulator's.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Adds a rule.
    ///
    /// # Panics
    /// Where the proxy does not take it.
    pub fn rule(&self, rule: &Value) {
        let rules = Value::from(vec![rule.clone()]).to_string();
        http(self.port, "PATCH", "/_microburst/rules", &rules).expect("the rule is taken");
    }

    /// Tells how many requests went through.
    ///
    /// # Panics
    /// Where the proxy does not answer.
    pub fn requests(&self) -> u64 {
        let health = http(self.port, "GET", "/_microburst/health", "").expect("it answers");
        let health: Value = serde_json::from_str(&health).expect("JSON");
        health["requests_seen"].as_u64().expect("a count")
    }

    /// Tells how often a rule was met.
    ///
    /// # Panics
    /// Where the proxy does not answer.
    pub fn fired(&self) -> usize {
        let events = http(self.port, "GET", "/_microburst/fired", "").expect("it answers");
        serde_json::from_str::<Vec<Value>>(&events).expect("a list").len()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

pub(crate) fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    for _ in 0..STARTS_WITHIN.as_millis() / LOOKS_APART.as_millis() {
        if ready() {
            return;
        }
        std::thread::sleep(LOOKS_APART);
    }
    panic!("{what} does not start");
}

/// Asks a control interface; the body of a good answer.
pub(crate) fn http(port: u16, method: &str, path: &str, body: &str) -> Option<String> {
    send(port, method, path, "Content-Type: application/json", body)
}

fn send(port: u16, method: &str, path: &str, headers: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

/// Returns a port that a server started in a moment can have: each one once in this process, and below those that the
/// kernel gives to outgoing connections, which would take it meanwhile.
///
/// # Panics
/// Where all of them are taken.
pub(crate) fn free_port() -> u16 {
    const PORTS: RangeInclusive<u16> = 12_000..=29_999;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let first = u64::from(std::process::id()) * 97;
    let count = PORTS.len() as u64;
    for _ in PORTS {
        let turn = (first + NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        let port = PORTS.start() + u16::try_from(turn).expect("the count is one of u16");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("every port of {PORTS:?} is taken")
}

/// Installs the emulator into the project's own virtual environment, once; returns its Python.
///
/// # Panics
/// Where Python 3 with `venv` is missing, or a package cannot be had.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(install)
}

pub(crate) fn run(command: &mut Command) {
    let done = command.status().expect("Python 3 with venv is installed");
    assert!(done.success(), "{command:?} fails");
}

fn install() -> PathBuf {
    let place = workspace().join(".venv");
    let python = place.join("bin/python");
    let wanted = workspace().join("tests/emulator/requirements.txt");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&place));
    }
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run(Command::new(&python).args(quiet).arg(&wanted));
    python
}
