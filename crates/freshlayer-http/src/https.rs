use freshlayer::Digest;
use freshlayer::definition::{ChecksumSpec, HttpsSource, SignatureSpec, SourceUrl};
use freshlayer::ports::{ExpectedChecksum, Fetch, Request, SourceError, Validators};
use reqwest::StatusCode;
use reqwest::header::{
    DATE, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};

use crate::client::{Answer, Ask, Client, Failed, TooMany, WayOn};
use crate::keyring::{Keyring, Sent};
use crate::redirect::Reach;
use crate::transfer::{Heading, body, header};

/// A checksum file lists a release's files; a megabyte holds ten thousand of them.
const SIDECAR_BYTES_MAX: usize = 1024 * 1024;
/// A signature of minisign has four lines, two of them comments.
const SIGNATURE_BYTES_MAX: usize = 64 * 1024;

/// One request to a source with one or more addresses.
pub(crate) struct Site<'a> {
    pub(crate) client: &'a Client,
    pub(crate) keyring: &'a Keyring,
    pub(crate) request: &'a Request<'a>,
    pub(crate) source: &'a HttpsSource,
}

impl Site<'_> {
    /// Asks the address, and then its mirrors, one after the other.
    pub(crate) async fn fetch(&self) -> Result<Fetch, SourceError> {
        let all = std::iter::once(&self.source.url).chain(&self.source.mirrors);
        let mut failures = Vec::new();
        for (at, url) in all.enumerate().skip(self.request.passed_over) {
            match self.signed_in(url).await {
                Ok(fetch) => return Ok(fetch),
                Err(Failed { error, way_on }) if at == 0 && way_on != WayOn::OtherAddress => {
                    return Err(error);
                }
                Err(failed) => failures.push(failed.error),
            }
        }
        let mirrors = failures.split_off(failures.len().min(1));
        let none = || SourceError::Refused {
            url: self.source.url.to_string(),
            reason: "it has no further address".to_owned(),
        };
        Err(together(failures.pop().unwrap_or_else(none), &mirrors))
    }

    /// Asks one address. Secrets that it refuses are read again once.
    async fn signed_in(&self, url: &SourceUrl) -> Result<Fetch, Failed> {
        let sent = self.sent().await?;
        match self.ask(url, &sent).await {
            Err(Failed { way_on: WayOn::OtherSecrets, .. })
                if self.keyring.read_again(&sent).await? =>
            {
                self.ask(url, &self.sent().await?).await
            }
            answer => answer,
        }
    }

    async fn sent(&self) -> Result<Sent, SourceError> {
        self.keyring.sent(&self.source.headers, self.source.url.expose()).await
    }

    async fn ask(&self, url: &SourceUrl, sent: &Sent) -> Result<Fetch, Failed> {
        let (client, request) = (self.client, self.request);
        let shown = url.to_string();
        let address = (shown != self.source.url.to_string()).then(|| shown.clone());
        let known = request.known.filter(|known| known.address == address);
        let ask = Ask {
            url: url.expose(),
            shown: &shown,
            headers: conditions(known),
            sent: Some(sent),
            too_many: TooMany::Passes,
            plain_http: self.source.plain_http,
            reach: Reach::Anywhere,
            limits: request.limits,
        };
        let answer = client.send(&ask).await?;
        if answer.response.status() == StatusCode::NOT_MODIFIED {
            return if known.is_some() {
                Ok(Fetch::Unchanged)
            } else {
                let reason = "HTTP 304 to a request without conditions".to_owned();
                Err(SourceError::Refused { url: shown, reason }.into())
            };
        }
        let validators = Validators { address, ..validators(&answer, sent, url) };
        let mut checksums = match &request.source.checksum {
            None => Vec::new(),
            Some(ChecksumSpec::Sha256(digest)) => {
                vec![ExpectedChecksum::TransferSha256(digest.clone())]
            }
            Some(ChecksumSpec::Sha256Url(sidecar)) => {
                vec![expected(client, &ask, sidecar, &answer).await?]
            }
        };
        if let Some(wanted) = &self.source.signature {
            checksums.push(signed(client, &ask, url, wanted).await?);
        }
        let sent = Some(sent.clone());
        let heading = Heading { validators, checksums, shown: shown.clone(), sent };
        Ok(Fetch::Body(body(client, answer, heading, self.source.plain_http, request.limits)))
    }
}

/// Says what became of each address.
fn together(first: SourceError, mirrors: &[SourceError]) -> SourceError {
    match first {
        SourceError::Unreachable { url, tries, reason, source } if !mirrors.is_empty() => {
            let reason = format!("{reason}; {}", said(mirrors));
            SourceError::Unreachable { url, tries, reason, source }
        }
        SourceError::Refused { url, reason } if !mirrors.is_empty() => {
            SourceError::Refused { url, reason: format!("{reason}; {}", said(mirrors)) }
        }
        alone => alone,
    }
}

fn said(mirrors: &[SourceError]) -> String {
    let words: Vec<String> = mirrors.iter().map(|error| format!("mirror {error}")).collect();
    words.join("; ")
}

/// What is remembered of an answer: an upstream may repeat there what it was asked with.
fn validators(answer: &Answer, sent: &Sent, url: &SourceUrl) -> Validators {
    let answered = header(&answer.response, DATE);
    let told = |name| {
        let text = header(&answer.response, name).filter(|text| !url.is_repeated_in(text))?;
        sent.discreet(text)
    };
    let last_modified = told(LAST_MODIFIED);
    Validators {
        etag: told(ETAG),
        last_modified: last_modified
            .filter(|changed| names_one_state(changed, answered.as_deref())),
        ..Validators::default()
    }
}

/// A file that changed in the second of the answer may change in it once more: then its time names two states.
/// Source: RFC 9110, section 8.8.2.2.
fn names_one_state(changed: &str, answered: Option<&str>) -> bool {
    let answered = answered.map(httpdate::parse_http_date);
    match (httpdate::parse_http_date(changed), answered) {
        (Ok(changed), Some(Ok(answered))) => changed < answered,
        _ => true,
    }
}

fn conditions(known: Option<&Validators>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(known) = known else { return headers };
    let value = |text: &Option<String>| HeaderValue::from_str(text.as_deref()?).ok();
    if let Some(etag) = value(&known.etag) {
        headers.insert(IF_NONE_MATCH, etag);
    } else if let Some(last_modified) = value(&known.last_modified) {
        headers.insert(IF_MODIFIED_SINCE, last_modified);
    }
    headers
}

/// Reads the signature beside the data, or from its own address.
async fn signed(
    client: &Client,
    data: &Ask<'_>,
    url: &SourceUrl,
    wanted: &SignatureSpec,
) -> Result<ExpectedChecksum, Failed> {
    let beside = wanted.url.clone().unwrap_or_else(|| {
        let mut beside = url.expose().clone();
        beside.set_path(&format!("{}.minisig", url.expose().path()));
        SourceUrl::new(&format!("{url}.minisig"), beside)
    });
    let shown = beside.to_string();
    let ask = Ask { url: beside.expose(), shown: &shown, headers: HeaderMap::new(), ..*data };
    let text = client.small(&ask, SIGNATURE_BYTES_MAX).await?;
    let signature = String::from_utf8_lossy(&text).into_owned();
    Ok(ExpectedChecksum::Minisign { key: wanted.key.clone(), signature })
}

/// Reads the checksum beside the data.
async fn expected(
    client: &Client,
    data: &Ask<'_>,
    sidecar: &SourceUrl,
    answer: &Answer,
) -> Result<ExpectedChecksum, Failed> {
    let shown = sidecar.to_string();
    let ask = Ask { url: sidecar.expose(), shown: &shown, headers: HeaderMap::new(), ..*data };
    // It has one address, whichever has the data.
    let alone = |failed: Failed| match failed.way_on {
        WayOn::OtherAddress => Failed::from(failed.error),
        WayOn::Nothing | WayOn::OtherSecrets => failed,
    };
    let text = client.small(&ask, SIDECAR_BYTES_MAX).await.map_err(alone)?;
    let name = |url: &url::Url| {
        url.path_segments().and_then(|mut parts| parts.next_back().map(str::to_owned))
    };
    let names: Vec<String> = [data.url, &answer.url].into_iter().filter_map(name).collect();
    let found = digest_for(&String::from_utf8_lossy(&text), &names);
    found.map(ExpectedChecksum::TransferSha256).map_err(|reason| {
        let reason = match data.sent {
            Some(sent) => sent.discreet(reason),
            None => Some(reason),
        };
        let reason = reason.unwrap_or_else(|| "expected a SHA-256, found none".to_owned());
        SourceError::Refused { url: shown, reason }.into()
    })
}

/// Finds a file's line in what `sha256sum` writes; a lone digest without a name stands for the file.
fn digest_for(text: &str, names: &[String]) -> Result<Digest, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty()).filter_map(|line| {
        let (hex, name) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
        let name = name.trim().trim_start_matches('*').rsplit('/').next().unwrap_or_default();
        Some((Digest::parse(hex).ok()?, name))
    });
    let lines: Vec<(Digest, &str)> = lines.collect();
    if let [(digest, "")] = &lines[..] {
        return Ok(digest.clone());
    }
    let line = lines.iter().find(|(_, name)| names.iter().any(|wanted| wanted == name));
    line.map(|(digest, _)| digest.clone()).ok_or_else(|| {
        let mut wanted: Vec<&str> = names.iter().map(String::as_str).collect();
        wanted.dedup();
        let expected = format!("expected a SHA-256 for {}", wanted.join(" or "));
        match &lines[..] {
            [] => format!("{expected}, found no SHA-256"),
            [(_, first), ..] => {
                format!("{expected}, found {} for others, such as {first}", lines.len())
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn a_time_of_change_in_the_second_of_the_answer_is_no_validator() {
        let (one, two) = ("Mon, 23 Nov 2026 16:00:01 GMT", "Mon, 23 Nov 2026 16:00:02 GMT");
        assert!(names_one_state(one, Some(two)));
        assert!(!names_one_state(two, Some(two)));
        assert!(names_one_state(two, None));
    }

    #[test]
    fn the_line_of_the_file_is_found() {
        let names = ["x.mmdb".to_owned()];
        for (text, expected) in [
            (format!("{A}\n"), Some(A)),
            (format!("{A}  x.mmdb\n"), Some(A)),
            (format!("{A}  another-file\n"), None),
            (format!("{B}  y.mmdb\n{A} *dist/x.mmdb\n"), Some(A)),
            (format!("{B}  y.mmdb\n{A}  z.mmdb\n"), None),
            ("<html>not found</html>".to_owned(), None),
        ] {
            let found = digest_for(&text, &names);
            assert_eq!(found.as_ref().map(Digest::as_str).ok(), expected, "{text}");
        }
    }
}
