//! What functions log in the emulator, and what is put on its bus.

use serde_json::{Value, json};

use super::{Account, send};
use crate::secrecy::assert_keeps_secrets;

/// The log group of what is put on the bus.
const BUS: &str = "/aws/events/all";

impl Account {
    /// Returns what a function logged.
    ///
    /// # Panics
    /// Where it logged nothing, or its configuration names no log group.
    pub async fn logged(&self, function: &str) -> String {
        let asked = self.lambda().get_function_configuration().function_name(function);
        let found = asked.send().await.expect("it is deployed");
        let group = found.logging_config().and_then(|config| config.log_group());
        self.log_of(group.expect("it has a log group"))
    }

    /// Returns the events that were put on the bus: each with its kind.
    ///
    /// # Panics
    /// Where none was.
    pub fn told(&self) -> String {
        self.log_of(BUS)
    }

    /// I10: neither what its functions logged nor what is on its bus holds a secret of the tests.
    ///
    /// # Panics
    /// Where one does.
    pub(super) fn assert_logs_keep_secrets(&self) {
        let listed = self.ask_logs("DescribeLogGroups", &json!({}));
        assert_eq!(listed["nextToken"], Value::Null, "there is one page");
        for group in listed["logGroups"].as_array().expect("a list of groups") {
            let name = group["logGroupName"].as_str().expect("a name");
            assert_keeps_secrets(name, &self.log_of(name));
        }
    }

    fn log_of(&self, group: &str) -> String {
        let found = self.ask_logs("FilterLogEvents", &json!({"logGroupName": group}));
        let events = found["events"].as_array().expect("a list of events");
        events.iter().filter_map(|event| event["message"].as_str()).collect::<Vec<_>>().join("\n")
    }

    fn ask_logs(&self, operation: &str, asked: &Value) -> Value {
        let headers = format!(
            "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: Logs_20140328.{operation}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={}/20261123/{}/logs/aws4_request, \
             SignedHeaders=host, Signature=none",
            self.id, self.region
        );
        let answer = send(self.port, "POST", "/", &headers, &asked.to_string());
        let answer = answer.unwrap_or_else(|| panic!("{operation} of {asked} fails"));
        serde_json::from_str(&answer).expect("JSON")
    }
}
