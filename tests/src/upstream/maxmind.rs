use std::path::PathBuf;
use std::sync::PoisonError;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Incoming;
use hyper::{Request, Response};
use md5::{Digest, Md5};

use super::answer::{self, Answer};
use super::{Fault, Shared};

/// The account that the server knows.
pub const ACCOUNT_ID: &str = "123456";
/// The account's licence key.
pub const LICENSE_KEY: &str = "loopback_only_key";
/// `123456:loopback_only_key` in base64.
pub(crate) const AUTHORIZATION: &str = "MTIzNDU2Omxvb3BiYWNrX29ubHlfa2V5";

struct Build {
    edition: String,
    date: String,
    mmdb: Vec<u8>,
}

/// Answers metadata and download requests.
pub(super) fn answer(shared: &Shared, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let fault = shared.fault(&path);
    if let Some(Fault::Status(status, body)) = fault {
        return answer::text(status, "text/plain", body);
    }
    let authorization = request.headers().get("authorization").and_then(|v| v.to_str().ok());
    match authorization.map(|sent| sent.trim_start_matches("Basic ")) {
        None => {
            let text = "An account ID and license key are required to use this service";
            return answer::text(401, "text/plain", text);
        }
        Some(AUTHORIZATION) => {}
        Some(_) => return answer::text(401, "text/plain", "Invalid account ID or license key"),
    }
    if path == "/geoip/updates/metadata" {
        let edition = parameter(request, "edition_id").unwrap_or_default();
        return match build(shared, &edition, None) {
            Some(build) => metadata(&build, fault.as_ref()),
            None => answer::text(404, "text/plain", "Database edition not found"),
        };
    }
    let edition = path.strip_prefix("/geoip/databases/").and_then(|p| p.strip_suffix("/download"));
    let date = parameter(request, "date").unwrap_or_default();
    match edition.and_then(|edition| build(shared, edition, Some(&date))) {
        Some(build) => redirect(shared, &build),
        None => answer::text(400, "text/plain", "Invalid edition ID"),
    }
}

fn metadata(build: &Build, fault: Option<&Fault>) -> Answer {
    let mut md5: String = Md5::digest(&build.mmdb).iter().map(|b| format!("{b:02x}")).collect();
    if fault == Some(&Fault::WrongMd5) {
        md5 = "0".repeat(32);
    }
    let (year, rest) = build.date.split_at(4);
    let (month, day) = rest.split_at(2);
    let date = format!("{year}-{month}-{day}");
    let edition = &build.edition;
    let json = serde_json::json!({
        "databases": [{ "edition_id": edition, "md5": md5, "date": date }]
    });
    answer::text(200, "application/json", &json.to_string())
}

/// The download lies on another host, as behind a presigned address.
fn redirect(shared: &Shared, build: &Build) -> Answer {
    let host = *shared.presigned.lock().unwrap_or_else(PoisonError::into_inner);
    let host = host.expect("the second server runs");
    let Build { edition, date, .. } = build;
    let target = format!("http://{host}/presigned/{edition}/{date}?signature=only-here");
    answer::redirect(&target)
}

/// Answers as object storage does: it refuses a request that brings another's authorization.
pub(super) fn presigned(shared: &Shared, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let fault = shared.fault(&path);
    if request.headers().contains_key("authorization") {
        return answer::text(400, "application/xml", "<Code>InvalidArgument</Code>");
    }
    match fault {
        Some(Fault::Expired) => {
            return answer::text(403, "application/xml", "<Message>Request has expired</Message>");
        }
        Some(Fault::Status(status, body)) => return answer::text(status, "text/plain", body),
        _ => {}
    }
    let mut parts = path.trim_start_matches("/presigned/").split('/');
    let (edition, date) = (parts.next().unwrap_or_default(), parts.next());
    let Some(build) = build(shared, edition, date) else {
        return answer::text(404, "application/xml", "<Code>NoSuchKey</Code>");
    };
    let tar = archive(&build, fault.as_ref());
    let etag = format!("\"{}-{}\"", build.date, tar.len());
    let builder = Response::builder()
        .status(200)
        .header("etag", etag)
        .header("last-modified", "Tue, 15 Sep 2026 12:00:00 GMT");
    answer::bytes(builder, Bytes::from(tar), fault.as_ref())
}

fn archive(build: &Build, fault: Option<&Fault>) -> Vec<u8> {
    let Build { edition, date, mmdb } = build;
    let folder = format!("{edition}_{date}");
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let path = format!("{folder}/{name}");
        tar.append_data(&mut header, path, content).expect("memory takes it");
    };
    add("COPYRIGHT.txt", b"Database and Contents Copyright");
    add("LICENSE.txt", b"Use of this database is governed by its licence.");
    if fault != Some(&Fault::TarWithoutMmdb) {
        add(&format!("{edition}.mmdb"), mmdb);
    }
    let encoder = tar.into_inner().expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Finds a build by date, or the newest one.
fn build(shared: &Shared, edition: &str, date: Option<&str>) -> Option<Build> {
    if edition.is_empty() || edition.contains(['/', '.']) {
        return None;
    }
    let folder: PathBuf = shared.root.join("maxmind").join(edition);
    let entries = std::fs::read_dir(&folder).ok()?;
    let mut dates: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".mmdb")?.to_owned()))
        .filter(|name| name.len() == 8)
        .collect();
    dates.sort();
    let date = match date {
        Some(date) => dates.into_iter().find(|known| known == date)?,
        None => dates.pop()?,
    };
    let mmdb = std::fs::read(folder.join(format!("{date}.mmdb"))).ok()?;
    Some(Build { edition: edition.to_owned(), date, mmdb })
}

fn parameter(request: &Request<Incoming>, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}
