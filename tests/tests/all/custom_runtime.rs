//! A layer that fills `/opt` itself, files that can be run, and folders of this machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use freshlayer::Code;
use freshlayer::definition::{Origin, Select, SourceSpec};
use freshlayer::report::{Outcome, Report};
use freshlayer_local::FileSource;
use freshlayer_tests::contracts;
use freshlayer_tests::sandbox::{Sandbox, block_on};

use crate::refresh::assert_refreshed;

const WHOLE: &str = "
[[dataset]]
name = 'runtime'
format = 'archive'
path = '.'
source.file = '../runtime'
";

/// Writes a file below a sandbox's folder `runtime`.
fn write(sandbox: &Sandbox, path: &str, mode: u32, content: &[u8]) {
    let file = sandbox.path("runtime").join(path);
    fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("writable");
    fs::write(&file, content).expect("writable");
    set_mode(&file, mode);
}

fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).expect("it is there").permissions().mode() & 0o777
}

fn runtime() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("rt", WHOLE);
    write(&sandbox, "bootstrap", 0o700, b"#!/bin/sh\n");
    write(&sandbox, "extensions/watch", 0o755, b"#!/bin/sh\n");
    write(&sandbox, "python/lib/x.py", 0o600, b"x = 1\n");
    sandbox
}

fn codes(report: &Report) -> Vec<Code> {
    report.problems.iter().map(|problem| problem.code).collect()
}

fn assert_unchanged(report: &Report) {
    assert!(matches!(report.outcome, Outcome::Unchanged { .. }), "{report:#?}");
}

#[test]
fn a_folder_fills_opt_with_its_executable_bits() {
    let sandbox = runtime();
    let ran = sandbox.cli(&["refresh"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(sandbox.cli(&["exec", "rt", "--", "true"]).code, 0);
    let opt = sandbox.path("host/layers/rt/1/opt");
    for (path, expected) in
        [("bootstrap", 0o755), ("extensions/watch", 0o755), ("python/lib/x.py", 0o644)]
    {
        assert_eq!(mode(&opt.join(path)), expected, "{path}");
    }
    let layer = freshlayer_reader::Layer::open_in(&opt, "rt").expect("it opens");
    assert!(layer.path("runtime").expect("it is there").join("bootstrap").is_file());
    layer.verify().expect("every file is as the manifest says");
}

#[test]
fn a_folder_is_new_only_when_its_content_is() {
    let sandbox = runtime();
    assert_refreshed(&sandbox.refresh("rt"), 1);
    assert_unchanged(&sandbox.refresh("rt"));
    let file = sandbox.path("runtime/python/lib/x.py");
    let later = fs::metadata(&file).expect("it is there").modified().expect("a time")
        + std::time::Duration::from_mins(1);
    fs::File::open(&file).and_then(|file| file.set_modified(later)).expect("it is ours");
    assert_unchanged(&sandbox.refresh("rt"));
    set_mode(&file, 0o640);
    assert_unchanged(&sandbox.refresh("rt"));
    set_mode(&file, 0o755);
    assert_refreshed(&sandbox.refresh("rt"), 2);
    fs::remove_file(sandbox.path("runtime/extensions/watch")).expect("it is ours");
    assert_refreshed(&sandbox.refresh("rt"), 3);
}

#[test]
fn a_changed_bit_of_the_only_file_makes_a_release() {
    let sandbox = Sandbox::new();
    sandbox.layer("rt", WHOLE);
    write(&sandbox, "bootstrap", 0o644, b"#!/bin/sh\n");
    assert_refreshed(&sandbox.refresh("rt"), 1);
    set_mode(&sandbox.path("runtime/bootstrap"), 0o755);
    assert_refreshed(&sandbox.refresh("rt"), 2);
}

#[test]
fn what_is_no_plain_file_in_a_folder_is_a_problem() {
    let sandbox = runtime();
    symlink("bootstrap", sandbox.path("runtime/link")).expect("writable");
    assert_eq!(codes(&sandbox.refresh("rt")), [Code::EntryLink]);
    fs::remove_file(sandbox.path("runtime/link")).expect("it is ours");
    let pipe = sandbox.path("runtime/pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("writable");
    assert_eq!(codes(&sandbox.refresh("rt")), [Code::EntrySpecial]);
}

#[test]
fn long_names_and_many_sizes_arrive_as_they_are() {
    let sandbox = runtime();
    let deep = format!("{}/{}", "a-folder-with-a-long-name/".repeat(8), "f".repeat(200));
    for size in [0, 1, 511, 512, 513, 300_000] {
        write(&sandbox, &format!("sizes/{size}"), 0o644, &vec![b'x'; size]);
    }
    write(&sandbox, &deep, 0o644, b"deep");
    assert_refreshed(&sandbox.refresh("rt"), 1);
    assert_eq!(sandbox.cli(&["exec", "rt", "--", "true"]).code, 0);
    let opt = sandbox.path("host/layers/rt/1/opt");
    assert_eq!(fs::read(opt.join(&deep)).expect("it is there"), b"deep");
    for size in [0, 1, 511, 512, 513, 300_000] {
        let content = fs::read(opt.join(format!("sizes/{size}"))).expect("it is there");
        assert!(content == vec![b'x'; size], "{size}");
    }
}

#[test]
fn the_folder_of_the_manifests_is_refused() {
    let sandbox = runtime();
    write(&sandbox, "freshlayer/rt.json", 0o644, b"{}");
    let report = sandbox.refresh("rt");
    assert_eq!(codes(&report), [Code::EntryPath]);
    assert!(report.problems[0].expected.contains("manifests"), "{report:#?}");
}

#[test]
fn a_file_of_another_dataset_is_never_overwritten() {
    let sandbox = runtime();
    let geo = "\n[[dataset]]\nname = 'geo'\nformat = 'file'\npath = 'python/lib/X.py'\n\
               source.https = 'UPSTREAM/files/geo'\n";
    sandbox.layer("rt", &format!("{WHOLE}{geo}"));
    sandbox.upstream.publish("geo", b"some bytes");
    let report = sandbox.refresh("rt");
    assert_eq!(codes(&report), [Code::EntryDuplicate], "{report:#?}");
    let elsewhere = geo.replace("python/lib/X.py", "geo/data");
    sandbox.layer("rt", &format!("{WHOLE}{elsewhere}"));
    assert_refreshed(&sandbox.refresh("rt"), 1);
}

/// A dataset that moves is carried, not downloaded: its files are judged again in their new place.
#[test]
fn a_carried_archive_moves_to_opt_and_back() {
    let sandbox = runtime();
    sandbox.layer("rt", &WHOLE.replace("path = '.'", "path = 'rt'"));
    write(&sandbox, "freshlayer/notes", 0o644, b"allowed below rt/");
    assert_refreshed(&sandbox.refresh("rt"), 1);
    sandbox.layer("rt", WHOLE);
    assert_eq!(codes(&sandbox.refresh("rt")), [Code::EntryPath]);
    fs::remove_dir_all(sandbox.path("runtime/freshlayer")).expect("it is ours");
    assert_refreshed(&sandbox.refresh("rt"), 2);
    sandbox.layer("rt", &WHOLE.replace("path = '.'", "path = 'rt'"));
    assert_refreshed(&sandbox.refresh("rt"), 3);
    assert_eq!(sandbox.cli(&["exec", "rt", "--", "true"]).code, 0);
    assert!(sandbox.path("host/layers/rt/3/opt/rt/bootstrap").is_file());
}

#[test]
fn a_single_file_can_be_run_if_the_definition_says_so() {
    let sandbox = Sandbox::new();
    let plain = "[[dataset]]\nname = 'b'\nformat = 'file'\npath = 'bootstrap'\n\
                 source.https = 'UPSTREAM/files/bootstrap'\n";
    sandbox.layer("rt", plain);
    sandbox.upstream.publish("bootstrap", b"\x7fELF and so on");
    assert_refreshed(&sandbox.refresh("rt"), 1);
    sandbox.layer("rt", &format!("{plain}executable = true\n"));
    assert_refreshed(&sandbox.refresh("rt"), 2);
    assert_unchanged(&sandbox.refresh("rt"));
    assert_eq!(sandbox.cli(&["exec", "rt", "--", "true"]).code, 0);
    assert_eq!(mode(&sandbox.path("host/layers/rt/2/opt/bootstrap")), 0o755);
}

#[test]
fn definitions_that_do_not_fit_are_found_by_check() {
    let sandbox = runtime();
    let dataset = |name: &str, keys: &str| format!("[[dataset]]\nname = '{name}'\n{keys}\n");
    sandbox.layer(
        "rt",
        &[
            dataset("root-file", "format = 'file'\npath = '.'\nsource.file = 'x'"),
            dataset("folder-file", "format = 'file'\nsource.file = '../runtime'"),
            dataset("run", "format = 'archive'\nexecutable = true\nsource.file = '../runtime'"),
        ]
        .concat(),
    );
    let ran = sandbox.cli(&["check"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for says in
        ["an archive may fill", "a folder goes with format `archive`", "goes with format file"]
    {
        assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
    }
}

#[test]
fn a_folder_keeps_the_contract_of_a_source() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("runtime");
    write(&sandbox, "a", 0o644, b"first");
    let source =
        SourceSpec { origin: Origin::File { path }, checksum: None, select: Select::default() };
    let content = |tar: &[u8]| tar[512..].split(|byte| *byte == 0).next().unwrap_or(&[]).to_vec();
    let change = || {
        write(&sandbox, "a", 0o644, b"second");
        b"second".to_vec()
    };
    block_on(contracts::source(&FileSource, &source, content, change, b"first".to_vec()));
}
