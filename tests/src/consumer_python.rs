//! The Python of a consumer: its packages are in a place of their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::emulator::run;
use crate::sandbox::workspace;

/// Returns the Python that reads mmdb files; installs the package at the first call.
///
/// # Panics
/// Where Python 3.11 with `venv` is missing, or the package cannot be had.
pub fn consumer_python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(install)
}

fn install() -> PathBuf {
    let place = workspace().join(".venv/consumer");
    let python = place.join("bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&place));
    }
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(&python).args(quiet).arg("maxminddb==3.2.0"));
    python
}
