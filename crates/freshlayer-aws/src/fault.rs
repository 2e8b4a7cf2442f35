use std::error::Error;

use aws_sdk_s3::error::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What AWS said, in its words, or why it could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {words}")]
pub struct Fault {
    operation: &'static str,
    code: Option<String>,
    words: String,
}

impl Fault {
    /// Takes an SDK's error apart. Codes that the SDK does not know are kept as they came.
    pub(crate) fn of<E>(operation: &'static str) -> impl Fn(SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        move |error| {
            let code = error.code().map(str::to_owned).or_else(|| status(&error));
            let words = match (&code, error.message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => code.clone(),
                (None, _) => unreachable_words(&error),
            };
            Self { operation, code, words }
        }
    }

    /// A fault of our own making: an answer without what AWS always gives.
    pub(crate) fn odd(operation: &'static str, words: impl Into<String>) -> Self {
        Self { operation, code: None, words: words.into() }
    }

    /// Tells whether AWS answered with this code.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// AWS's own words.
    pub(crate) fn words(&self) -> &str {
        &self.words
    }
}

/// S3 answers some requests with a bare status and no body.
fn status<E>(error: &SdkError<E>) -> Option<String> {
    let status = error.raw_response()?.status().as_u16();
    Some(match status {
        404 => "NotFound".to_owned(),
        409 => "ConditionalRequestConflict".to_owned(),
        412 => "PreconditionFailed".to_owned(),
        other => format!("HTTP {other}"),
    })
}

fn unreachable_words<E: Error + Send + Sync + 'static>(error: &SdkError<E>) -> String {
    let mut words = Vec::new();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        words.push(cause.to_string());
        next = cause.source();
    }
    let all = words.join(": ");
    if let Some(denied) = words.iter().rfind(|words| words.contains("sts:AssumeRole")) {
        return denied.clone();
    }
    if all.contains("credentials") || all.contains("CredentialsNotLoaded") {
        return "there are no usable AWS credentials; set AWS_PROFILE, name a profile with --profile, or \
                sign in (aws sso login) and export them (aws configure export-credentials)"
            .to_owned();
    }
    words.dedup();
    words.join(": ")
}
