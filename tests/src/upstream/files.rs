use std::path::Path;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, Response};

use super::answer::{self, Answer};
use super::{Fault, Shared};

/// Serves a file: conditional requests, one range, and what is planned for it.
pub(super) fn answer(shared: &Shared, request: &Request<Incoming>, file: &Path) -> Answer {
    let fault = shared.fault(request.uri().path());
    match fault.clone() {
        Some(Fault::Status(status, body)) => return answer::text(status, "text/plain", body),
        Some(Fault::RedirectLoop) => return answer::redirect(&request.uri().to_string()),
        Some(Fault::Redirect(target)) => return answer::redirect(&target),
        _ => {}
    }
    let (Ok(body), Ok(metadata)) = (std::fs::read(file), file.metadata()) else {
        return answer::text(404, "text/html", "<h1>not here</h1>");
    };
    let modified = metadata.modified().expect("a file has a time");
    let nanos = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let etag = match fault {
        Some(Fault::ChangedSinceCut | Fault::IgnoresIfRange) => "\"another\"".to_owned(),
        _ => format!("\"{nanos:x}-{:x}\"", metadata.len()),
    };
    let last_modified = httpdate::fmt_http_date(modified);
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let unchanged = match (header("if-none-match"), header("if-modified-since")) {
        (Some(seen), _) => seen == etag,
        (None, Some(seen)) => seen == last_modified,
        (None, None) => false,
    };
    let mut builder = Response::builder().header("accept-ranges", "bytes");
    if fault != Some(Fault::NoValidators) {
        builder = builder.header("etag", &etag).header("last-modified", &last_modified);
    }
    if unchanged {
        return answer::bytes(builder.status(304), Bytes::new(), None);
    }
    let start = header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    let start = start.and_then(|start| start.parse::<usize>().ok());
    let same =
        fault == Some(Fault::IgnoresIfRange) || header("if-range").is_none_or(|seen| seen == etag);
    match start.filter(|start| same && *start < body.len()) {
        Some(start) => {
            let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
            let builder = builder.status(206).header("content-range", range);
            answer::bytes(builder, Bytes::from(body).slice(start..), fault.as_ref())
        }
        None => answer::bytes(builder.status(200), Bytes::from(body), fault.as_ref()),
    }
}
