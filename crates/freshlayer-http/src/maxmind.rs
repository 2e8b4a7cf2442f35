//! MaxMind's download protocol, as its own client speaks it: ask for the newest build (free), then
//! download it by date (counts against the account's quota), from a presigned address that must not see
//! the account.

use freshlayer::definition::{Authorization, HeaderText, PlainHttp, RequestHeaders, SourceUrl};
use freshlayer::ports::{ExpectedChecksum, Fetch, News, Request, SourceError, Validators};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use url::Url;

use crate::MaxmindAccount;
use crate::client::{Ask, Client, Failed, TooMany, WayOn};
use crate::keyring::{Keyring, Sent};
use crate::redirect::Reach;
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

/// One request for an edition.
pub(crate) struct Service<'a> {
    pub(crate) client: &'a Client,
    pub(crate) keyring: &'a Keyring,
    pub(crate) request: &'a Request<'a>,
    pub(crate) edition: &'a str,
    pub(crate) host: &'a SourceUrl,
    pub(crate) account: &'a MaxmindAccount,
}

impl Service<'_> {
    /// Brings the newest build, where the caller does not have it.
    pub(crate) async fn fetch(&self) -> Result<Fetch, SourceError> {
        let (sent, newest) = self.newest().await?;
        if self.is_known(&newest) {
            return Ok(Fetch::Unchanged);
        }
        Ok(self.download(&sent, &newest).await?)
    }

    /// Tells what the newest build is.
    pub(crate) async fn news(&self) -> Result<News, SourceError> {
        let (_, newest) = self.newest().await?;
        if self.is_known(&newest) {
            return Ok(News::Unchanged);
        }
        let day: Option<Date> = newest.date.parse().ok();
        let changed =
            day.and_then(|day| TimeZone::UTC.to_timestamp(day.to_datetime(Time::midnight())).ok());
        Ok(News::Newer { length_bytes: None, changed })
    }

    /// Asks for the newest build. A licence key that is refused is read again once.
    async fn newest(&self) -> Result<(Sent, Database), SourceError> {
        let sent = self.sent().await?;
        match self.metadata(&sent).await {
            Err(Failed { way_on: WayOn::OtherSecrets, .. })
                if self.keyring.read_again(&sent).await? =>
            {
                let sent = self.sent().await?;
                let newest = self.metadata(&sent).await?;
                Ok((sent, newest))
            }
            answer => Ok((sent, answer?)),
        }
    }

    fn is_known(&self, newest: &Database) -> bool {
        self.request.known.and_then(|known| known.build.as_ref()) == Some(&newest.build())
    }

    async fn sent(&self) -> Result<Sent, SourceError> {
        let MaxmindAccount { account_id, license_key } = self.account;
        let user = HeaderText::Written(account_id.clone());
        let password = license_key.clone();
        let authorization = Some(Authorization::Basic { user, password });
        let headers = RequestHeaders { authorization, ..RequestHeaders::default() };
        self.keyring.sent(&headers, self.host.expose()).await
    }

    async fn metadata(&self, sent: &Sent) -> Result<Database, Failed> {
        let edition = self.edition;
        let path = ["geoip", "updates", "metadata"];
        let url = self.address(&path, &[("edition_id", edition)])?;
        let shown = self.shown();
        newest(self.client, &self.ask(&url, &shown, sent), edition).await
    }

    async fn download(&self, sent: &Sent, newest: &Database) -> Result<Fetch, Failed> {
        let date: String = newest.date.chars().filter(char::is_ascii_digit).collect();
        let path = ["geoip", "databases", self.edition, "download"];
        let url = self.address(&path, &[("date", &date), ("suffix", "tar.gz")])?;
        let shown = self.shown();
        let answer = self.client.send(&self.ask(&url, &shown, sent)).await?;
        let validators = Validators { build: Some(newest.build()), ..Validators::default() };
        let checksums = vec![ExpectedChecksum::ExtractedMd5(newest.md5.to_ascii_lowercase())];
        let heading = Heading { validators, checksums, shown, sent: None };
        let limits = self.request.limits;
        Ok(Fetch::Body(body(self.client, answer, heading, PlainHttp::Loopback, limits)))
    }

    fn ask<'a>(&'a self, url: &'a Url, shown: &'a str, sent: &'a Sent) -> Ask<'a> {
        Ask {
            url,
            shown,
            headers: HeaderMap::new(),
            sent: Some(sent),
            too_many: TooMany::ForTheDay,
            plain_http: PlainHttp::Loopback,
            reach: Reach::Anywhere,
            limits: self.request.limits,
        }
    }

    fn shown(&self) -> String {
        format!("{} {}", self.host, self.edition)
    }

    fn address(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, SourceError> {
        let found = address(self.host, path, query);
        found.ok_or_else(|| {
            let reason = "an address that takes no path".to_owned();
            SourceError::Refused { url: self.shown(), reason }
        })
    }
}

async fn newest(client: &Client, ask: &Ask<'_>, edition: &str) -> Result<Database, Failed> {
    let fault = |reason: String| SourceError::Refused { url: ask.shown.to_owned(), reason };
    let bytes = client.small(ask, METADATA_BYTES_MAX).await?;
    let metadata: Metadata =
        serde_json::from_slice(&bytes).map_err(|error| fault(unreadable(&error)))?;
    let mut databases = metadata.databases.into_iter();
    let found = databases.find(|database| database.edition_id == edition);
    let found = found.ok_or_else(|| fault(format!("the metadata has no edition {edition}")))?;
    if !found.is_sound() {
        return Err(fault(format!("the metadata of {edition} has no MD5 or no date")).into());
    }
    Ok(found)
}

/// Says where JSON breaks off; its parser's own words repeat what stands there.
fn unreadable(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("expected metadata in JSON, found something else in line {line}, column {column}")
}

impl Database {
    /// Names the build: its date and its MD5.
    fn build(&self) -> String {
        format!("{} {}", self.date, self.md5)
    }

    fn is_sound(&self) -> bool {
        let is_date = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '-');
        let is_md5 = self.md5.len() == 32 && self.md5.chars().all(|c| c.is_ascii_hexdigit());
        is_md5 && !self.date.is_empty() && is_date(&self.date)
    }
}

fn address(host: &SourceUrl, path: &[&str], query: &[(&str, &str)]) -> Option<Url> {
    let mut url = host.expose().clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    url.query_pairs_mut().extend_pairs(query);
    Some(url)
}
