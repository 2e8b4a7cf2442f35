//! The example consumer in a real Lambda runtime interface: an event goes in, the data at the root comes out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};

use freshlayer_tests::databases::Mmdb;
use freshlayer_tests::sandbox::binary;
use serde_json::{Value, json};

use crate::refresh::{assert_refreshed, released};

/// Reads one HTTP request: its first line and its body.
fn request(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).expect("a request line");
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    (first, String::from_utf8(body).expect("JSON is text"))
}

/// Plays Lambda's runtime API for one event: `next` hands it out, `response` or `error` takes what comes.
/// Source: the `OpenAPI` description of the AWS Lambda runtime API, 2018-06-01.
pub(crate) fn invoke(api: &TcpListener, event: &Value) -> (String, Value) {
    loop {
        let (mut stream, _) = api.accept().expect("the runtime connects");
        let (line, body) = request(&stream);
        if line.starts_with("GET /2018-06-01/runtime/invocation/next") {
            let event = event.to_string();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Lambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: 4102444800000\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:local:1:function:geo\r\n\
                 Lambda-Runtime-Trace-Id: none\r\nConnection: close\r\n\r\n{event}",
                event.len(),
            )
            .expect("the runtime reads");
            continue;
        }
        let accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(accepted.as_bytes()).expect("the runtime reads");
        let kind = if line.contains("/error") { "error" } else { "response" };
        return (kind.to_owned(), serde_json::from_str(&body).expect("JSON"));
    }
}

/// A function's process, as Lambda starts one.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(name: &str, api: &TcpListener, environment: &[(&str, String)]) -> Self {
        let address = api.local_addr().expect("a bound port has an address");
        let mut function = Command::new(binary(name));
        function
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .envs(environment.iter().map(|(name, value)| (*name, value)));
        Self(function.spawn().expect("it starts"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

#[test]
fn geo_lookup_answers_from_the_layer() {
    let sandbox = released();
    sandbox.upstream.publish("country.mmdb", &Mmdb::later(3).bytes());
    assert_refreshed(&sandbox.refresh("geo"), 2);
    assert_eq!(sandbox.cli(&["exec", "geo", "--", "true"]).code, 0);
    let api = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let opt = sandbox.path("host/layers/geo/2/opt");
    let root = [("FRESHLAYER_ROOT", opt.display().to_string())];
    let _running = Running::start("geo-lookup", &api, &root);

    let (kind, answer) = invoke(&api, &json!({ "ip": "16.0.1.7" }));
    assert_eq!(kind, "response", "{answer}");
    assert_eq!(answer["record"]["country"]["iso_code"], "BR");
    assert_eq!((&answer["release"], &answer["version"]), (&json!(2), &json!("1.0.1")));
    assert!(answer["age_secs"].as_u64().is_some_and(|age| age > 86_400));
    let (kind, answer) = invoke(&api, &json!({ "ip": "1.1.1.1" }));
    assert_eq!((kind.as_str(), &answer["record"]), ("response", &Value::Null));
    let (kind, answer) = invoke(&api, &json!({ "ip": "nowhere" }));
    assert_eq!(kind, "error", "{answer}");
}

#[test]
fn a_consumer_without_its_layer_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(binary("examples").join("lookup"))
        .args(["geo", "country", "1.1.1.1"])
        .env("FRESHLAYER_ROOT", folder.path())
        .output()
        .expect("the example is built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("find layer `geo`"), "{said}");
}
