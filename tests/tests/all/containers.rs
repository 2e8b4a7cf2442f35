//! Every container that is recognised by content gives the same database.

use std::io::Write;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use freshlayer::Code;
use freshlayer::report::Exit;
use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::Sandbox;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::refresh::{GEO, assert_refreshed};

fn tar(mmdb: &[u8]) -> Vec<u8> {
    tar_of(&[("x/LICENSE", b"words"), ("x/data.mmdb", mmdb)])
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        builder.append_data(&mut header, name, *content).expect("memory takes it");
    }
    builder.into_inner().expect("memory takes it")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Python's library is a writer that is not ours.
fn python(script: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("python3")
        .args([
            "-c",
            &format!("import io, sys, lzma, zipfile\nd = sys.stdin.buffer.read()\n{script}"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    child.stdin.take().expect("a pipe").write_all(input).expect("python3 reads");
    let output = child.wait_with_output().expect("python3 ends");
    assert!(output.status.success());
    output.stdout
}

#[test]
fn all_of_them() {
    let mmdb = Mmdb { networks: 3_000, ..Mmdb::default() }.bytes();
    let tarred = tar(&mmdb);
    let zstd = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
    let xz = |bytes: &[u8]| python("sys.stdout.buffer.write(lzma.compress(d))", bytes);
    let zip = |bytes: &[u8]| {
        let script = "b = io.BytesIO()\nz = zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED)\n\
                      z.writestr('x/LICENSE', 'words')\nz.writestr('x/data.mmdb', d)\nz.close()\n\
                      sys.stdout.buffer.write(b.getvalue())";
        python(script, bytes)
    };
    for (name, body) in [
        ("none", mmdb.clone()),
        ("gz", gzip(&mmdb)),
        ("two gz members", [gzip(&mmdb[..9_000]), gzip(&mmdb[9_000..])].concat()),
        ("zst", zstd(&mmdb)),
        ("xz", xz(&mmdb)),
        ("tar", tarred.clone()),
        ("tar.gz", gzip(&tarred)),
        ("tar.zst", zstd(&tarred)),
        ("tar.xz", xz(&tarred)),
        ("zip", zip(&mmdb)),
    ] {
        let sandbox = Sandbox::new();
        sandbox.layer("geo", &format!("{GEO}source.select = ['*/data.mmdb']"));
        sandbox.upstream.publish("country.mmdb", &body);
        let report = sandbox.refresh("geo");
        assert_refreshed(&report, 1);
        assert_eq!(sandbox.cli(&["exec", "geo", "--", "true"]).code, 0);
        let path = sandbox.path("host/layers/geo/1/opt/geo/country.mmdb");
        assert!(std::fs::read(path).expect("readable") == mmdb, "{name}");
    }
}

/// Words of a small language, at random.
fn words(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let word = |random: &mut fastrand::Rng| -> String {
        (0..random.usize(2..9)).map(|_| random.lowercase()).collect()
    };
    let language: Vec<String> = (0..3_000).map(|_| word(&mut random)).collect();
    let mut text = String::new();
    while text.len() < bytes {
        text += &language[random.usize(..language.len())];
        text.push(' ');
    }
    text.into_bytes()
}

/// The layer's file, and its compressed size in the layer's zip.
fn released(body: &[u8]) -> (Vec<u8>, u64) {
    let sandbox = Sandbox::new();
    let words = "[[dataset]]\nname = 'words'\nformat = 'file'\nsource.https = 'UPSTREAM/files/words'\n\
                 source.select = ['*/words']\n";
    sandbox.layer("words", words);
    sandbox.upstream.publish("words", body);
    assert_refreshed(&sandbox.refresh("words"), 1);
    let zip = std::fs::read(sandbox.path("host/layers/words/1/layer.zip")).expect("readable");
    let size = "print(max(e.compress_size for e in zipfile.ZipFile(io.BytesIO(d)).infolist()))";
    let size = String::from_utf8(python(size, &zip)).expect("text");
    assert_eq!(sandbox.cli(&["exec", "words", "--", "true"]).code, 0);
    let file =
        std::fs::read(sandbox.path("host/layers/words/1/opt/words/words")).expect("readable");
    (file, size.trim().parse().expect("a number"))
}

#[test]
fn what_the_upstream_compressed_well_is_kept() {
    let text = words(4_000_000);
    let (plain, own) = released(&text);
    assert!(plain == text);
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    };
    let tarred = tar_of(&[("x/LICENSE", &b"some words ".repeat(9)), ("x/words", &text)]);
    // Where the writer cannot go back, sizes stand behind each entry.
    let pipe = "class Pipe(io.BytesIO):\n  def seekable(self): return False\n  def tell(self): raise OSError\n";
    let zipped = |into: &str, script: &str| {
        let script = format!(
            "{pipe}b = {into}()\nz = zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED, compresslevel=9)\n{script}\n\
             z.close()\nsys.stdout.buffer.write(b.getvalue())"
        );
        python(&script, &text)
    };
    let one = "z.writestr('x/words', d)";
    for (name, body) in [
        ("gz", gzip(&text)),
        ("tar.gz", gzip(&tarred)),
        ("zip", zipped("io.BytesIO", one)),
        ("zip by a pipe", zipped("Pipe", one)),
        ("zip with more", zipped("io.BytesIO", &format!("z.writestr('x/other', d[::-1])\n{one}"))),
    ] {
        let (file, size) = released(&body);
        assert!(file == text, "{name}");
        let is_theirs = name.contains("more") || size.abs_diff(body.len() as u64) < 2_000;
        assert!(is_theirs && size != own, "{name}: {size} of {}, and our own is {own}", body.len());
    }
    let (half, other) = text.split_at(1_500_000);
    let (file, _) = released(&[gzip(half), gzip(other)].concat());
    assert!(file == text, "two members");
    let (file, size) = released(&{
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&text).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    });
    assert!(file == text && size == own, "compressed in haste: {size}, not {own}");
}

#[test]
fn a_checksum_beside_the_data_is_held_against_it() {
    use sha2::Digest;
    let sandbox = Sandbox::new();
    let body = gzip(&Mmdb::default().bytes());
    let hex: String =
        sha2::Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    sandbox.layer("geo", &format!("{GEO}source.sha256_url = 'UPSTREAM/files/SHA256SUMS'"));
    sandbox.upstream.publish("country.mmdb", &body);
    let sums = format!("{}  other\n{hex} *dist/country.mmdb\n", "0".repeat(64));
    sandbox.upstream.publish("SHA256SUMS", sums.as_bytes());
    assert_refreshed(&sandbox.refresh("geo"), 1);
}

/// F22: two archives with more files together than a zip counts ended the run with an error, and every run downloaded
/// them again.
#[test]
fn more_files_than_a_zip_counts_are_a_problem() {
    const EACH: usize = 32_800;
    let sandbox = Sandbox::new();
    let dataset = |name: &str| {
        format!(
            "[[dataset]]\nname = '{name}'\nformat = 'archive'\nsource.https = 'UPSTREAM/files/{name}.tar'\n"
        )
    };
    sandbox.layer("many", &format!("{}{}", dataset("one"), dataset("two")));
    let names: Vec<String> = (0..EACH).map(|number| number.to_string()).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    for name in ["one.tar", "two.tar"] {
        sandbox.upstream.publish(name, &tar_of(&files));
    }
    let report = sandbox.refresh("many");
    assert_eq!(report.exit(), Exit::Rejected, "{report:#?}");
    let problem = report.problems.first().expect("it is told of");
    assert_eq!((problem.code, problem.found.as_str()), (Code::EntryLimit, "65600 files"));
}
