use std::collections::BTreeMap;
use std::io::Cursor;

use aws_smithy_types::base64;
use freshlayer::{LAYER_BYTES_MAX, LayerVersionArn};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::account::CodeStorage;
use super::objects::Objects;
use super::rules::Rules;
use super::signer::Signer;
use super::{Answer, Asked, BUCKET, Place, REGION, Simulated};

const PAGE: usize = 50;

/// Layer versions of all places, by the layer's ARN.
#[derive(Clone, Default)]
pub(crate) struct Layers {
    versions: BTreeMap<String, Vec<Version>>,
    /// Versions ever made, by layer: numbers are never used again.
    made: BTreeMap<String, u64>,
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
    /// Bytes that Lambda keeps a copy of.
    stored_bytes: u64,
    /// Statements of its policy and when they were made, by their ids.
    policy: BTreeMap<String, (Instant, Value)>,
}

impl Version {
    fn theirs(number: u64, layer: &str) -> Self {
        Self {
            number,
            description: format!("theirs: {layer}"),
            sha256: String::new(),
            unzipped_bytes: 1,
            made: Instant::now(),
            signed: None,
            stored_bytes: 1,
            policy: BTreeMap::new(),
        }
    }

    /// Tells whether a statement that has spread by now lets an account in.
    fn lets_in(&self, account: &str, rules: &Rules) -> bool {
        let now = Instant::now();
        let spread = self.policy.values().filter(|(made, _)| *made + rules.permits_after <= now);
        spread.map(|(_, statement)| statement).any(|statement| {
            let organisation =
                statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"].as_str();
            let named = statement["Principal"]["AWS"].as_str();
            let root = format!("arn:aws:iam::{account}:root");
            match named {
                Some(named) => named == account || named == root,
                None => organisation.is_none_or(|one| rules.organisation(account) == Some(one)),
            }
        })
    }
}

impl Simulated {
    /// Makes a layer of other people's, with one version.
    ///
    /// # Panics
    /// Where the name cannot be a layer's.
    pub fn other_layer(&self, name: &str) -> LayerVersionArn {
        let mut world = self.world();
        let layer = self.place.layer(name);
        world.layers.versions.insert(layer.clone(), vec![Version::theirs(1, name)]);
        LayerVersionArn::parse(&format!("{layer}:1")).expect("an ARN")
    }

    /// Publishes a version of a layer, as a person does.
    ///
    /// # Panics
    /// Where its number is none.
    pub fn publish_foreign(&self, name: &str) -> LayerVersionArn {
        let mut world = self.world();
        let layer = self.place.layer(name);
        let made = world.layers.made.entry(layer.clone()).or_default();
        *made += 1;
        let version = Version::theirs(*made, name);
        let arn = format!("{layer}:{}", version.number);
        world.layers.versions.entry(layer).or_default().push(version);
        LayerVersionArn::parse(&arn).expect("an ARN")
    }

    /// Returns the layer versions of this view's place, by their ARNs, each with its description.
    pub fn layer_versions(&self) -> BTreeMap<String, String> {
        let world = self.world();
        let prefix = self.place.layer("");
        let own = world.layers.versions.iter().filter(|(layer, _)| layer.starts_with(&prefix));
        let versions = own.flat_map(|(layer, versions)| {
            versions
                .iter()
                .map(move |one| (format!("{layer}:{}", one.number), one.description.clone()))
        });
        versions.collect()
    }
}

impl Layers {
    /// Returns a version's size and whether it is signed.
    pub(super) fn facts(&self, arn: &LayerVersionArn) -> Option<(u64, bool)> {
        let found = self.find(arn)?;
        Some((found.unzipped_bytes, found.signed.is_some()))
    }

    fn find(&self, arn: &LayerVersionArn) -> Option<&Version> {
        let mut versions = self.versions.get(arn.layer())?.iter();
        versions.find(|version| version.number == arn.version())
    }

    /// Finds what a path names: a layer of the caller by its name or ARN, and a number.
    fn at(&self, asked: &Asked, action: &str) -> Result<Option<&Version>, Answer> {
        let (layer, number) = (named(asked, action)?, &asked.path[4]);
        let mut versions = self.versions.get(&layer).into_iter().flatten();
        Ok(versions.find(|version| version.number.to_string() == *number))
    }

    /// Tells whether the caller may read a layer version: its own, or one whose policy lets it in.
    pub(super) fn readable(&self, place: &Place, arn: &LayerVersionArn, rules: &Rules) -> bool {
        let own = arn.as_str().contains(&format!(":{}:", place.account));
        let lets_in = |found: &Version| found.lets_in(&place.account, rules);
        !rules.is_late(arn) && (own || self.find(arn).is_some_and(lets_in))
    }

    /// Counts what a place's layers take of its code storage.
    pub(super) fn stored_bytes(&self, place: &Place) -> u64 {
        let prefix = place.layer("");
        let own = self.versions.iter().filter(|(layer, _)| layer.starts_with(&prefix));
        own.flat_map(|(_, versions)| versions).map(|version| version.stored_bytes).sum()
    }

    pub(super) fn publish(
        &mut self,
        asked: &Asked,
        objects: &Objects,
        signer: &Signer,
        rules: &Rules,
        storage: &CodeStorage,
    ) -> Answer {
        let (layer, document) = (asked.place.layer(&asked.path[2]), asked.json());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (bucket, key) =
            (text(&document["Content"]["S3Bucket"]), text(&document["Content"]["S3Key"]));
        let copied = document["Content"]["S3ObjectStorageMode"] != "REFERENCE";
        let region = region_of(&bucket);
        if copied && region != asked.place.region {
            return Answer::invalid(&format!(
                "Error occurred while GetObject. S3 Error Code: PermanentRedirect. S3 Error Message: The bucket is in \
                 this region: {region}. Please use this region to retry the request"
            ));
        }
        let Some(zip) = objects.read(&bucket, &key) else {
            return Answer::invalid(
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key \
                 does not exist.",
            );
        };
        let Some(unzipped_bytes) = unzipped_bytes(&zip) else {
            return Answer::invalid(
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            );
        };
        if unzipped_bytes > LAYER_BYTES_MAX {
            let text = format!("Unzipped size must be smaller than {LAYER_BYTES_MAX} bytes");
            return Answer::invalid(&text);
        }
        let stored_bytes = if copied { unzipped_bytes } else { 0 };
        if let Some(refusal) = storage.refusal(stored_bytes) {
            return refusal;
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
            stored_bytes,
            policy: BTreeMap::new(),
        });
        let version = versions.last().expect("it was pushed");
        Answer::json(201, &shown(&layer, version, rules))
    }

    pub(super) fn list(&self, asked: &Asked, rules: &Rules) -> Answer {
        let layer = match named(asked, "lambda:ListLayerVersions") {
            Ok(layer) => layer,
            Err(answer) => return answer,
        };
        let now = Instant::now();
        let versions = self.versions.get(&layer).into_iter().flatten();
        let listed = versions.filter(|v| now.duration_since(v.made) >= rules.layers_lag);
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
                let mut item = shown(&layer, version, rules);
                item.as_object_mut().expect("an object").remove("Content");
                item
            })
            .collect();
        Answer::json(200, &json!({"LayerVersions": items, "NextMarker": marker}))
    }

    pub(super) fn get(&self, asked: &Asked, rules: &Rules) -> Answer {
        let arn = asked.query.get("Arn").map(|arn| LayerVersionArn::parse(arn));
        let Some(Ok(arn)) = arn else {
            return Answer::fault(400, "ValidationException", "1 validation error detected");
        };
        if !self.readable(&asked.place, &arn, rules) {
            return denied(&asked.place, "lambda:GetLayerVersion", arn.as_str());
        }
        match self.find(&arn) {
            Some(version) => Answer::json(200, &shown(arn.layer(), version, rules)),
            None => Answer::absent("The resource you requested does not exist."),
        }
    }

    /// What is not there is deleted, too.
    pub(super) fn delete(&mut self, asked: &Asked) -> Answer {
        let layer = match named(asked, "lambda:DeleteLayerVersion") {
            Ok(layer) => layer,
            Err(answer) => return answer,
        };
        if let Some(versions) = self.versions.get_mut(&layer) {
            versions.retain(|version| version.number.to_string() != asked.path[4]);
        }
        Answer::empty()
    }

    pub(super) fn policy(&self, asked: &Asked) -> Answer {
        let found = match self.at(asked, "lambda:GetLayerVersionPolicy") {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        match found {
            Some(version) if !version.policy.is_empty() => {
                let statements: Vec<&Value> =
                    version.policy.values().map(|(_, statement)| statement).collect();
                let policy =
                    json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
                let policy = policy.to_string();
                Answer::json(200, &json!({"Policy": policy, "RevisionId": "1"}))
            }
            _ => Answer::absent("No policy is associated with the given resource."),
        }
    }

    pub(super) fn permit(&mut self, asked: &Asked) -> Answer {
        let layer = match named(asked, "lambda:AddLayerVersionPermission") {
            Ok(layer) => layer,
            Err(answer) => return answer,
        };
        let (number, document) = (&asked.path[4], asked.json());
        let versions = self.versions.get_mut(&layer).into_iter().flatten();
        let mut found = versions.filter(|version| version.number.to_string() == *number);
        let Some(version) = found.next() else {
            return Answer::absent(&format!("Layer version {layer}:{number} does not exist."));
        };
        let sid = document["StatementId"].as_str().unwrap_or_default().to_owned();
        if version.policy.contains_key(&sid) {
            let text = format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement."
            );
            return Answer::conflict(&text);
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
        version.policy.insert(sid, (Instant::now(), statement));
        Answer::json(201, &json!({"Statement": "{}", "RevisionId": "1"}))
    }
}

impl Simulated {
    /// Returns the descriptions of a layer's versions, oldest first.
    pub fn published(&self, layer: &str) -> Vec<String> {
        let world = self.world();
        let versions = world.layers.versions.get(&self.place.layer(layer)).into_iter().flatten();
        versions.map(|version| version.description.clone()).collect()
    }

    /// Returns who may use a layer's newest version, as statement ids.
    pub fn readers(&self, layer: &str) -> Vec<String> {
        let world = self.world();
        let newest = world.layers.versions.get(&self.place.layer(layer)).and_then(|all| all.last());
        newest.map(|version| version.policy.keys().cloned().collect()).unwrap_or_default()
    }
}

/// Returns the ARN of the layer that a path names by its name or by its ARN. Another account's is denied.
fn named(asked: &Asked, action: &str) -> Result<String, Answer> {
    let layer = &asked.path[2];
    if !layer.starts_with("arn:") {
        Ok(asked.place.layer(layer))
    } else if layer.starts_with(&asked.place.layer("")) {
        Ok(layer.clone())
    } else {
        Err(denied(&asked.place, action, layer))
    }
}

/// The state's bucket lies at home, and its zips for another Region in a bucket that is named by it.
fn region_of(bucket: &str) -> &str {
    let rest = bucket.strip_prefix(BUCKET).and_then(|rest| rest.strip_prefix('-'));
    rest.unwrap_or(REGION)
}

pub(super) fn denied(place: &Place, action: &str, layer: &str) -> Answer {
    Answer::denied(&format!(
        "User: {} is not authorized to perform: {action} on resource: {layer} because no resource-based policy allows \
         the {action} action",
        place.caller()
    ))
}

fn shown(layer: &str, version: &Version, rules: &Rules) -> Value {
    let mut shown = json!({
        "LayerArn": layer,
        "LayerVersionArn": format!("{layer}:{}", version.number),
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": rules.written(version.made),
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
