use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use freshlayer::RegionName;
use freshlayer::ports::Source;

use crate::registry::Zips;
use crate::sign::Signer;
use crate::{
    AwsRegions, AwsScanner, AwsSecrets, AwsSource, CALLS_PER_SEC_DEFAULT, CloudWatchHealth, Fault,
    KmsNotary, LambdaFleet, LambdaHook, LambdaRegistry, Pace, S3Store,
};

/// Tries per call. The SDK waits longer from try to try, and as long as a throttle asks for.
const TRIES_MAX: u32 = 5;

/// A connection that died in the middle says nothing more.
pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_mins(2);
/// A call to a control plane that gives no answer must not hold the other Regions back for long, tries included.
const CONTROL_ANSWERS_WITHIN: Duration = Duration::from_mins(2);
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
    pub(crate) sdk: SdkConfig,
    pub(crate) region: RegionName,
    /// State, and zips.
    pub(crate) bucket: String,
    /// Zips that this Region's Lambda copies.
    pub(crate) zips: String,
    /// The Region of the state.
    pub(crate) state_region: RegionName,
    pub(crate) pace: Pace,
}

impl Aws {
    /// Finds credentials and Region as every AWS tool does. Nothing is called yet.
    ///
    /// # Errors
    /// [`Fault`] where no Region is named anywhere.
    pub async fn connect(settings: &Settings) -> Result<Self, Fault> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client())
            .timeout_config(TimeoutConfig::builder().read_timeout(ANSWERS_WITHIN).build())
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
        let region = RegionName::parse(&region).map_err(|e| Fault::odd("connect to AWS", e))?;
        Ok(Self {
            sdk,
            state_region: region.clone(),
            region,
            bucket: bucket.to_owned(),
            zips: bucket.to_owned(),
            pace: Pace::per_sec(CALLS_PER_SEC_DEFAULT),
        })
    }

    /// Spaces the calls to Lambda's control plane otherwise.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Returns this Region's name.
    pub fn region(&self) -> &RegionName {
        &self.region
    }

    /// Returns every Region of this account, and of others by their roles.
    pub fn regions(&self) -> AwsRegions {
        AwsRegions::new(self.clone())
    }

    /// Returns the state in the bucket.
    pub fn store(&self) -> S3Store {
        let region = aws_config::Region::new(self.state_region.to_string());
        let sdk = self.sdk.to_builder().region(region).build();
        S3Store::new(aws_sdk_s3::Client::new(&sdk), &self.bucket)
    }

    /// Returns the layer versions.
    pub fn registry(&self) -> LambdaRegistry {
        let zips = Zips {
            here: S3Store::new(aws_sdk_s3::Client::new(&self.sdk), &self.zips),
            home: self.store(),
        };
        let sdk = self.bounded();
        LambdaRegistry {
            client: self.lambda(),
            ssm: aws_sdk_ssm::Client::new(&sdk),
            signer: Signer::new(aws_sdk_signer::Client::new(&sdk)),
            pace: self.pace.clone(),
            zips,
            region: self.region.clone(),
        }
    }

    /// Returns the functions.
    pub fn fleet(&self) -> LambdaFleet {
        let tagging = aws_sdk_resourcegroupstagging::Client::new(&self.bounded());
        LambdaFleet::new(self.lambda(), tagging, self.pace.clone())
    }

    /// Returns what callers of the functions meet.
    pub fn health(&self) -> CloudWatchHealth {
        let sdk = self.bounded();
        let tagging = aws_sdk_resourcegroupstagging::Client::new(&sdk);
        CloudWatchHealth::new(aws_sdk_cloudwatch::Client::new(&sdk), tagging)
    }

    /// Returns the objects and layers that this account may read. The zip of a layer is fetched by another source.
    pub fn source(&self, download: Arc<dyn Source>) -> AwsSource {
        AwsSource::new(self.clone(), download)
    }

    /// Returns the notary that signs with a key of this account.
    pub fn notary(&self, key: String) -> KmsNotary {
        KmsNotary::new(aws_sdk_kms::Client::new(&self.bounded()), key)
    }

    /// Returns who asks functions of this account about waves.
    pub fn hook(&self) -> LambdaHook {
        LambdaHook::new(self.clone())
    }

    /// Returns the scanners of this account.
    pub fn scanner(&self) -> AwsScanner {
        AwsScanner::new(self.clone())
    }

    /// Returns the secrets of this account: of Secrets Manager, and of Systems Manager.
    pub fn secrets(&self) -> AwsSecrets {
        AwsSecrets::new(&self.bounded(), &self.region)
    }

    /// Invokes a function and waits for what it answers; an error of the function is an answer, too.
    ///
    /// # Errors
    /// [`Fault`] where it cannot be invoked.
    pub async fn invoke(&self, function: &str, payload: &str) -> Result<String, Fault> {
        Ok(answer_of(&self.invoked(function, payload).await?))
    }

    /// Asks a function a question. What a function that failed says is no answer.
    pub(crate) async fn ask(&self, function: &str, question: &str) -> Result<String, Fault> {
        let answer = self.invoked(function, question).await?;
        let text = answer_of(&answer);
        match answer.function_error() {
            None => Ok(text),
            Some(_) => Err(Fault::odd("Invoke", format!("the function failed: {text}"))),
        }
    }

    async fn invoked(&self, function: &str, payload: &str) -> Result<InvokeOutput, Fault> {
        // A second try of an invocation whose reply was lost would find nothing new; but it would wait as long.
        let patience = TimeoutConfig::builder().read_timeout(FUNCTION_ENDS_WITHIN).build();
        let once = aws_sdk_lambda::config::Builder::new()
            .retry_config(RetryConfig::disabled())
            .timeout_config(patience);
        let asked = aws_sdk_lambda::Client::new(&self.sdk).invoke().function_name(function);
        asked
            .payload(Blob::new(payload))
            .customize()
            .config_override(once)
            .send()
            .await
            .map_err(Fault::of("Invoke"))
    }

    /// Has a function invoked soon, without waiting for it.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn invoke_later(&self, function: &str, payload: &str) -> Result<(), Fault> {
        let asked = self.lambda().invoke().function_name(function);
        let asked = asked.invocation_type(InvocationType::Event);
        let taken = asked.payload(Blob::new(payload)).send().await;
        taken.map_err(Fault::of("Invoke")).map(drop)
    }

    fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.bounded())
    }

    fn bounded(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder().operation_timeout(CONTROL_ANSWERS_WITHIN).build();
        self.sdk.to_builder().timeout_config(timeouts).build()
    }
}

fn answer_of(invoked: &InvokeOutput) -> String {
    let payload = invoked.payload().map(Blob::as_ref).unwrap_or_default();
    String::from_utf8_lossy(payload).into_owned()
}
