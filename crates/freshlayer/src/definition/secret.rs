//! Secrets as a definition names them. A value is read when it is sent, and stands in no definition.

use std::fmt;
use std::path::{Path, PathBuf};

/// The forms of a reference, for people.
pub(super) const FORMS: &str =
    "`${VAR}`, `file:PATH`, `secretsmanager:ID`, `secretsmanager:ID#KEY` or `ssm:NAME`";

/// Where a secret is kept. It prints as the definition writes it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretRef {
    /// `${VAR}`: a variable of the environment.
    Variable(String),
    /// `file:PATH`: the whole text of a file, without the white space around it.
    File {
        /// The path as the definition writes it.
        written: String,
        /// The path from the definition's folder on.
        path: PathBuf,
    },
    /// `secretsmanager:ID` or `secretsmanager:ID#KEY`: a secret of AWS Secrets Manager.
    SecretsManager {
        /// Its name or ARN.
        id: String,
        /// The field of a secret that is a JSON object.
        key: Option<String>,
    },
    /// `ssm:NAME`: a parameter of AWS Systems Manager, by name or ARN.
    Parameter(String),
}

impl SecretRef {
    /// Reads a reference; a relative path starts at a folder.
    ///
    /// # Errors
    /// A sentence that names the forms, without the text: it may be the secret itself.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let found = if let Some(path) = text.strip_prefix("file:") {
            named(path).map(|written| Self::File { path: folder.join(&written), written })
        } else if let Some(id) = text.strip_prefix("secretsmanager:") {
            match id.split_once('#') {
                Some((id, key)) => named(id)
                    .zip(named(key))
                    .map(|(id, key)| Self::SecretsManager { id, key: Some(key) }),
                None => named(id).map(|id| Self::SecretsManager { id, key: None }),
            }
        } else if let Some(name) = text.strip_prefix("ssm:") {
            named(name).map(Self::Parameter)
        } else {
            variable(text).map(Self::Variable)
        };
        found.ok_or_else(|| format!("expected a secret's reference: {FORMS}"))
    }
}

/// Takes the name out of `${VAR}`. A default would be a secret that is written out.
fn variable(text: &str) -> Option<String> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(allowed)).then(|| name.to_owned())
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "${{{name}}}"),
            Self::File { written, .. } => write!(f, "file:{written}"),
            Self::SecretsManager { id, key: None } => write!(f, "secretsmanager:{id}"),
            Self::SecretsManager { id, key: Some(key) } => write!(f, "secretsmanager:{id}#{key}"),
            Self::Parameter(name) => write!(f, "ssm:{name}"),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_prints_as_it_is_written() {
        for text in [
            "${API_KEY}",
            "file:keys/api",
            "file:/run/secrets/api",
            "secretsmanager:geo/api",
            "secretsmanager:arn:aws:secretsmanager:eu-west-1:123456789012:secret:geo-AbCdEf#key",
            "ssm:/geo/api",
        ] {
            let parsed = SecretRef::parse(text, Path::new("layers")).expect("a reference");
            assert_eq!(parsed.to_string(), text);
        }
        let file = SecretRef::parse("file:keys/api", Path::new("layers"));
        assert!(
            matches!(file, Ok(SecretRef::File { path, .. }) if path == Path::new("layers/keys/api"))
        );
    }

    #[test]
    fn what_is_no_reference_is_refused_and_not_shown() {
        for text in [
            "",
            "s3cret",
            "Bearer ${KEY}",
            "${KEY:-s3cret}",
            "${}",
            "$KEY",
            "file:",
            "ssm:",
            "secretsmanager:",
            "secretsmanager:#key",
            "secretsmanager:id#",
        ] {
            let refused = SecretRef::parse(text, Path::new("")).expect_err(text);
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }
}
