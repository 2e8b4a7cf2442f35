//! Between the SDK and the simulation: a request taken apart, an answer put together.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use freshlayer::ports::Clock;
use serde_json::{Value, json};

use super::{Place, Simulated};
use crate::clock::VirtualClock;

/// A request, taken apart.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Who asks, and which Region is asked.
    pub(crate) place: Place,
}

/// An answer: a status, headers, a body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        let body = body.to_string().into_bytes();
        Self { status, headers, body }
    }

    pub(crate) fn empty() -> Self {
        Self { status: 204, headers: Vec::new(), body: Vec::new() }
    }

    /// An error as Lambda's services write one.
    pub(crate) fn fault(status: u16, code: &str, message: &str) -> Self {
        let mut answer = Self::json(status, &json!({"Type": "User", "message": message}));
        answer.headers.push(("x-amzn-errortype", code.to_owned()));
        answer
    }

    pub(crate) fn invalid(text: &str) -> Self {
        Self::fault(400, "InvalidParameterValueException", text)
    }

    pub(crate) fn conflict(text: &str) -> Self {
        Self::fault(409, "ResourceConflictException", text)
    }

    pub(crate) fn absent(text: &str) -> Self {
        Self::fault(404, "ResourceNotFoundException", text)
    }

    pub(crate) fn denied(text: &str) -> Self {
        Self::fault(403, "AccessDeniedException", text)
    }
}

impl Asked {
    async fn of(request: HttpRequest) -> Self {
        let uri = url::Url::parse(request.uri()).expect("the SDK writes whole addresses");
        let segments = uri.path_segments().expect("it has a path");
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
        };
        let path = segments.filter(|part| !part.is_empty()).map(decoded).collect();
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let place = request.headers().get("authorization").and_then(Place::of);
        Self {
            method: request.method().to_owned(),
            query: uri.query_pairs().into_owned().collect(),
            headers: headers.collect(),
            place: place.unwrap_or_else(Place::home),
            path,
            body: body(request).await,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A body in the query protocol.
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn asks(&self, key: &str) -> Option<&str> {
        self.query.get(key).map(String::as_str)
    }
}

async fn body(mut request: HttpRequest) -> Vec<u8> {
    let body = std::mem::replace(request.body_mut(), SdkBody::empty());
    let bytes = ByteStream::new(body).collect().await;
    bytes.expect("the body is readable").to_vec()
}

/// The SDK's own clock: keys of a role run out in virtual time.
impl TimeSource for VirtualClock {
    fn now(&self) -> SystemTime {
        Clock::now(self).into()
    }
}

impl HttpClient for Simulated {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Simulated {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let simulated = self.clone();
        HttpConnectorFuture::new(async move {
            let asked = Asked::of(request).await;
            let answer = simulated.answer(asked).await?;
            let status = StatusCode::try_from(answer.status).expect("a status");
            let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
            for (name, value) in answer.headers {
                response.headers_mut().insert(name, value);
            }
            Ok(response)
        })
    }
}
