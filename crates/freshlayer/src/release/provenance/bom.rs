//! A bill of materials in CycloneDX 1.6: one component of type `data` per dataset.

use serde_json::{Value, json};

use super::statement::purl;
use crate::state::{Release, Snapshot};

/// What a release's zip holds, and where that came from.
pub(super) fn bom(release: &Release) -> Value {
    let components: Vec<Value> = release.snapshots.iter().map(component).collect();
    let held: Vec<String> = release.snapshots.iter().map(reference).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": release.created,
            "tools": { "components": [
                { "type": "application", "name": "freshlayer", "version": env!("CARGO_PKG_VERSION") },
            ] },
            "component": {
                "type": "data",
                "bom-ref": "layer",
                "name": release.layer,
                "version": release.version.to_string(),
                "purl": purl(release),
                "hashes": [sha256(release.zip_sha256.as_str())],
            },
        },
        "components": components,
        "dependencies": [{ "ref": "layer", "dependsOn": held }],
    })
}

fn component(snapshot: &Snapshot) -> Value {
    let properties = json!([
        { "name": "freshlayer:format", "value": snapshot.format.to_string() },
        { "name": "freshlayer:path", "value": format!("/opt/{}", snapshot.path) },
        { "name": "freshlayer:fetched", "value": snapshot.fetched.to_string() },
    ]);
    json!({
        "type": "data",
        "bom-ref": reference(snapshot),
        "name": snapshot.dataset,
        "version": snapshot.built_or_fetched().to_string(),
        "hashes": [sha256(snapshot.digest.as_str())],
        "externalReferences": [{ "type": "distribution", "url": address(&snapshot.upstream.url) }],
        "data": [{ "type": "dataset", "name": snapshot.dataset }],
        "properties": properties,
    })
}

/// An address is written as a URI: a path may hold what that cannot.
fn address(url: &str) -> String {
    let allowed = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    let mut text = String::new();
    for c in url.chars() {
        if allowed(c) {
            text.push(c);
        } else {
            let mut bytes = [0; 4];
            text.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    text
}

fn reference(snapshot: &Snapshot) -> String {
    format!("dataset-{}", snapshot.dataset)
}

fn sha256(content: &str) -> Value {
    json!({ "alg": "SHA-256", "content": content })
}
