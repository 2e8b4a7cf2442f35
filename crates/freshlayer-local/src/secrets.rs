use std::io::Read as _;
use std::path::Path;

use async_trait::async_trait;
use freshlayer::definition::SecretRef;
use freshlayer::ports::{Secret, SecretError, Secrets};

/// A key or a certificate is far smaller.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The secrets of this machine: variables, which its binary reads, and files.
#[derive(Clone, Copy)]
pub struct LocalSecrets {
    variables: fn(&str) -> Option<String>,
}

impl LocalSecrets {
    /// Takes the environment as the binary reads it.
    pub fn new(variables: fn(&str) -> Option<String>) -> Self {
        Self { variables }
    }
}

#[async_trait]
impl Secrets for LocalSecrets {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let read = match reference {
            SecretRef::Variable(name) => (self.variables)(name)
                .filter(|value| !value.trim().is_empty())
                .ok_or_else(|| format!("`{name}` is not set in the environment; set it")),
            SecretRef::File { path, .. } => text_of(path),
            SecretRef::SecretsManager { .. } | SecretRef::Parameter(_) => {
                Err("this machine has none; it is kept in AWS".to_owned())
            }
        };
        let value = read.map_err(|problem| SecretError::new(reference, problem))?;
        Ok(Secret::new(&value))
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let fault = |error: std::io::Error| format!("read {}: {error}", path.display());
    let mut text = String::new();
    let mut file = std::fs::File::open(path).map_err(fault)?.take(FILE_BYTES_MAX + 1);
    file.read_to_string(&mut text).map_err(fault)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{} has more than {FILE_BYTES_MAX} bytes", path.display()));
    }
    if text.trim().is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(name: &str) -> Option<String> {
        (name == "KEY").then(|| "s3cret\n".to_owned())
    }

    async fn read(text: &str, folder: &Path) -> Result<Secret, String> {
        let reference = SecretRef::parse(text, folder).expect("a reference");
        LocalSecrets::new(variables).read(&reference).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn variables_and_files_are_read_without_the_white_space_around_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("key"), " s3cret\n").expect("writable");
        for text in ["${KEY}", "file:key"] {
            assert_eq!(read(text, folder.path()).await, Ok(Secret::new("s3cret")), "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("empty"), "\n").expect("writable");
        for (text, says) in [
            ("${NONE}", "the secret ${NONE} cannot be read: `NONE` is not set"),
            ("file:none", "the secret file:none cannot be read: read"),
            ("file:empty", "is empty"),
            ("ssm:/key", "kept in AWS"),
        ] {
            let refused = read(text, folder.path()).await.expect_err(text);
            assert!(refused.contains(says), "{refused}");
        }
    }
}
