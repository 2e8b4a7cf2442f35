use async_trait::async_trait;
use aws_config::SdkConfig;
use freshlayer::RegionName;
use freshlayer::definition::SecretRef;
use freshlayer::ports::{Secret, SecretError, Secrets};

use crate::Fault;

/// Secrets of one account and Region: of Secrets Manager by name or ARN, and encrypted parameters of Systems Manager.
pub struct AwsSecrets {
    manager: aws_sdk_secretsmanager::Client,
    parameters: aws_sdk_ssm::Client,
    region: RegionName,
}

impl AwsSecrets {
    pub(crate) fn new(sdk: &SdkConfig, region: &RegionName) -> Self {
        Self {
            manager: aws_sdk_secretsmanager::Client::new(sdk),
            parameters: aws_sdk_ssm::Client::new(sdk),
            region: region.clone(),
        }
    }

    async fn secret(&self, id: &str) -> Result<Option<String>, Fault> {
        let asked = self.manager.get_secret_value().secret_id(id).send().await;
        Ok(asked.map_err(Fault::of("GetSecretValue"))?.secret_string)
    }

    async fn parameter(&self, name: &str) -> Result<Option<String>, Fault> {
        let asked = self.parameters.get_parameter().name(name).with_decryption(true).send().await;
        let found = asked.map_err(Fault::of("GetParameter"))?;
        Ok(found.parameter.and_then(|parameter| parameter.value))
    }

    fn words(&self, fault: &Fault) -> String {
        let gone = ["ResourceNotFoundException", "ParameterNotFound"];
        if gone.iter().any(|code| fault.is(code)) {
            return format!(
                "{} has none of that name; create it, or correct the reference",
                self.region
            );
        }
        if fault.is("AccessDeniedException") {
            return format!(
                "{fault}; let the role read it, and use the key that it is encrypted with"
            );
        }
        fault.to_string()
    }
}

#[async_trait]
impl Secrets for AwsSecrets {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let failed = |problem: String| SecretError::new(reference, problem);
        let (read, key) = match reference {
            SecretRef::SecretsManager { id, key } => (self.secret(id).await, key.as_deref()),
            SecretRef::Parameter(name) => (self.parameter(name).await, None),
            SecretRef::Variable(_) | SecretRef::File { .. } => {
                return Err(failed("it is not kept in AWS".to_owned()));
            }
        };
        let text = read.map_err(|fault| failed(self.words(&fault)))?;
        let text = text.filter(|text| !text.trim().is_empty());
        let text = text.ok_or_else(|| failed("it holds no text".to_owned()))?;
        match key {
            None => Ok(Secret::new(&text)),
            Some(key) => field(&text, key).map_err(failed),
        }
    }
}

/// Takes a field out of a JSON object, and says nothing of the others.
fn field(text: &str, key: &str) -> Result<Secret, String> {
    let object: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let object = object.filter(serde_json::Value::is_object);
    let object = object.ok_or("its text is no JSON object, so it has no fields")?;
    match object.get(key) {
        Some(serde_json::Value::String(value)) if !value.is_empty() => Ok(Secret::new(value)),
        Some(serde_json::Value::Number(value)) => Ok(Secret::new(&value.to_string())),
        _ => Err(format!("it has no field `{key}` with a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_a_secret_is_taken_out_and_no_other_is_shown() {
        let text = r#"{"key": "s3cret", "pin": 12, "empty": ""}"#;
        assert_eq!(field(text, "key"), Ok(Secret::new("s3cret")));
        assert_eq!(field(text, "pin"), Ok(Secret::new("12")));
        for (text, key) in [(text, "none"), (text, "empty"), ("s3cret", "key"), ("[1]", "key")] {
            let refused = field(text, key).expect_err("there is no such field");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }
}
