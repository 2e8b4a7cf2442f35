use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::Frame;

use super::Fault;

/// An answer of the server.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

const CHUNK_BYTES: usize = 64 * 1024;

/// Makes a small answer.
pub(super) fn text(status: u16, kind: &str, body: &str) -> Answer {
    let body = Full::new(Bytes::from(body.to_owned())).map_err(|never| match never {});
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(body.boxed_unsync())
        .expect("a status and one header make a response")
}

/// Makes a redirect.
pub(super) fn redirect(target: &str) -> Answer {
    let mut redirect = text(302, "text/plain", "");
    let target = target.parse().expect("an address is a header");
    redirect.headers_mut().insert("location", target);
    redirect
}

/// Makes an answer with a body that may break in the way a fault says.
pub(super) fn bytes(
    builder: hyper::http::response::Builder,
    body: Bytes,
    fault: Option<&Fault>,
) -> Answer {
    let length = body.len();
    let chunks = (0..length.div_ceil(CHUNK_BYTES)).map(move |at| {
        let end = length.min((at + 1) * CHUNK_BYTES);
        body.slice(at * CHUNK_BYTES..end)
    });
    let builder = match fault {
        Some(Fault::Endless) => builder,
        _ => builder.header("content-length", length),
    };
    let whole = stream::iter(chunks);
    let body = match fault {
        Some(Fault::Cut(after)) => {
            let dead = stream::once(async {
                // The bytes before must be on their way when the connection dies.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(io::Error::other("cut"))
            });
            frames(first(whole, *after).map(Ok).chain(dead))
        }
        Some(Fault::Hang(after)) => frames(first(whole, *after).map(Ok).chain(stream::pending())),
        Some(Fault::Trickle(bytes)) => {
            let bytes = *bytes;
            let drops = whole.flat_map(move |chunk| {
                let drops = (0..chunk.len().div_ceil(bytes))
                    .map(move |at| chunk.slice(at * bytes..chunk.len().min((at + 1) * bytes)));
                stream::iter(drops)
            });
            frames(drops.then(|drop| async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(drop)
            }))
        }
        Some(Fault::Endless) => {
            frames(stream::repeat(Bytes::from(vec![b'x'; CHUNK_BYTES])).map(Ok))
        }
        _ => frames(whole.map(Ok)),
    };
    builder.body(body).expect("plain headers make a response")
}

fn frames(
    chunks: impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> UnsyncBoxBody<Bytes, io::Error> {
    StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}

/// The first bytes of a body.
fn first(
    chunks: impl stream::Stream<Item = Bytes> + Send + 'static,
    bytes: u64,
) -> impl stream::Stream<Item = Bytes> + Send + 'static {
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    chunks
        .map(move |chunk| {
            let part = chunk.slice(..left.min(chunk.len()));
            left -= part.len();
            part
        })
        .take_while(|part| std::future::ready(!part.is_empty()))
}
