use std::path::PathBuf;

use freshlayer_aws::{CALLS_PER_SEC_DEFAULT, Pace};

/// What the template sets. The table in `infra/README.md` is held equal to this list.
pub(crate) const VARIABLES: [(&str, &str); 8] = [
    ("FRESHLAYER_BUCKET", "bucket of state and zips; required"),
    ("FRESHLAYER_LAYERS", "folder of layer definitions; default: `layers` beside the bootstrap"),
    ("MAXMIND_ACCOUNT_ID", "account for `maxmind` sources"),
    (
        "MAXMIND_LICENSE_KEY_SECRET",
        "that account's licence key: name or ARN of a secret in Secrets Manager, or ARN of a parameter in Systems Manager",
    ),
    (
        "FRESHLAYER_CALLS_PER_SEC",
        "calls a second to Lambda's control plane, per account and Region, 1 to 15; people and pipelines share Lambda's 15; default: 8",
    ),
    (
        "FRESHLAYER_WAKE_ROLE",
        "role that the Scheduler assumes to call the publisher again, where a rollout needs more than one run",
    ),
    ("FRESHLAYER_DEAD_LETTERS", "ARN of the queue for calls that the Scheduler could not deliver"),
    ("FRESHLAYER_SIGNING_KEY", "key of KMS that signs the provenance documents of each release"),
];

/// How this publisher is set up.
pub(crate) struct Settings {
    pub(crate) bucket: String,
    pub(crate) layers: PathBuf,
    pub(crate) maxmind: Option<MaxmindAccount>,
    pub(crate) waking: Option<Waking>,
    pub(crate) signing_key: Option<String>,
    pub(crate) pace: Pace,
}

/// How the Scheduler calls the publisher again.
pub(crate) struct Waking {
    pub(crate) role_arn: String,
    pub(crate) dead_letters_arn: String,
}

pub(crate) struct MaxmindAccount {
    pub(crate) id: String,
    pub(crate) key_secret: String,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, String> {
        let [bucket, layers, account_id, key_secret, calls, wake_role, dead_letters, signing_key] =
            VARIABLES.map(|(name, _)| read(name));
        let beside = || PathBuf::from(read("LAMBDA_TASK_ROOT").unwrap_or_default()).join("layers");
        let maxmind = account_id.zip(key_secret);
        Ok(Self {
            bucket: bucket.ok_or("FRESHLAYER_BUCKET is not set; the template sets it")?,
            layers: layers.map_or_else(beside, PathBuf::from),
            maxmind: maxmind.map(|(id, key_secret)| MaxmindAccount { id, key_secret }),
            waking: wake_role
                .zip(dead_letters)
                .map(|(role_arn, dead_letters_arn)| Waking { role_arn, dead_letters_arn }),
            signing_key,
            pace: pace(calls.as_deref())?,
        })
    }
}

/// Reads the share of Lambda's control plane.
fn pace(calls: Option<&str>) -> Result<Pace, String> {
    let calls = calls.map_or(Ok(CALLS_PER_SEC_DEFAULT), str::parse::<u32>);
    let calls = calls.ok().filter(|calls| (1..=15).contains(calls));
    let wrong = "FRESHLAYER_CALLS_PER_SEC: expected a number from 1 to 15";
    Ok(Pace::per_sec(calls.ok_or(wrong)?))
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
/// Reads a variable; an empty one counts as unset.
pub(crate) fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
