//! The AWS account that sources and secrets are read from, whatever the target is.

use freshlayer_aws::{Aws, Fault, Settings};
use tokio::sync::OnceCell;

use crate::arguments::Cloud;

/// An account that is connected when something of it is asked for.
pub(crate) struct Account {
    cloud: Cloud,
    aws: OnceCell<Aws>,
}

impl Account {
    pub(crate) fn new(cloud: &Cloud) -> Self {
        Self { cloud: cloud.clone(), aws: OnceCell::new() }
    }

    /// Connects once. The state's bucket is not needed.
    pub(crate) async fn connected(&self) -> Result<&Aws, Fault> {
        let connect = || async {
            let settings = Settings {
                region: self.cloud.region.clone(),
                profile: self.cloud.profile.clone(),
                bucket: self.cloud.bucket.clone().unwrap_or_default(),
            };
            Aws::connect(&settings).await
        };
        self.aws.get_or_try_init(connect).await
    }
}
