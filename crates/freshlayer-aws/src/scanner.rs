//! Scanners in AWS: a Lambda function, and Malware Protection for S3 of GuardDuty.

use async_trait::async_trait;
use aws_sdk_s3::types::Tag;
use freshlayer::definition::ScanHook;
use freshlayer::ports::{Key, Opinion, PortError, Scanned, Scanner};
use serde_json::{Value, json};

use crate::{Aws, Fault};

/// The tag by which GuardDuty says what it found.
const STATUS_TAG: &str = "GuardDutyMalwareScanStatus";
/// How much of a function's answer is repeated.
const WORDS_CHARS_MAX: usize = 300;

/// Scanners of this account.
pub struct AwsScanner {
    aws: Aws,
}

impl AwsScanner {
    pub(crate) fn new(aws: Aws) -> Self {
        Self { aws }
    }

    async fn ask_function(
        &self,
        function: &str,
        scanned: Scanned<'_>,
    ) -> Result<Opinion, PortError> {
        let question = json!({
            "layer": scanned.layer,
            "release": scanned.release,
            "bucket": self.aws.bucket,
            "key": Key::blob(scanned.sha256).as_str(),
            "sha256": scanned.sha256,
        });
        let said = self.aws.ask(function, &question.to_string()).await?;
        let answer: Value = serde_json::from_str(&said).unwrap_or_default();
        let reason = answer["reason"].as_str().unwrap_or("it gave no reason");
        match answer["verdict"].as_str() {
            Some("proceed") => Ok(Opinion::Proceed),
            Some("abort") => Ok(Opinion::Abort(short(reason))),
            Some("wait") => Ok(Opinion::Wait(short(reason))),
            _ => {
                let expected = r#"{"verdict": "proceed" | "abort" | "wait"}"#;
                Err(format!("expected {expected}, found {}", short(&said)).into())
            }
        }
    }

    async fn ask_guardduty(&self, scanned: Scanned<'_>) -> Result<Opinion, PortError> {
        let store = self.aws.store();
        let tags = store.tags(&Key::blob(scanned.sha256)).await?;
        let status = tags.iter().find(|tag| tag.key() == STATUS_TAG).map(Tag::value);
        match status {
            Some("NO_THREATS_FOUND") => Ok(Opinion::Proceed),
            Some("THREATS_FOUND") => Ok(Opinion::Abort("THREATS_FOUND".to_owned())),
            Some(other) => {
                Err(format!("it could not scan the zip ({other}); its page of the bucket says why")
                    .into())
            }
            None => {
                Ok(Opinion::Wait(format!("GuardDuty has not tagged the zip with {STATUS_TAG} yet")))
            }
        }
    }
}

#[async_trait]
impl Scanner for AwsScanner {
    async fn scan(&self, hook: &ScanHook, scanned: Scanned<'_>) -> Result<Opinion, PortError> {
        match hook {
            ScanHook::Lambda(function) => self.ask_function(function, scanned).await,
            ScanHook::GuardDuty => self.ask_guardduty(scanned).await,
            ScanHook::Command(_) => Err(Box::new(Fault::odd(
                "scan",
                "`scan.command` works on this machine only; on AWS, name a function in `scan.lambda`, or write \
                 `scan.guardduty = true`",
            ))),
        }
    }
}

fn short(words: &str) -> String {
    words.chars().take(WORDS_CHARS_MAX).collect()
}
