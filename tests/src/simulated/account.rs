//! What an account has and may have: code storage, and roles that other accounts assume.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::functions::Functions;
use super::layers::Layers;
use super::rules::Rules;
use super::{Answer, Asked, Outage, Place, Simulated};

/// Source: Lambda quotas, 2026: 300 GB, unzipped, per account and Region.
const CODE_BYTES_MAX: u64 = 300 << 30;
/// How long the keys of a role hold. Source: `AssumeRole`'s default.
const SESSION: Duration = Duration::from_hours(1);

/// The code storage of a place.
pub(super) struct CodeStorage {
    used: u64,
    most: u64,
}

impl CodeStorage {
    pub(super) fn of(place: &Place, functions: &Functions, layers: &Layers) -> Self {
        let used = functions.stored_bytes + layers.stored_bytes(place);
        Self { used, most: functions.stored_bytes_max.unwrap_or(CODE_BYTES_MAX) }
    }

    /// Refuses what finds no room.
    pub(super) fn refusal(&self, bytes: u64) -> Option<Answer> {
        let full = self.used.saturating_add(bytes) > self.most;
        full.then(|| {
            Answer::fault(400, "CodeStorageExceededException", "Code storage limit exceeded.")
        })
    }

    pub(super) fn settings(&self, functions: &Functions) -> Answer {
        let limit = json!({
            "TotalCodeSize": self.most, "CodeSizeUnzipped": 262_144_000, "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": 1_000, "UnreservedConcurrentExecutions": 1_000,
        });
        let usage = json!({"TotalCodeSize": self.used, "FunctionCount": functions.all.len()});
        Answer::json(200, &json!({"AccountLimit": limit, "AccountUsage": usage}))
    }
}

impl Simulated {
    /// Leaves so many bytes of code storage in this view's place.
    pub fn leave_room(&self, bytes: u64) {
        let mut world = self.world();
        let world = &mut *world;
        let functions = world.places.entry(self.place.clone()).or_default();
        let used = CodeStorage::of(&self.place, functions, &world.layers).used;
        functions.stored_bytes_max = Some(used.saturating_add(bytes));
    }
}

/// Answers `AssumeRole`: the key says whose account the caller is in from now on.
pub(super) fn assume_role(asked: &Asked, rules: &Rules) -> Answer {
    let form = asked.form();
    let role = form.get("RoleArn").map(String::as_str).unwrap_or_default();
    let account = role.split(':').nth(4).unwrap_or_default();
    let place = Place::new(account, &asked.place.region);
    if rules.outage(&place) == Some(Outage::RoleDenied) {
        let words = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {role}",
            asked.place.caller()
        );
        return xml(
            403,
            &format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{words}</Message></Error>\
             </ErrorResponse>"
            ),
        );
    }
    let session = form.get("RoleSessionName").map(String::as_str).unwrap_or_default();
    let expires = rules.clock.at(Instant::now() + SESSION);
    let key = place.access_key("ASIA");
    xml(
        200,
        &format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId>\
         <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
         <Expiration>{expires}</Expiration></Credentials><AssumedRoleUser><Arn>{role}/{session}</Arn>\
         <AssumedRoleId>AROA:{session}</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )
}

fn xml(status: u16, body: &str) -> Answer {
    let headers = vec![("content-type", "text/xml".to_owned())];
    Answer { status, headers, body: body.as_bytes().to_vec() }
}
