use std::collections::BTreeMap;
use std::sync::Arc;

use aws_smithy_types::base64;
use sha2::{Digest as _, Sha256};

use super::{Answer, Asked, Simulated};

/// S3: whole objects under conditions.
#[derive(Clone, Default)]
pub(crate) struct Objects {
    objects: BTreeMap<String, Arc<Vec<u8>>>,
}

impl Objects {
    pub(crate) fn read(&self, bucket: &str, key: &str) -> Option<Arc<Vec<u8>>> {
        self.objects.get(&format!("{bucket}/{key}")).cloned()
    }

    pub(crate) fn write(&mut self, bucket: &str, key: &str, bytes: Vec<u8>) {
        self.objects.insert(format!("{bucket}/{key}"), Arc::new(bytes));
    }

    /// Names an object's version; the bucket keeps versions.
    pub(crate) fn version(bytes: &[u8]) -> String {
        etag(bytes).trim_matches('"').to_owned()
    }

    pub(super) fn get(&self, asked: &Asked) -> Answer {
        let Some(bytes) = self.objects.get(&asked.path.join("/")) else {
            let answer = fault(404, "NoSuchKey", "The specified key does not exist.");
            let body = match asked.method.as_str() {
                "HEAD" => Vec::new(),
                _ => answer.body,
            };
            return Answer { body, ..answer };
        };
        let body = match asked.method.as_str() {
            "HEAD" => Vec::new(),
            _ => bytes.to_vec(),
        };
        Answer {
            status: 200,
            headers: vec![("etag", etag(bytes)), ("x-amz-version-id", Self::version(bytes))],
            body,
        }
    }

    /// What is not there is deleted, too.
    pub(super) fn delete(&mut self, asked: &Asked) -> Answer {
        self.objects.remove(&asked.path.join("/"));
        Answer { status: 204, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn put(&mut self, asked: &Asked) -> Answer {
        let place = asked.path.join("/");
        let known = self.objects.get(&place);
        if let Some(expected) = asked.header("x-amz-checksum-sha256")
            && base64::encode(Sha256::digest(&asked.body)) != expected
        {
            return fault(400, "BadDigest", "The SHA256 you specified did not match.");
        }
        let lost = match (asked.header("if-none-match"), asked.header("if-match"), known) {
            (Some(_), _, known) => known.is_some(),
            (_, Some(_), None) => {
                return fault(404, "NoSuchKey", "The specified key does not exist.");
            }
            (_, Some(seen), Some(known)) => seen != etag(known),
            (None, None, _) => false,
        };
        if lost {
            let message = "At least one of the pre-conditions you specified did not hold";
            return fault(412, "PreconditionFailed", message);
        }
        let headers = vec![("etag", etag(&asked.body))];
        self.objects.insert(place, Arc::new(asked.body.clone()));
        Answer { status: 200, headers, body: Vec::new() }
    }
}

impl Simulated {
    /// Counts the zips in the bucket.
    pub fn zips(&self) -> usize {
        let world = self.world();
        let keys = world.objects.objects.keys();
        keys.filter(|key| key.contains("/blobs/")).count()
    }
}

fn etag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest[..16].iter().map(|b| format!("{b:02x}")).collect();
    format!("\"{hex}\"")
}

fn fault(status: u16, code: &str, message: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Answer {
        status,
        headers: vec![("content-type", "application/xml".to_owned())],
        body: body.into_bytes(),
    }
}
