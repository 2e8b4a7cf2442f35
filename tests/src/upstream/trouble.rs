//! What can go wrong with one answer, drawn by seed, as bytes on the wire.

use std::time::Duration;

use fastrand::Rng;

/// What a seeded upstream did with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// Nothing: the answer is right.
    None,
    /// A passing status, with some `Retry-After` or without.
    Unavailable,
    /// A status that does not pass.
    Refused,
    /// Half of the body, a pause, and the end of the connection.
    CutSlowly,
    /// Half of the body, and a reset.
    Reset,
    /// A reset in place of an answer.
    ResetAtOnce,
    /// Half of the body in chunks, and the end of the connection.
    CutChunks,
    /// Half of the body, as long as `Content-Length` says.
    Shrunk,
    /// Half of the body without a length.
    ShrunkWithoutLength,
    /// 206 for another range than the one asked for, or for a request without one.
    WrongRange,
    /// 206 of another build, in spite of `If-Range`.
    OtherBuild,
    /// Other bytes under the same `ETag`.
    SameEtag,
    /// A page with status 200.
    Html,
    /// A redirect to a private network.
    PrivateRedirect,
    /// A redirect to itself, for ever.
    RedirectLoop,
    /// The right answer, late.
    SlowFirstByte,
    /// No answer for longer than anybody waits.
    Silent,
    /// Bytes that are no HTTP.
    NoHttp,
    /// 304 to a request without conditions.
    UnaskedNotModified,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::None,
        Self::Unavailable,
        Self::Refused,
        Self::CutSlowly,
        Self::Reset,
        Self::ResetAtOnce,
        Self::CutChunks,
        Self::Shrunk,
        Self::ShrunkWithoutLength,
        Self::WrongRange,
        Self::OtherBuild,
        Self::SameEtag,
        Self::Html,
        Self::PrivateRedirect,
        Self::RedirectLoop,
        Self::SlowFirstByte,
        Self::Silent,
        Self::NoHttp,
        Self::UnaskedNotModified,
    ];
}

/// What only a resumption can be told.
const LIES: [Trouble; 3] = [Trouble::WrongRange, Trouble::OtherBuild, Trouble::SameEtag];

/// What names the right bytes of a file, beside the bytes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A checksum beside it.
    Checksum,
    /// Nothing: lies that nobody can notice are left out.
    Content,
}

/// What a request asks for, as far as answers depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// The first byte of the range that is asked for.
    pub(super) from: Option<usize>,
    pub(super) is_conditional: bool,
}

/// A build of a file with its `ETag`.
#[derive(Debug, Clone)]
pub(super) struct Build {
    pub(super) bytes: Vec<u8>,
    pub(super) etag: Option<String>,
}

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// The connection is reset; without it, it ends in order.
    Reset,
}

/// Draws what happens to one request: nothing to half of them.
pub(super) fn draw(random: &mut Rng, asked: Asked, proof: Proof) -> Trouble {
    if random.bool() {
        return Trouble::None;
    }
    let all = if asked.from.is_some() && random.bool() { &LIES[..] } else { &Trouble::ALL[1..] };
    loop {
        let trouble = all[random.usize(..all.len())];
        let is_fair = match trouble {
            Trouble::SameEtag => proof == Proof::Checksum,
            Trouble::UnaskedNotModified => !asked.is_conditional,
            // It costs its wait.
            Trouble::Silent => random.u8(..4) == 0,
            _ => true,
        };
        if is_fair {
            return trouble;
        }
    }
}

/// Writes an answer down.
pub(super) fn steps(
    random: &mut Rng,
    trouble: Trouble,
    asked: Asked,
    right: &Build,
    other: &Build,
) -> Vec<Step> {
    let (body, from) = part(right, asked);
    let half = random.usize(1..body.len().max(2)).min(body.len());
    let good = whole(right, asked);
    let cut = good[..good.len() - body.len() + half].to_vec();
    let pause = Step::Wait(Duration::from_millis(random.u64(5..40)));
    match trouble {
        Trouble::None => vec![Step::Send(good)],
        Trouble::Unavailable => vec![Step::Send(unavailable(random))],
        Trouble::Refused => vec![Step::Send(refused(random))],
        Trouble::CutSlowly => vec![Step::Send(cut), pause],
        Trouble::Reset => vec![Step::Send(cut), pause, Step::Reset],
        Trouble::ResetAtOnce => vec![Step::Reset],
        Trouble::CutChunks => vec![Step::Send(chunk(right, &body[..half])), pause],
        Trouble::Shrunk => vec![Step::Send(answer(200, right, &sized(half), &body[..half]))],
        Trouble::ShrunkWithoutLength => vec![Step::Send(answer(200, right, "", &body[..half]))],
        Trouble::WrongRange => vec![Step::Send(wrong_range(right, from, half))],
        Trouble::OtherBuild => vec![Step::Send(other_build(asked, other, half))],
        Trouble::SameEtag => vec![Step::Send(same_etag(random, right, asked))],
        Trouble::Html => vec![Step::Send(html())],
        Trouble::PrivateRedirect => vec![Step::Send(redirect(private(random)))],
        Trouble::RedirectLoop => vec![Step::Send(redirect("/loop"))],
        Trouble::SlowFirstByte => vec![pause, Step::Send(good)],
        Trouble::Silent => vec![Step::Wait(Duration::from_secs(2))],
        Trouble::NoHttp => vec![Step::Send(b"\0\x01no http at all\r\n\r\n".to_vec())],
        Trouble::UnaskedNotModified => vec![Step::Send(answer(304, right, &sized(0), b""))],
    }
}

/// A redirect.
pub(super) fn redirect(target: &str) -> Vec<u8> {
    head(302, &format!("location: {target}\r\n{}", sized(0)))
}

/// The status that says that nothing is there.
pub(super) fn missing() -> Vec<u8> {
    head(404, &sized(0))
}

/// The bytes that are asked for, and where they begin.
fn part(build: &Build, asked: Asked) -> (&[u8], usize) {
    let from = asked.from.filter(|from| *from < build.bytes.len()).unwrap_or(0);
    (&build.bytes[from..], from)
}

/// The right answer.
pub(super) fn whole(build: &Build, asked: Asked) -> Vec<u8> {
    match part(build, asked) {
        (body, 0) => answer(200, build, &sized(body.len()), body),
        (body, from) => partial(build, from, build.bytes.len(), body),
    }
}

/// The answer that says that nothing changed.
pub(super) fn not_modified(build: &Build) -> Vec<u8> {
    answer(304, build, "", b"")
}

fn partial(build: &Build, from: usize, to: usize, body: &[u8]) -> Vec<u8> {
    let (last, all) = (to.saturating_sub(1), build.bytes.len());
    let range = format!("content-range: bytes {from}-{last}/{all}\r\n{}", sized(body.len()));
    answer(206, build, &range, body)
}

fn wrong_range(build: &Build, from: usize, half: usize) -> Vec<u8> {
    let (start, end) = match from {
        0 => (0, half),
        from if half.is_multiple_of(2) => (from - 1, build.bytes.len()),
        from => (from, from + half),
    };
    partial(build, start, end, &build.bytes[start..end])
}

fn other_build(asked: Asked, other: &Build, half: usize) -> Vec<u8> {
    match part(other, asked) {
        (_, 0) => partial(other, 0, half, &other.bytes[..half.min(other.bytes.len())]),
        (body, from) => partial(other, from, other.bytes.len(), body),
    }
}

fn same_etag(random: &mut Rng, right: &Build, asked: Asked) -> Vec<u8> {
    let mut bytes = right.bytes.clone();
    let at = random.usize(..bytes.len());
    bytes[at] ^= 1 << random.u8(..8);
    whole(&Build { bytes, etag: right.etag.clone() }, asked)
}

fn chunk(build: &Build, body: &[u8]) -> Vec<u8> {
    let mut framed = format!("{:x}\r\n", body.len()).into_bytes();
    framed.extend_from_slice(body);
    framed.extend_from_slice(b"\r\n");
    answer(200, build, "transfer-encoding: chunked\r\n", &framed)
}

fn unavailable(random: &mut Rng) -> Vec<u8> {
    let after = ["", "0", "3600", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "-1"];
    let after = match after[random.usize(..after.len())] {
        "" => String::new(),
        value => format!("retry-after: {value}\r\n"),
    };
    let status = [500, 502, 503, 504, 429][random.usize(..5)];
    head(status, &format!("{after}{}", sized(0)))
}

fn refused(random: &mut Rng) -> Vec<u8> {
    let status = [400, 401, 403, 404, 410, 416, 418, 204, 300][random.usize(..9)];
    let length = if status == 204 { String::new() } else { sized(0) };
    head(status, &length)
}

fn private(random: &mut Rng) -> &'static str {
    let targets = [
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/data",
        "https://[fd00::1]/data",
        "https://192.168.0.1/",
    ];
    targets[random.usize(..targets.len())]
}

fn html() -> Vec<u8> {
    let page = b"<!doctype html><title>Maintenance</title><h1>We are back soon</h1>";
    let mut bytes = head(200, &format!("content-type: text/html\r\n{}", sized(page.len())));
    bytes.extend_from_slice(page);
    bytes
}

fn sized(bytes: usize) -> String {
    format!("content-length: {bytes}\r\n")
}

fn answer(status: u16, build: &Build, headers: &str, body: &[u8]) -> Vec<u8> {
    let etag = build.etag.as_ref().map(|etag| format!("etag: {etag}\r\n")).unwrap_or_default();
    let mut bytes = head(status, &format!("{etag}{headers}"));
    bytes.extend_from_slice(body);
    bytes
}

fn head(status: u16, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Some\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}
