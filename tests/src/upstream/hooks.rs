//! A web service that is asked about waves.

use http_body_util::{BodyExt as _, Collected};
use hyper::Request;
use hyper::body::Incoming;

use super::answer::{Answer, text};
use super::{Seen, Shared, headers};

/// Answers a question: with the question as its reason, with too many letters, with the token that it was sent, or not.
pub(super) async fn answer(shared: &Shared, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let headers = headers(&request);
    let token = headers.get("authorization").cloned().unwrap_or_default();
    shared.see(Seen {
        path: path.clone(),
        conditional: false,
        range: None,
        authorized: !token.is_empty(),
        headers,
    });
    let question = request.into_body().collect().await.map(Collected::to_bytes);
    let question = String::from_utf8_lossy(&question.unwrap_or_default()).into_owned();
    let json = |body: &str| text(200, "application/json", body);
    match path.strip_prefix("/hooks/") {
        Some("answers") => json(&format!(r#"{{"verdict": "proceed", "reason": {question}}}"#)),
        Some("rolls-back") => json(r#"{"verdict": "rollback", "reason": "refunds doubled"}"#),
        Some("chatters") => json(&"x".repeat(20_000)),
        Some("repeats") => {
            json(&format!(r#"{{"verdict": "proceed", "reason": "you sent {token}"}}"#))
        }
        Some("fails") => text(500, "text/plain", "out of order"),
        _ => text(404, "text/plain", "no such hook"),
    }
}
