//! MaxMind's download protocol, as its own client speaks it: ask for the newest build (free), then
//! download it by date (counts against the account's quota), from a presigned address that must not see
//! the account.

use freshlayer::definition::{PlainHttp, SourceUrl};
use freshlayer::ports::{ExpectedChecksum, Fetch, Request, SourceError, Validators};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use url::Url;

use crate::client::{Ask, Client, read_bounded};
use crate::secret::Credentials;
use crate::transfer::{Heading, body};

const METADATA_BYTES_MAX: usize = 1024 * 1024;

#[derive(Deserialize)]
struct Metadata {
    databases: Vec<Database>,
}

#[derive(Deserialize)]
struct Database {
    edition_id: String,
    md5: String,
    date: String,
}

pub(crate) async fn fetch(
    client: &Client,
    request: &Request<'_>,
    edition: &str,
    host: &SourceUrl,
    account: &Credentials,
) -> Result<Fetch, SourceError> {
    let shown = format!("{host} {edition}");
    let fault =
        |reason: &str| SourceError::Refused { url: shown.clone(), reason: reason.to_owned() };
    let metadata_url = address(host, &["geoip", "updates", "metadata"], &[("edition_id", edition)]);
    let metadata_url = metadata_url.ok_or_else(|| fault("an address that takes no path"))?;
    let ask = Ask {
        url: &metadata_url,
        shown: &shown,
        headers: HeaderMap::new(),
        account: Some(account),
        plain_http: PlainHttp::Loopback,
        limits: request.limits,
    };
    let newest = newest(client, &ask, edition).await?;
    let build = format!("{} {}", newest.date, newest.md5);
    if request.known.and_then(|known| known.build.as_ref()) == Some(&build) {
        return Ok(Fetch::Unchanged);
    }
    let date: String = newest.date.chars().filter(char::is_ascii_digit).collect();
    let path = ["geoip", "databases", edition, "download"];
    let download = address(host, &path, &[("date", &date), ("suffix", "tar.gz")]);
    let download = download.ok_or_else(|| fault("an address that takes no path"))?;
    let answer = client.send(&Ask { url: &download, headers: HeaderMap::new(), ..ask }).await?;
    let validators = Validators { build: Some(build), ..Validators::default() };
    let checksums = vec![ExpectedChecksum::ExtractedMd5(newest.md5.to_ascii_lowercase())];
    let heading = Heading { validators, checksums, shown };
    Ok(Fetch::Body(body(client, answer, heading, PlainHttp::Loopback, request.limits)))
}

async fn newest(client: &Client, ask: &Ask<'_>, edition: &str) -> Result<Database, SourceError> {
    let fault = |reason: String| SourceError::Refused { url: ask.shown.to_owned(), reason };
    let response = client.send(ask).await?.response;
    let bytes = read_bounded(response, METADATA_BYTES_MAX).await.map_err(fault)?;
    let metadata: Metadata = serde_json::from_slice(&bytes)
        .map_err(|error| fault(format!("expected metadata in JSON: {error}")))?;
    let mut databases = metadata.databases.into_iter();
    let found = databases.find(|database| database.edition_id == edition);
    found.ok_or_else(|| fault(format!("the metadata has no edition {edition}")))
}

fn address(host: &SourceUrl, path: &[&str], query: &[(&str, &str)]) -> Option<Url> {
    let mut url = host.expose().clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    url.query_pairs_mut().extend_pairs(query);
    Some(url)
}
