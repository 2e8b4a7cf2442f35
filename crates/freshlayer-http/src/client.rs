use std::sync::{Arc, OnceLock};
use std::time::Duration;

use freshlayer::Limits;
use freshlayer::definition::PlainHttp;
use freshlayer::ports::SourceError;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Response, StatusCode};
use url::Url;

use crate::keyring::Sent;
use crate::redirect::{self, LeadsInside, Reach};
use crate::words::cause;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that says nothing for so long is dead, whatever the definition's limits are.
const READ_TIMEOUT: Duration = Duration::from_mins(5);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// How much of a refusal's text is shown.
const REASON_CHARS_MAX: usize = 200;
const REASON_BYTES_MAX: usize = 8 * 1024;

/// Why the client could not be made.
pub type BuildError = reqwest::Error;

/// The one HTTP client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    anywhere: reqwest::Client,
    /// For what other servers redirect to: made at the first such redirect.
    other_hosts: Arc<OnceLock<reqwest::Client>>,
    outside: Arc<OnceLock<reqwest::Client>>,
    pause: Duration,
}

/// One request, and how it may travel.
pub(crate) struct Ask<'a> {
    pub(crate) url: &'a Url,
    /// The address as people see it.
    pub(crate) shown: &'a str,
    pub(crate) headers: HeaderMap,
    /// What identifies us to the origin of the first address.
    pub(crate) sent: Option<&'a Sent>,
    pub(crate) too_many: TooMany,
    pub(crate) plain_http: PlainHttp,
    /// How far the name of its host may lead.
    pub(crate) reach: Reach,
    pub(crate) limits: &'a Limits,
}

/// What 429 means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMany {
    /// It passes where the answer says when.
    Passes,
    /// The account's downloads are used up for the day, and another try makes it worse.
    ForTheDay,
}

/// Why an address gave nothing.
pub(crate) struct Failed {
    pub(crate) error: SourceError,
    pub(crate) way_on: WayOn,
}

/// What may help where an address gave nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WayOn {
    Nothing,
    /// It refused the secrets that it was sent.
    OtherSecrets,
    /// It cannot be reached, or does not have the file.
    OtherAddress,
}

impl From<SourceError> for Failed {
    fn from(error: SourceError) -> Self {
        Self { error, way_on: WayOn::Nothing }
    }
}

impl From<Failed> for SourceError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// An answer that is not a refusal, and the address that gave it in the end.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) url: Url,
    /// How far the name of its host was allowed to lead.
    pub(crate) reach: Reach,
}

impl Client {
    pub(crate) fn new(pause: Duration) -> Result<Self, BuildError> {
        // An error says that a provider is installed already, which is as good.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let (other_hosts, outside) = (Arc::default(), Arc::default());
        Ok(Self { anywhere: builder().build()?, other_hosts, outside, pause })
    }

    fn within(&self, reach: Reach) -> Result<&reqwest::Client, BuildError> {
        let made = match reach {
            Reach::Anywhere => return Ok(&self.anywhere),
            Reach::OtherHosts => &self.other_hosts,
            Reach::Outside => &self.outside,
        };
        if let Some(client) = made.get() {
            return Ok(client);
        }
        let client = builder().dns_resolver(reach).build()?;
        Ok(made.get_or_init(|| client))
    }

    /// Sends a request until it is answered, refused, or out of tries.
    pub(crate) async fn send(&self, ask: &Ask<'_>) -> Result<Answer, Failed> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.send_once(ask).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => self.wait_or_fail(ask, tries, fault).await?,
            }
        }
    }

    /// Fetches a small file whole. One that breaks off is asked for again, and a larger one is refused.
    pub(crate) async fn small(&self, ask: &Ask<'_>, bytes_max: usize) -> Result<Vec<u8>, Failed> {
        let mut tries = 0;
        loop {
            tries += 1;
            let fault = match self.send_once(ask).await {
                Err(fault) => fault,
                Ok(answer) => match read_bounded(answer.response, bytes_max).await {
                    Ok(bytes) => return Ok(bytes),
                    Err(Unread::TooLarge(reason)) => return Err(refused(ask, reason).into()),
                    Err(Unread::BrokenOff(reason)) => Fault::passing(reason),
                },
            };
            self.wait_or_fail(ask, tries, fault).await?;
        }
    }

    /// Posts a JSON text once, and returns the answer's text. A redirect is no answer.
    pub(crate) async fn post_once(
        &self,
        url: &Url,
        headers: &HeaderMap,
        json: &str,
        bytes_max: usize,
    ) -> Result<String, String> {
        let post = self.anywhere.post(url.clone()).headers(headers.clone());
        let post = post.header(CONTENT_TYPE, "application/json").body(json.to_owned());
        let response = post.send().await.map_err(cause)?;
        if response.status() != StatusCode::OK {
            return Err(format!("HTTP {}", response.status()));
        }
        match read_bounded(response, bytes_max).await {
            Ok(body) => Ok(String::from_utf8_lossy(&body).into_owned()),
            Err(Unread::TooLarge(reason) | Unread::BrokenOff(reason)) => Err(reason),
        }
    }

    /// Waits until the next try, where there is one.
    async fn wait_or_fail(&self, ask: &Ask<'_>, tries: u32, fault: Fault) -> Result<(), Failed> {
        match fault {
            Fault::Final(failed) => Err(failed),
            Fault::Passing { reason, .. } if tries >= ask.limits.tries_max => {
                let url = ask.shown.to_owned();
                let error = SourceError::Unreachable { url, tries, reason, source: None };
                Err(Failed { error, way_on: WayOn::OtherAddress })
            }
            Fault::Passing { after, .. } => {
                tokio::time::sleep(after.unwrap_or_else(|| self.pause_before(tries))).await;
                Ok(())
            }
        }
    }

    /// Twice as long each time, and up to half of it again, so that many publishers do not come at once.
    pub(crate) fn pause_before(&self, tries: u32) -> Duration {
        let pause = self.pause.saturating_mul(1 << tries.min(10).saturating_sub(1)).min(PAUSE_MAX);
        pause.mul_f64(1.0 + fastrand::f64() / 2.0)
    }

    /// Follows redirects. What identifies us goes to its own origin only, and not there again once a redirect left it; a
    /// presigned address refuses it. A user and password in the address go to its own host only.
    async fn send_once(&self, ask: &Ask<'_>) -> Result<Answer, Fault> {
        let (mut url, mut sent, mut reach) = (ask.url.clone(), ask.sent, ask.reach);
        for _ in 0..=ask.limits.redirects_max {
            sent = sent.filter(|sent| sent.is_for(&url));
            let client = self.within(reach).map_err(|error| Fault::passing(cause(error)))?;
            let mut request = client.get(url.clone()).headers(ask.headers.clone());
            if let Some(sent) = sent {
                request = request.headers(sent.headers().clone());
            }
            let patience = Duration::from_secs(ask.limits.stall_secs_max);
            let response = match tokio::time::timeout(patience, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => match LeadsInside::in_causes_of(&error) {
                    Some(inside) if url.host_str() == Some(&inside.host) => {
                        return Err(Fault::Final(refused(ask, inside.to_string()).into()));
                    }
                    // A proxy is chosen by who runs this, and resolves the names itself.
                    Some(_proxy) => {
                        reach = Reach::Anywhere;
                        continue;
                    }
                    None => return Err(Fault::passing(cause(error))),
                },
                Err(_elapsed) => {
                    let secs = patience.as_secs();
                    let reason = format!("no answer within limits.stall_secs_max, {secs} s");
                    return Err(Fault::passing(reason));
                }
            };
            if !redirect::is_one(response.status()) {
                return judge(ask, sent, Answer { response, url, reach }).await;
            }
            reach = Reach::from(response.remote_addr().map(|server| server.ip()));
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let next = redirect::next_hop(&url, location, ask.plain_http);
            url = next.map_err(|reason| Fault::Final(refused(ask, reason).into()))?;
        }
        let reason = format!("more than {} redirects", ask.limits.redirects_max);
        Err(Fault::Final(refused(ask, reason).into()))
    }
}

fn builder() -> reqwest::ClientBuilder {
    // A body that arrives compressed by the way could be neither hashed nor resumed.
    let headers = [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))];
    reqwest::Client::builder()
        .user_agent(concat!("freshlayer/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers.into_iter().collect())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
}

/// Whether another try may help.
enum Fault {
    Final(Failed),
    Passing { reason: String, after: Option<Duration> },
}

impl Fault {
    fn passing(reason: String) -> Self {
        Self::Passing { reason, after: None }
    }
}

fn refused(ask: &Ask<'_>, reason: String) -> SourceError {
    SourceError::Refused { url: ask.shown.to_owned(), reason }
}

/// The one retry rule: 200 is an answer, and so are 304 and the part that was asked for; the network, 408 and 5xx pass; a plain 429 passes where it says when; everything
/// else is the upstream's last word.
async fn judge(ask: &Ask<'_>, sent: Option<&Sent>, answer: Answer) -> Result<Answer, Fault> {
    let status = answer.response.status();
    if is_answer(ask, status) {
        return Ok(answer);
    }
    let response = answer.response;
    if status == StatusCode::TOO_MANY_REQUESTS && ask.too_many == TooMany::ForTheDay {
        let error = SourceError::QuotaReached { url: ask.shown.to_owned() };
        return Err(Fault::Final(error.into()));
    }
    let after = retry_after(&response).filter(|after| *after <= PAUSE_MAX);
    let passing = status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || (status == StatusCode::TOO_MANY_REQUESTS && after.is_some());
    let reason = reason(ask, response).await;
    if passing {
        return Err(Fault::Passing { reason, after });
    }
    let way_on = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if sent.is_some_and(Sent::has_secrets) => {
            WayOn::OtherSecrets
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => WayOn::OtherAddress,
        _ => WayOn::Nothing,
    };
    Err(Fault::Final(Failed { error: refused(ask, reason), way_on }))
}

/// A part that was not asked for, or a success without the file, would pass for the whole file.
fn is_answer(ask: &Ask<'_>, status: StatusCode) -> bool {
    match status {
        StatusCode::OK | StatusCode::NOT_MODIFIED => true,
        StatusCode::PARTIAL_CONTENT => ask.headers.contains_key(RANGE),
        _ => false,
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_secs)
}

/// Puts a refusal into words: the status, and the body where it is text meant for people.
async fn reason(ask: &Ask<'_>, response: Response) -> String {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let text = match &kind {
        kind if kind.starts_with("text/plain") || kind.starts_with("application/json") => {
            let body = read_bounded(response, REASON_BYTES_MAX).await.unwrap_or_default();
            message(&String::from_utf8_lossy(&body))
        }
        _ => String::new(),
    };
    // Before it is cut: half a secret is known by nothing.
    if text.is_empty() || may_hold_secret(ask, &text) {
        return format!("HTTP {status}");
    }
    let start: String = text.chars().take(REASON_CHARS_MAX).collect();
    format!("HTTP {status}: {start}")
}

/// An upstream may repeat what it was asked with; a secret must not come back that way.
fn may_hold_secret(ask: &Ask<'_>, text: &str) -> bool {
    ask.shown.contains("${") || ask.sent.is_some_and(|sent| sent.is_repeated_in(text))
}

fn message(body: &str) -> String {
    let json = serde_json::from_str::<serde_json::Value>(body).ok();
    let error = json.as_ref().and_then(|json| json.get("error")?.as_str());
    let text = error.unwrap_or(body).trim();
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Why a small body was not read.
enum Unread {
    TooLarge(String),
    BrokenOff(String),
}

async fn read_bounded(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| Unread::BrokenOff(cause(error)))?
    {
        body.extend_from_slice(&chunk);
        if body.len() > bytes_max {
            return Err(Unread::TooLarge(format!(
                "expected at most {bytes_max} bytes, found more"
            )));
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Asks a name of this machine; returns what went wrong, and how often it was connected to.
    async fn asked(reach: Reach) -> (String, usize) {
        let server = TcpListener::bind(("localhost", 0)).await.expect("a free port");
        let port = server.local_addr().expect("bound").port();
        let url = Url::parse(&format!("http://localhost:{port}/")).expect("an address");
        let limits = Limits { tries_max: 2, ..Limits::default() };
        let ask = Ask {
            url: &url,
            shown: "data",
            headers: HeaderMap::new(),
            sent: None,
            too_many: TooMany::Passes,
            plain_http: PlainHttp::Loopback,
            reach,
            limits: &limits,
        };
        let client = Client::new(Duration::ZERO).expect("a client");
        let mut connected = 0;
        let refusing = async {
            while server.accept().await.is_ok() {
                connected += 1;
            }
        };
        let failed = tokio::select! {
            sent = client.send(&ask) => sent.map(drop).map_err(SourceError::from),
            () = refusing => unreachable!("it listens"),
        };
        (freshlayer::chain(&failed.expect_err("it answers nothing")), connected)
    }

    #[tokio::test]
    async fn a_name_that_is_out_of_reach_is_refused_once_and_not_connected_to() {
        for reach in [Reach::OtherHosts, Reach::Outside] {
            let (reason, connected) = asked(reach).await;
            assert!(reason.contains("leads into a private network"), "{reason}");
            assert_eq!(connected, 0, "{reason}");
        }
        let (reason, connected) = asked(Reach::Anywhere).await;
        assert!(connected > 0 && !reason.contains("private network"), "{reason}");
    }
}
