use std::path::PathBuf;

/// What the template sets. The table in `infra/README.md` is held equal to this list.
pub(crate) const VARIABLES: [(&str, &str); 4] = [
    ("FRESHLAYER_BUCKET", "bucket of state and zips; required"),
    (
        "FRESHLAYER_LAYERS",
        "folder of layer definitions; default: `layers` beside the bootstrap",
    ),
    ("MAXMIND_ACCOUNT_ID", "account for `maxmind` sources"),
    (
        "MAXMIND_LICENSE_KEY_SECRET",
        "name or ARN of the secret in Secrets Manager that holds that account's licence key",
    ),
];

/// How this publisher is set up.
pub(crate) struct Settings {
    pub(crate) bucket: String,
    pub(crate) layers: PathBuf,
    pub(crate) maxmind: Option<MaxmindAccount>,
}

pub(crate) struct MaxmindAccount {
    pub(crate) id: String,
    pub(crate) key_secret: String,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, String> {
        let [bucket, layers, account_id, key_secret] = VARIABLES.map(|(name, _)| read(name));
        let beside = || PathBuf::from(read("LAMBDA_TASK_ROOT").unwrap_or_default()).join("layers");
        let maxmind = account_id.zip(key_secret);
        Ok(Self {
            bucket: bucket.ok_or("FRESHLAYER_BUCKET is not set; the template sets it")?,
            layers: layers.map_or_else(beside, PathBuf::from),
            maxmind: maxmind.map(|(id, key_secret)| MaxmindAccount { id, key_secret }),
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads it"
)]
/// Reads a variable; an empty one counts as unset.
pub(crate) fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
