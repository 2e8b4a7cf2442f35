//! The functions as they are deployed: built for Amazon Linux 2023 by cargo-lambda, as the `Makefile` of `sam build`
//! has it, but without its optimisations.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::emulator::{python, run};
use crate::sandbox::{outside_of_a_package, target, workspace};

/// They bring a compiler and linker for any C library; the `Makefile` needs the same two.
const PACKAGES: [&str; 2] = ["cargo-lambda==1.9.2", "ziglang==0.17.1"];
/// Amazon Linux 2023's C library.
const GLIBC: &str = "2.34";

/// Returns a function's `bootstrap`; builds all of them at the first call, and installs the tools at the very first.
///
/// # Panics
/// Where a package cannot be had, or the functions cannot be built.
pub fn bootstrap(function: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(function).join("bootstrap")
}

fn build() -> PathBuf {
    let tools = tools();
    let folder = target().join("lambda");
    let platform = format!("{}-unknown-linux-gnu.{GLIBC}", std::env::consts::ARCH);
    run(outside_of_a_package(&mut Command::new("sh"))
        .args(["-c", r#"PATH="$0:$PATH" exec cargo-lambda "$@""#])
        .arg(&tools)
        .args(["lambda", "build", "--quiet", "--target", &platform])
        .args(["--package", "publisher", "--package", "geo-lookup"])
        .arg("--lambda-dir")
        .arg(&folder)
        .current_dir(workspace())
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_PROFILE_DEV_DEBUG", "0"));
    folder
}

fn tools() -> PathBuf {
    let place = python().with_file_name("../build");
    let tools = place.join("bin");
    if !tools.join("python").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&place));
    }
    let quiet = ["-m", "pip", "install", "--quiet"];
    run(Command::new(tools.join("python"))
        .args(quiet)
        .arg("--disable-pip-version-check")
        .args(PACKAGES));
    tools
}
