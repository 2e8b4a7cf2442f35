//! The zip: the same bytes whatever the machine, small, and never trusted unread.

use std::path::PathBuf;
use std::process::Command;

use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::{Sandbox, binary, layer_name};

use crate::refresh::GEO;

/// A sandbox whose upstream brings a database of several pieces.
fn large() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    let mmdb = Mmdb { networks: 150_000, ..Mmdb::default() }.bytes();
    assert!(mmdb.len() > 3 * 512 * 1024, "{} bytes", mmdb.len());
    sandbox.upstream.publish("country.mmdb", &mmdb);
    sandbox
}

fn zip(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("host/layers/geo/1/layer.zip")
}

/// The same file as another tool sees it.
#[test]
fn python_and_unzip_agree_with_us() {
    let sandbox = large();
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                  print([(i.filename, oct(i.external_attr >> 16), i.date_time[0]) for i in z.infolist()])";
    let output = Command::new("python3").args(["-c", script]).arg(zip(&sandbox)).output();
    let output = output.expect("python3 starts");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "[('freshlayer/geo.json', '0o100644', 1980), ('geo/country.mmdb', '0o100644', 1980)]",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn one_core_and_all_cores_write_the_same_bytes() {
    let sandbox = large();
    let mut contents = Vec::new();
    for cores in ["0", "0-63"] {
        let _none = std::fs::remove_dir_all(sandbox.path("host"));
        let status = Command::new("taskset")
            .args(["--cpu-list", cores])
            .arg(binary("freshlayer"))
            .arg("refresh")
            .current_dir(sandbox.path(""))
            .env("FRESHLAYER_HOST", "host")
            .status();
        assert!(status.expect("util-linux has taskset").success());
        let file = std::fs::File::open(zip(&sandbox)).expect("published");
        let mut archive = zip::ZipArchive::new(file).expect("a zip");
        // The manifest holds the time of the download; the data's compressed bytes hold nothing else.
        let index = archive.index_for_name("geo/country.mmdb").expect("the dataset");
        let mut entry = archive.by_index_raw(index).expect("readable");
        let mut raw = Vec::new();
        std::io::copy(&mut entry, &mut raw).expect("readable");
        contents.push((entry.compressed_size(), entry.crc32(), raw));
    }
    assert!(contents[0] == contents[1]);
}

/// Every flipped byte is noticed, or changes nothing that anyone reads (I9).
#[test]
fn a_flipped_byte_never_passes_as_the_release() {
    let sandbox = Sandbox::new();
    sandbox.layer("geo", GEO);
    sandbox.upstream.publish("country.mmdb", &Mmdb { networks: 30, ..Mmdb::default() }.bytes());
    assert_eq!(sandbox.cli(&["refresh"]).code, 0);
    let good = std::fs::read(zip(&sandbox)).expect("published");
    let prove = |bytes: &[u8]| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("flipped.zip");
        std::fs::write(&path, bytes).expect("writable");
        let opt = folder.path().join("opt");
        std::fs::create_dir(&opt).expect("new");
        let proved = freshlayer::prove(&path, &layer_name("geo"), &opt, &|_| ()).ok()?;
        let database = std::fs::read(opt.join("geo/country.mmdb")).ok()?;
        Some((proved.0, database))
    };
    let original = prove(&good).expect("the good zip is good");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        if let Some(proved) = prove(&bad) {
            assert!(proved == original, "byte {at} of {} was flipped unnoticed", good.len());
        }
    }
}
