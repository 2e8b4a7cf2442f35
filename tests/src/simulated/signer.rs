use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::objects::Objects;
use super::{ACCOUNT, Answer, Asked, REGION, Simulated};

/// How long a job takes; a guess.
const SIGNED_AFTER: Duration = Duration::from_secs(3);

/// AWS Signer: profiles and jobs.
#[derive(Clone, Default)]
pub(crate) struct Signer {
    profiles: Vec<String>,
    jobs: BTreeMap<String, Job>,
    /// Why every job fails.
    failing: Option<String>,
}

#[derive(Clone)]
struct Job {
    profile: String,
    token: String,
    source: Value,
    bucket: String,
    key: String,
    started: Instant,
    failed: Option<String>,
}

impl Signer {
    /// Returns the job that wrote an object, and its profile's version, as ARNs.
    pub(super) fn of(&self, bucket: &str, key: &str) -> Option<[String; 2]> {
        let mut jobs = self.jobs.iter();
        let (id, job) = jobs.find(|(_, job)| job.bucket == bucket && job.key == key)?;
        let place = format!("arn:aws:signer:{REGION}:{ACCOUNT}:");
        let profile = format!("{place}/signing-profiles/{}/abcdefghij", job.profile);
        Some([format!("{place}/signing-jobs/{id}"), profile])
    }

    pub(super) fn start(&mut self, asked: &Asked, objects: &mut Objects) -> Answer {
        let document = asked.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (profile, token) =
            (text(&document["profileName"]), text(&document["clientRequestToken"]));
        let known = self.jobs.iter().find(|(_, job)| job.token == token);
        if let Some((id, _)) = known {
            return Answer::json(200, &json!({"jobId": id, "jobOwner": ACCOUNT}));
        }
        if !self.profiles.contains(&profile) {
            let words = format!("profile with name {profile} does not exist");
            return Answer::fault(404, "ResourceNotFoundException", &words);
        }
        let (source, to) = (&document["source"]["s3"], &document["destination"]["s3"]);
        let (bucket, from) = (text(&source["bucketName"]), text(&source["key"]));
        let found = objects.read(&bucket, &from);
        let Some(zip) = found.filter(|zip| source["version"] == Objects::version(zip)) else {
            return Answer::fault(
                404,
                "ResourceNotFoundException",
                "the source object does not exist",
            );
        };
        let id = format!("00000000-0000-0000-0000-{:012}", self.jobs.len());
        let job = Job {
            source: source.clone(),
            bucket: text(&to["bucketName"]),
            key: format!("{}{id}.zip", text(&to["prefix"])),
            started: Instant::now(),
            failed: self.failing.clone(),
            profile,
            token,
        };
        // Each signature is another one.
        objects.write(&job.bucket, &job.key, with_signature(&zip, &id));
        self.jobs.insert(id.clone(), job);
        Answer::json(200, &json!({"jobId": id, "jobOwner": ACCOUNT}))
    }

    pub(super) fn describe(&self, asked: &Asked) -> Answer {
        let id = &asked.path[1];
        let Some(job) = self.jobs.get(id) else {
            return Answer::fault(404, "ResourceNotFoundException", "no such job");
        };
        let mut shown =
            json!({"jobId": id, "profileName": job.profile, "source": {"s3": job.source}});
        let done = job.started.elapsed() >= SIGNED_AFTER;
        shown["status"] = json!(match (done, &job.failed) {
            (false, _) => "InProgress",
            (true, Some(_)) => "Failed",
            (true, None) => "Succeeded",
        });
        if done && let Some(reason) = &job.failed {
            shown["statusReason"] = json!(reason);
        } else if done {
            shown["signedObject"] = json!({"s3": {"bucketName": job.bucket, "key": job.key}});
        }
        Answer::json(200, &shown)
    }
}

/// A signature is one more file in the zip.
fn with_signature(zip: &[u8], job: &str) -> Vec<u8> {
    let Ok(mut archive) = zip::ZipWriter::new_append(Cursor::new(zip.to_vec())) else {
        return zip.to_vec();
    };
    let options = zip::write::SimpleFileOptions::default();
    let name = "META-INF/aws_signer_signature_v1.0.SF";
    archive.start_file(name, options).expect("nobody else writes it");
    archive.write_all(job.as_bytes()).expect("in memory");
    archive.finish().expect("in memory").into_inner()
}

impl Simulated {
    /// Makes a signing profile, as a person does.
    pub fn signing_profile(&self, name: &str) {
        self.world().signer.profiles.push(name.to_owned());
    }

    /// Lets every new signing job fail, or none.
    pub fn fail_signing(&self, reason: Option<&str>) {
        self.world().signer.failing = reason.map(str::to_owned);
    }
}
