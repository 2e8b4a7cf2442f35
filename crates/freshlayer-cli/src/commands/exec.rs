//! Runs a command with layers at the real `/opt`.
//!
//! On Linux a user and mount namespace gives the command its own `/opt`: no other process sees it, and it ends
//! with the command. Where the system forbids that or has no namespaces, the command gets `FRESHLAYER_ROOT`
//! instead, and a line on standard error says so.

#[cfg(target_os = "linux")]
mod namespace;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use freshlayer_local::{OptError, merged_opt};
use freshlayer_reader::{DEFAULT_ROOT, ROOT_VARIABLE};

#[cfg(target_os = "linux")]
use self::namespace::mount_at_opt;
use crate::arguments::Target;
use crate::output::{Stopped, say};
use crate::references::{FunctionReference, LayerReference};
use crate::wiring::Host;

/// How shells end where a program does not exist, and where it cannot be executed. Source: POSIX,
/// Shell Command Language, 2.8.2.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Run a command with layers at /opt, merged in list order: a later layer wins.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers: `NAME` for its current release, `NAME:VERSION` for a layer version by its number or for a data version such
    /// as 1.0.3, or the ARN of a layer version.
    #[arg(required_unless_present = "function")]
    layers: Vec<String>,
    /// All layers of a function, in its order: `NAME`, or `NAME:ALIAS`.
    #[arg(long, value_name = "FUNCTION", conflicts_with = "layers")]
    function: Option<String>,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<String>,
}

/// Merges the layers, or those of a function, into one folder, in list order.
pub(crate) async fn prepare(host: &Host, args: &Args) -> Result<PathBuf, Stopped> {
    let layers = match &args.function {
        Some(function) => FunctionReference::parse(function)?.layers(host).await?,
        None => LayerReference::parse_all(&args.layers)?,
    };
    let opt = match host.target {
        Target::Local => {
            let mut versions = Vec::new();
            for layer in &layers {
                versions.push(layer.layer_version(host).await?);
            }
            merged_opt(&host.registry(), &versions, &host.merged())
        }
        Target::Aws => {
            let mut zips = Vec::new();
            for layer in &layers {
                let found = super::pull::fetch(host, layer).await?;
                zips.push((found.layer, found.zip));
            }
            freshlayer_local::merged_zips(&zips, &host.merged())
        }
    };
    let opt = opt.map_err(|error| match error {
        OptError::NotFound(_) => Stopped::usage(error.to_string()),
        error => Stopped::failed(error.to_string()),
    })?;
    std::path::absolute(&opt)
        .map_err(|error| Stopped::failed(format!("failed to find {}: {error}", opt.display())))
}

/// Becomes the command; returns only where the command cannot be started.
pub(crate) fn replace_process(opt: &Path, command: &[String]) -> Stopped {
    let Some((program, arguments)) = command.split_first() else {
        return Stopped::usage("expected a command after --");
    };
    let mut process = Command::new(program);
    process.args(arguments);
    match mount_at_opt(opt) {
        Ok(()) => {
            process.env_remove(ROOT_VARIABLE);
            with_paths(&mut process, Path::new(DEFAULT_ROOT));
        }
        Err(reason) => {
            say(&format!(
                "freshlayer: {DEFAULT_ROOT} cannot be mounted here ({reason}); the command gets \
                 {ROOT_VARIABLE}={} instead\n",
                opt.display()
            ));
            process.env(ROOT_VARIABLE, opt);
            with_paths(&mut process, opt);
        }
    }
    let error = process.exec();
    let code = match error.kind() {
        ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    };
    Stopped::with_code(code, format!("failed to start {program}: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "the command gets its own environment back")]
/// Puts `bin` and `lib` before the command's own paths, as Lambda does.
fn with_paths(process: &mut Command, root: &Path) {
    for (variable, folder) in [("PATH", "bin"), ("LD_LIBRARY_PATH", "lib")] {
        let mut path = OsString::from(root.join(folder));
        if let Some(own) = std::env::var_os(variable).filter(|own| !own.is_empty()) {
            path.push(":");
            path.push(own);
        }
        process.env(variable, path);
    }
}

#[cfg(not(target_os = "linux"))]
fn mount_at_opt(_opt: &Path) -> Result<(), String> {
    Err("only Linux has mount namespaces".to_owned())
}
