//! A body on its way. A broken connection is taken up again where it broke, if the upstream proves by a
//! strong `ETag` that it is still the same file.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use freshlayer::Limits;
use freshlayer::definition::PlainHttp;
use freshlayer::ports::{Body, ExpectedChecksum, SourceError, UpstreamFacts, Validators};
use futures_util::Stream;
use jiff::Timestamp;
use reqwest::header::{
    CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Response, StatusCode};
use url::Url;

use crate::client::{Answer, Ask, Client, TooMany};
use crate::keyring::Sent;
use crate::redirect::Reach;
use crate::words::cause;

/// What is known of a body before its first byte.
pub(crate) struct Heading {
    pub(crate) validators: Validators,
    pub(crate) checksums: Vec<ExpectedChecksum>,
    pub(crate) shown: String,
    /// What the rest of a broken transfer is asked with, where its address may see it.
    pub(crate) sent: Option<Sent>,
}

pub(crate) fn header(response: &Response, name: HeaderName) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// Makes a body of an answer.
pub(crate) fn body(
    client: &Client,
    answer: Answer,
    heading: Heading,
    plain_http: PlainHttp,
    limits: &Limits,
) -> Body {
    let Answer { response, url, reach } = answer;
    let etag = header(&response, ETAG);
    let last_modified = header(&response, LAST_MODIFIED);
    let facts = UpstreamFacts {
        url: heading.shown.clone(),
        etag: heading.validators.etag.clone(),
        last_modified: last_modified.as_deref().and_then(timestamp),
    };
    let length_bytes = response.content_length();
    let transfer = Transfer {
        client: client.clone(),
        url,
        shown: heading.shown,
        sent: heading.sent,
        strong_etag: etag.filter(|etag| !etag.starts_with("W/")),
        length_bytes,
        received: 0,
        tries: 1,
        plain_http,
        reach,
        limits: limits.clone(),
        response: Some(response),
    };
    let chunks = chunks(transfer);
    let Heading { validators, checksums, .. } = heading;
    Body { validators, facts, length_bytes, checksums, chunks }
}

fn timestamp(http_date: &str) -> Option<Timestamp> {
    let time: SystemTime = httpdate::parse_http_date(http_date).ok()?;
    Timestamp::try_from(time).ok()
}

/// What `Content-Range` says.
#[derive(Debug, PartialEq, Eq)]
struct Rest {
    /// The first byte.
    start: u64,
    /// The length of the whole file, where the upstream knows it.
    length_bytes: Option<u64>,
}

impl Rest {
    fn parse(range: &str) -> Option<Self> {
        let (range, length) = range.strip_prefix("bytes ")?.split_once('/')?;
        let length_bytes = if length == "*" { None } else { Some(length.parse().ok()?) };
        let start = range.split_once('-')?.0.parse().ok()?;
        Some(Self { start, length_bytes })
    }
}

struct Transfer {
    client: Client,
    url: Url,
    shown: String,
    sent: Option<Sent>,
    strong_etag: Option<String>,
    length_bytes: Option<u64>,
    received: u64,
    tries: u32,
    plain_http: PlainHttp,
    reach: Reach,
    limits: Limits,
    response: Option<Response>,
}

fn chunks(transfer: Transfer) -> Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>> {
    Box::pin(futures_util::stream::try_unfold(transfer, |mut transfer| async move {
        Ok(transfer.next().await?.map(|chunk| (chunk, transfer)))
    }))
}

impl Transfer {
    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        loop {
            let Some(response) = &mut self.response else {
                return Ok(None);
            };
            let patience = Duration::from_secs(self.limits.stall_secs_max);
            let chunk = match tokio::time::timeout(patience, response.chunk()).await {
                Ok(chunk) => chunk.map_err(cause),
                Err(_elapsed) => Err(format!(
                    "no byte came for limits.stall_secs_max, {} s,",
                    patience.as_secs()
                )),
            };
            match chunk {
                Ok(Some(chunk)) => {
                    self.received += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Ok(None) => {
                    self.response = None;
                    return self.whole().map(|()| None);
                }
                Err(reason) => self.resume(reason).await?,
            }
        }
    }

    fn whole(&self) -> Result<(), SourceError> {
        match self.length_bytes {
            Some(length) if length != self.received => {
                Err(self.broken(format!("the body ended at {} of {length} bytes", self.received)))
            }
            _ => Ok(()),
        }
    }

    /// Asks for the rest, and for the rest only: a whole new body would not fit behind what came.
    async fn resume(&mut self, reason: String) -> Result<(), SourceError> {
        let broke = format!("{reason} after {} bytes", self.received);
        let Some(etag) = self.strong_etag.as_deref().and_then(|e| HeaderValue::from_str(e).ok())
        else {
            return Err(
                self.broken(format!("{broke}; without a strong ETag nothing can be resumed"))
            );
        };
        if self.tries >= self.limits.tries_max {
            return Err(self.broken(broke));
        }
        tokio::time::sleep(self.client.pause_before(self.tries)).await;
        self.tries += 1;
        let mut headers = HeaderMap::new();
        let range = format!("bytes={}-", self.received);
        headers.insert(RANGE, HeaderValue::from_str(&range).map_err(|e| self.fault(&e))?);
        headers.insert(IF_RANGE, etag);
        let ask = Ask {
            url: &self.url,
            shown: &self.shown,
            headers,
            sent: self.sent.as_ref(),
            too_many: TooMany::Passes,
            plain_http: self.plain_http,
            reach: self.reach,
            limits: &self.limits,
        };
        let response = self.client.send(&ask).await?.response;
        let Some(rest) = self.rest(&response) else {
            return Err(self.broken(format!("{broke}, and the upstream has another file by now")));
        };
        self.length_bytes = self.length_bytes.or(rest.length_bytes);
        self.response = Some(response);
        Ok(())
    }

    /// Tells what an answer continues with; `None` where it is not the rest of the same file. An upstream that knows no
    /// `If-Range` gives the rest of whatever it has now: its own `ETag` and length tell.
    fn rest(&self, response: &Response) -> Option<Rest> {
        let rest = Rest::parse(&header(response, CONTENT_RANGE)?)?;
        let same_length = match (self.length_bytes, rest.length_bytes) {
            (Some(before), Some(now)) => before == now,
            _ => true,
        };
        let continues = response.status() == StatusCode::PARTIAL_CONTENT
            && header(response, ETAG) == self.strong_etag
            && rest.start == self.received
            && same_length;
        continues.then_some(rest)
    }

    fn broken(&self, reason: String) -> SourceError {
        let (url, tries) = (self.shown.clone(), self.tries);
        SourceError::Unreachable { url, tries, reason, source: None }
    }

    fn fault(&self, error: &dyn std::error::Error) -> SourceError {
        self.broken(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_strictly() {
        let rest = |start, length_bytes| Some(Rest { start, length_bytes });
        for (range, expected) in [
            ("bytes 5-9/10", rest(5, Some(10))),
            ("bytes 5-9/*", rest(5, None)),
            ("bytes */10", None),
            ("bytes 5-9/ten", None),
            ("items 5-9/10", None),
            ("bytes 5-9", None),
        ] {
            assert_eq!(Rest::parse(range), expected, "{range}");
        }
    }

    /// The address behind a redirect may resolve to another place by the time that a transfer is taken up again.
    #[tokio::test]
    async fn what_is_taken_up_again_leads_no_farther_than_before() {
        let server = tokio::net::TcpListener::bind(("localhost", 0)).await.expect("a free port");
        let port = server.local_addr().expect("bound").port();
        let mut transfer = Transfer {
            client: Client::new(Duration::ZERO).expect("a client"),
            url: Url::parse(&format!("http://localhost:{port}/")).expect("an address"),
            shown: "data".to_owned(),
            sent: None,
            strong_etag: Some("\"a\"".to_owned()),
            length_bytes: None,
            received: 1,
            tries: 1,
            plain_http: PlainHttp::Loopback,
            reach: Reach::Outside,
            limits: Limits::default(),
            response: None,
        };
        let broke = transfer.resume("it broke".to_owned());
        let error = tokio::select! {
            resumed = broke => resumed.expect_err("not connected"),
            _connected = server.accept() => panic!("it leads to this machine"),
        };
        let reason = freshlayer::chain(&error);
        assert!(reason.contains("leads into a private network"), "{reason}");
    }
}
