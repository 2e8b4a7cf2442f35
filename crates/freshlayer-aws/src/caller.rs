//! Who calls.

use crate::{Aws, Fault};

impl Aws {
    /// Returns the ARN of the user or the role session whose credentials are used. Every identity may ask that.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn caller(&self) -> Result<String, Fault> {
        let asked = aws_sdk_sts::Client::new(&self.sdk).get_caller_identity().send().await;
        let caller = asked.map_err(Fault::of("GetCallerIdentity"))?;
        let nameless = || Fault::odd("GetCallerIdentity", "an identity without an ARN".to_owned());
        caller.arn.ok_or_else(nameless)
    }
}
