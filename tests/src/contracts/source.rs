use bytes::Bytes;
use freshlayer::Limits;
use freshlayer::definition::SourceSpec;
use freshlayer::ports::{Body, Fetch, News, Request, Source, SourceError, Validators};
use futures_util::TryStreamExt;

/// Holds a source to its contract. `change` puts another build upstream, and returns what a body holds then.
///
/// # Panics
/// Where it breaks the contract.
pub async fn source(
    source: &dyn Source,
    spec: &SourceSpec,
    whole: impl Fn(&[u8]) -> Vec<u8>,
    change: impl FnOnce() -> Vec<u8>,
    first: Vec<u8>,
) {
    let limits = Limits::default();
    let ask = |known| Request { source: spec, known, passed_over: 0, limits: &limits };

    let body = body(source.fetch(ask(None)).await);
    let validators = body.validators.clone();
    assert!(!validators.is_empty(), "it can be asked conditionally");
    let length = body.length_bytes;
    let bytes = read(body).await;
    assert_eq!(whole(&bytes), first);
    assert_eq!(length.unwrap_or(bytes.len() as u64), bytes.len() as u64);

    let unchanged = source.fetch(ask(Some(&validators))).await.expect("reachable");
    assert!(matches!(unchanged, Fetch::Unchanged));
    let news = source.news(ask(Some(&validators))).await.expect("reachable");
    assert_eq!(news, News::Unchanged);
    let again = self::body(source.fetch(ask(None)).await);
    assert_eq!(read(again).await, bytes, "without validators it always answers with a body");

    let second = change();
    let news = source.news(ask(Some(&validators))).await.expect("reachable");
    assert!(matches!(news, News::Newer { .. }), "it is told without a download");
    let changed = self::body(source.fetch(ask(Some(&validators))).await);
    assert_ne!(changed.validators, validators);
    assert_eq!(whole(&read(changed).await), second);

    let foreign = Validators {
        etag: Some("\"never given\"".to_owned()),
        last_modified: None,
        build: Some("never given".to_owned()),
        address: None,
    };
    let answer = source.fetch(ask(Some(&foreign))).await.expect("reachable");
    assert!(matches!(answer, Fetch::Body(_)), "validators of another state give a body");
}

fn body(answer: Result<Fetch, SourceError>) -> Body {
    match answer.expect("reachable") {
        Fetch::Body(body) => body,
        Fetch::Unchanged => panic!("expected a body"),
    }
}

async fn read(body: Body) -> Vec<u8> {
    let chunks: Vec<Bytes> = body.chunks.try_collect().await.expect("a whole body");
    chunks.concat()
}
