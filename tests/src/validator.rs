//! The validators of provenance documents: Python packages of CycloneDX and in-toto, in a place of their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::emulator::run;
use crate::sandbox::workspace;

/// Returns the Python that has them; installs them at the first call.
///
/// # Panics
/// Where Python 3 with `venv` is missing, or a package cannot be had.
pub fn validator() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(install)
}

fn install() -> PathBuf {
    let place = workspace().join(".venv/validator");
    let python = place.join("bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&place));
    }
    let wanted = workspace().join("tests/validator/requirements.txt");
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run(Command::new(&python).args(quiet).arg(&wanted));
    python
}
