use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::{CALLS_PER_SEC_DEFAULT, Fault, LambdaFleet, LambdaRegistry, Pace, S3Store};

/// Tries per call. The SDK waits longer from try to try, and as long as a throttle asks for.
const TRIES_MAX: u32 = 5;

/// A connection that died in the middle says nothing more.
const ANSWERS_WITHIN: Duration = Duration::from_mins(2);
/// The longest that a function may run.
const FUNCTION_ENDS_WITHIN: Duration = Duration::from_mins(15);

/// Which account and Region, and where the state is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The Region; without one the environment or the profile names it.
    pub region: Option<String>,
    /// A profile of the shared configuration files.
    pub profile: Option<String>,
    /// The bucket that holds state and zips, in the same Region.
    pub bucket: String,
}

/// Makes the one HTTP client: rustls on ring, as everywhere in freshlayer.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// One account and one Region, ready to be called.
#[derive(Clone)]
pub struct Aws {
    sdk: SdkConfig,
    region: String,
    bucket: String,
    pace: Pace,
}

impl Aws {
    /// Finds credentials and Region as every AWS tool does. Nothing is called yet.
    ///
    /// # Errors
    /// [`Fault`] where no Region is named anywhere.
    pub async fn connect(settings: &Settings) -> Result<Self, Fault> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client())
            .timeout_config(
                TimeoutConfig::builder()
                    .read_timeout(ANSWERS_WITHIN)
                    .build(),
            )
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES_MAX));
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &settings.profile {
            loader = loader.profile_name(profile);
        }
        Self::with(loader.load().await, &settings.bucket)
    }

    /// Uses a configuration that the caller made: an assumed role, an emulator.
    ///
    /// # Errors
    /// [`Fault`] where it names no Region.
    pub fn with(sdk: SdkConfig, bucket: &str) -> Result<Self, Fault> {
        let region = sdk.region().map(ToString::to_string).ok_or_else(|| {
            let words = "no Region is named: use --region, AWS_REGION, or a profile with one";
            Fault::odd("connect to AWS", words)
        })?;
        Ok(Self {
            sdk,
            region,
            bucket: bucket.to_owned(),
            pace: Pace::per_sec(CALLS_PER_SEC_DEFAULT),
        })
    }

    /// Spaces the calls to Lambda's control plane otherwise.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Returns the state in the bucket.
    pub fn store(&self) -> S3Store {
        S3Store::new(self.s3(), &self.bucket)
    }

    /// Returns the layer versions.
    pub fn registry(&self) -> LambdaRegistry {
        let (lambda, pace) = (self.lambda(), self.pace.clone());
        LambdaRegistry::new(lambda, pace, self.store(), &self.region)
    }

    /// Returns the functions.
    pub fn fleet(&self) -> LambdaFleet {
        let tagging = aws_sdk_resourcegroupstagging::Client::new(&self.sdk);
        LambdaFleet::new(self.lambda(), tagging, self.pace.clone())
    }

    /// Reads a secret of Secrets Manager, by name or ARN.
    ///
    /// # Errors
    /// [`Fault`], without the secret.
    pub async fn secret(&self, name: &str) -> Result<String, Fault> {
        let client = aws_sdk_secretsmanager::Client::new(&self.sdk);
        let asked = client.get_secret_value().secret_id(name).send().await;
        let found = asked.map_err(Fault::of("GetSecretValue"))?;
        let odd = || Fault::odd("GetSecretValue", format!("{name} holds no text"));
        found.secret_string.ok_or_else(odd)
    }

    /// Invokes a function and waits for what it answers; an error of the function is an answer, too.
    ///
    /// # Errors
    /// [`Fault`] where it cannot be invoked.
    pub async fn invoke(&self, function: &str, payload: &str) -> Result<String, Fault> {
        // A second try of an invocation whose reply was lost would find nothing new; but it would wait as long.
        let patience = TimeoutConfig::builder()
            .read_timeout(FUNCTION_ENDS_WITHIN)
            .build();
        let once = aws_sdk_lambda::config::Builder::new()
            .retry_config(RetryConfig::disabled())
            .timeout_config(patience);
        let asked = self.lambda().invoke().function_name(function);
        let answer = asked
            .payload(Blob::new(payload))
            .customize()
            .config_override(once)
            .send()
            .await
            .map_err(Fault::of("Invoke"))?;
        let payload = answer.payload().map(Blob::as_ref).unwrap_or_default();
        Ok(String::from_utf8_lossy(payload).into_owned())
    }

    fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.sdk)
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.sdk)
    }
}
