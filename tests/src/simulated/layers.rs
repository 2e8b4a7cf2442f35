use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

use aws_smithy_types::base64;
use freshlayer::{LAYER_BYTES_MAX, LayerVersionArn};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::objects::Objects;
use super::signer::Signer;
use super::{ACCOUNT, Answer, Asked, REGION, Simulated};

const PAGE: usize = 50;

/// Layer versions, by layer.
#[derive(Clone, Default)]
pub(crate) struct Layers {
    versions: BTreeMap<String, Vec<Version>>,
    /// Versions ever made, by layer: numbers are never used again.
    made: BTreeMap<String, u64>,
    /// How long a new version stays out of lists.
    pub(super) listed_after: Duration,
    /// Bytes of code storage that are left.
    pub(super) room_bytes: Option<u64>,
}

#[derive(Clone)]
struct Version {
    number: u64,
    description: String,
    sha256: String,
    unzipped_bytes: u64,
    made: Instant,
    /// The signing job and the profile's version, where it is signed.
    signed: Option<[String; 2]>,
    /// Statements of its policy, by their ids.
    policy: BTreeMap<String, Value>,
}

impl Layers {
    /// Returns a version's size and whether it is signed.
    pub(super) fn facts(&self, arn: &LayerVersionArn) -> Option<(u64, bool)> {
        let found = self.find(arn)?;
        Some((found.unzipped_bytes, found.signed.is_some()))
    }

    fn find(&self, arn: &LayerVersionArn) -> Option<&Version> {
        let mut versions = self.versions.get(arn.layer_name())?.iter();
        versions.find(|version| version.number == arn.version())
    }

    pub(super) fn publish(&mut self, asked: &Asked, objects: &Objects, signer: &Signer) -> Answer {
        let (layer, document) = (asked.path[2].clone(), asked.json());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (bucket, key) =
            (text(&document["Content"]["S3Bucket"]), text(&document["Content"]["S3Key"]));
        let Some(zip) = objects.read(&bucket, &key) else {
            return invalid(
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key \
                 does not exist.",
            );
        };
        let Some(unzipped_bytes) = unzipped_bytes(&zip) else {
            return invalid(
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            );
        };
        if unzipped_bytes > LAYER_BYTES_MAX {
            let text = format!("Unzipped size must be smaller than {LAYER_BYTES_MAX} bytes");
            return invalid(&text);
        }
        if let Some(room) = &mut self.room_bytes {
            if unzipped_bytes > *room {
                let text = "Code storage limit exceeded.";
                return Answer::fault(400, "CodeStorageExceededException", text);
            }
            *room -= unzipped_bytes;
        }
        let made = self.made.entry(layer.clone()).or_default();
        *made += 1;
        let versions = self.versions.entry(layer.clone()).or_default();
        versions.push(Version {
            number: *made,
            description: text(&document["Description"]),
            sha256: base64::encode(Sha256::digest(zip.as_slice())),
            unzipped_bytes,
            made: Instant::now(),
            signed: signer.of(&bucket, &key),
            policy: BTreeMap::new(),
        });
        let version = versions.last().expect("it was pushed");
        Answer::json(201, &shown(&layer, version))
    }

    pub(super) fn list(&self, asked: &Asked) -> Answer {
        let layer = &asked.path[2];
        let now = Instant::now();
        let versions = self.versions.get(layer).into_iter().flatten();
        let listed = versions.filter(|v| now.duration_since(v.made) >= self.listed_after);
        let below: u64 =
            asked.query.get("Marker").and_then(|marker| marker.parse().ok()).unwrap_or(u64::MAX);
        let mut listed: Vec<&Version> = listed.filter(|v| v.number < below).collect();
        listed.reverse();
        let more = listed.len() > PAGE;
        listed.truncate(PAGE);
        let marker = listed.last().filter(|_| more).map(|v| v.number.to_string());
        let items: Vec<Value> = listed
            .iter()
            .map(|version| {
                let mut item = shown(layer, version);
                item.as_object_mut().expect("an object").remove("Content");
                item
            })
            .collect();
        Answer::json(200, &json!({"LayerVersions": items, "NextMarker": marker}))
    }

    pub(super) fn get(&self, asked: &Asked) -> Answer {
        let arn = asked.query.get("Arn").map(|arn| LayerVersionArn::parse(arn));
        let Some(Ok(arn)) = arn else {
            return Answer::fault(400, "ValidationException", "1 validation error detected");
        };
        match self.find(&arn) {
            Some(version) => Answer::json(200, &shown(arn.layer_name(), version)),
            None => Answer::fault(
                404,
                "ResourceNotFoundException",
                "The resource you requested does not exist.",
            ),
        }
    }

    /// What is not there is deleted, too.
    pub(super) fn delete(&mut self, asked: &Asked) -> Answer {
        let (layer, number) = (&asked.path[2], &asked.path[4]);
        let Ok(layer) = named(layer) else {
            return denied("lambda:DeleteLayerVersion", layer);
        };
        if let Some(versions) = self.versions.get_mut(layer) {
            versions.retain(|version| version.number.to_string() != *number);
        }
        Answer { status: 204, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn policy(&self, asked: &Asked) -> Answer {
        let (layer, number) = (&asked.path[2], &asked.path[4]);
        let Ok(layer) = named(layer) else {
            return denied("lambda:GetLayerVersionPolicy", layer);
        };
        let mut versions = self.versions.get(layer).into_iter().flatten();
        let found = versions.find(|version| version.number.to_string() == *number);
        match found {
            Some(version) if !version.policy.is_empty() => {
                let statements: Vec<&Value> = version.policy.values().collect();
                let policy =
                    json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
                let policy = policy.to_string();
                Answer::json(200, &json!({"Policy": policy, "RevisionId": "1"}))
            }
            _ => {
                let words = "No policy is associated with the given resource.";
                Answer::fault(404, "ResourceNotFoundException", words)
            }
        }
    }

    pub(super) fn permit(&mut self, asked: &Asked) -> Answer {
        let (layer, number, document) = (&asked.path[2], &asked.path[4], asked.json());
        let versions = self.versions.get_mut(layer).into_iter().flatten();
        let mut found = versions.filter(|version| version.number.to_string() == *number);
        let Some(version) = found.next() else {
            let text = format!("Layer version {}:{number} does not exist.", arn(layer));
            return Answer::fault(404, "ResourceNotFoundException", &text);
        };
        let sid = document["StatementId"].as_str().unwrap_or_default().to_owned();
        if version.policy.contains_key(&sid) {
            let text = format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement."
            );
            return Answer::fault(409, "ResourceConflictException", &text);
        }
        let mut statement = json!({
            "Sid": sid, "Effect": "Allow", "Action": document["Action"], "Principal": document["Principal"],
        });
        if document["Principal"] != "*" {
            statement["Principal"] = json!({"AWS": document["Principal"]});
        }
        if let Some(id) = document["OrganizationId"].as_str() {
            statement["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": id}});
        }
        version.policy.insert(sid, statement);
        Answer::json(201, &json!({"Statement": "{}", "RevisionId": "1"}))
    }
}

impl Simulated {
    /// Returns the descriptions of a layer's versions, oldest first.
    pub fn published(&self, layer: &str) -> Vec<String> {
        let world = self.world();
        let versions = world.layers.versions.get(layer).into_iter().flatten();
        versions.map(|version| version.description.clone()).collect()
    }

    /// Returns who may use a layer's newest version, as statement ids.
    pub fn readers(&self, layer: &str) -> Vec<String> {
        let world = self.world();
        let newest = world.layers.versions.get(layer).and_then(|all| all.last());
        newest.map(|version| version.policy.keys().cloned().collect()).unwrap_or_default()
    }

    /// Lets new layer versions appear in lists only after a while.
    pub fn list_layers_after(&self, delay: Duration) {
        self.world().layers.listed_after = delay;
    }

    /// Leaves so many bytes of code storage.
    pub fn leave_room(&self, bytes: u64) {
        self.world().layers.room_bytes = Some(bytes);
    }
}

/// A layer is named by its name or by its ARN; `Err` for another account's.
fn named(layer: &str) -> Result<&str, ()> {
    match layer.strip_prefix("arn:") {
        None => Ok(layer),
        Some(rest) if rest.contains(&format!(":{ACCOUNT}:layer:")) => {
            Ok(rest.rsplit(':').next().unwrap_or_default())
        }
        Some(_) => Err(()),
    }
}

fn denied(action: &str, layer: &str) -> Answer {
    let words = format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/publisher/run is not authorized to perform: {action} on resource: \
         {layer} because no resource-based policy allows the {action} action"
    );
    Answer::fault(403, "AccessDeniedException", &words)
}

fn arn(layer: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{layer}")
}

fn shown(layer: &str, version: &Version) -> Value {
    let mut shown = json!({
        "LayerArn": arn(layer),
        "LayerVersionArn": format!("{}:{}", arn(layer), version.number),
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": "2026-11-23T00:00:00.000+0000",
        "Content": {"CodeSha256": version.sha256, "CodeSize": version.unzipped_bytes, "Location": "https://nowhere"},
    });
    if let Some([job, profile]) = &version.signed {
        shown["Content"]["SigningJobArn"] = json!(job);
        shown["Content"]["SigningProfileVersionArn"] = json!(profile);
    }
    shown
}

fn unzipped_bytes(zip: &[u8]) -> Option<u64> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).ok()?;
    let sizes = (0..archive.len()).map(|at| Some(archive.by_index_raw(at).ok()?.size()));
    sizes.sum()
}

fn invalid(text: &str) -> Answer {
    Answer::fault(400, "InvalidParameterValueException", text)
}
