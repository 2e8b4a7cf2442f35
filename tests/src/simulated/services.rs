//! Which call a request is, and who answers it.

use serde_json::json;

use super::account::{CodeStorage, assume_role};
use super::{Answer, Asked, World};

const FUNCTIONS: &str = "2015-03-31";
const LAYERS: &str = "2018-10-31";
const CONCURRENCY: &str = "2019-09-30";

/// Names the call.
pub(super) fn name(asked: &Asked) -> String {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    if let Some(target) = asked.header("x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    if (asked.method.as_str(), path.len()) == ("POST", 0) {
        return asked.form().remove("Action").unwrap_or_default();
    }
    let name = match (asked.method.as_str(), &path[..]) {
        ("GET", [FUNCTIONS, "functions"]) => "ListFunctions",
        ("GET", [FUNCTIONS, "functions", _]) => "GetFunction",
        ("PUT", [FUNCTIONS, "functions", _, "configuration"]) => "UpdateFunctionConfiguration",
        ("DELETE", [FUNCTIONS, "functions", _]) => "DeleteFunction",
        ("POST", [FUNCTIONS, "functions", _, "versions"]) => "PublishVersion",
        ("GET", [FUNCTIONS, "functions", _, "versions"]) => "ListVersionsByFunction",
        ("POST", [FUNCTIONS, "functions", _, "invocations"]) => "Invoke",
        ("GET", [CONCURRENCY, "functions", _, "provisioned-concurrency"]) => {
            match asked.asks("List") {
                Some("ALL") => "ListProvisionedConcurrencyConfigs",
                _ => "GetProvisionedConcurrencyConfig",
            }
        }
        ("GET", ["2025-12-01", "functions", _, "durable-executions"]) => {
            "ListDurableExecutionsByFunction"
        }
        ("GET", ["2016-08-19", "account-settings"]) => "GetAccountSettings",
        ("GET", [FUNCTIONS, "functions", _, "aliases"]) => "ListAliases",
        ("GET", [FUNCTIONS, "functions", _, "aliases", _]) => "GetAlias",
        ("PUT", [FUNCTIONS, "functions", _, "aliases", _]) => "UpdateAlias",
        ("GET", [LAYERS, "layers"]) => "GetLayerVersionByArn",
        ("POST", [LAYERS, "layers", _, "versions"]) => "PublishLayerVersion",
        ("GET", [LAYERS, "layers", _, "versions"]) => "ListLayerVersions",
        ("POST", [LAYERS, "layers", _, "versions", _, "policy"]) => "AddLayerVersionPermission",
        ("POST", ["signing-jobs"]) => "StartSigningJob",
        ("GET", ["signing-jobs", _]) => "DescribeSigningJob",
        ("GET", [LAYERS, "layers", _, "versions", _, "policy"]) => "GetLayerVersionPolicy",
        ("DELETE", [LAYERS, "layers", _, "versions", _]) => "DeleteLayerVersion",
        ("DELETE", _) => "DeleteObject",
        ("GET", _) => "GetObject",
        ("HEAD", _) => "HeadObject",
        ("PUT", _) => "PutObject",
        (method, path) => panic!("nothing answers {method} {path:?}"),
    };
    name.to_owned()
}

/// Tells whether Lambda answers a call.
pub(super) fn is_lambda(name: &str) -> bool {
    !matches!(
        name,
        "GetObject"
            | "HeadObject"
            | "PutObject"
            | "DeleteObject"
            | "GetResources"
            | "PutParameter"
            | "StartSigningJob"
            | "DescribeSigningJob"
            | "AssumeRole"
    )
}

/// Tells whether a call counts to the 15 a second.
pub(super) fn is_control_plane(name: &str) -> bool {
    is_lambda(name) && !matches!(name, "GetFunction" | "Invoke")
}

pub(super) fn dispatch(world: &mut World, name: &str, asked: &Asked) -> Answer {
    let World { places, layers, objects, signer, parameters, rules, record, .. } = world;
    let functions = places.entry(asked.place.clone()).or_default();
    let storage = CodeStorage::of(&asked.place, functions, layers);
    match name {
        "ListFunctions" => functions.list(asked, rules),
        "ListVersionsByFunction" => functions.list_versions(asked, rules),
        "GetFunction" => functions.get(asked, rules),
        "DeleteFunction" => functions.delete(asked, rules, record),
        "Invoke" => functions.invoke(asked, rules),
        "UpdateFunctionConfiguration" => functions.update(asked, layers, rules, record),
        "PublishVersion" => functions.publish(asked, rules, &storage),
        "ListAliases" => functions.aliases(asked),
        "GetAlias" => functions.alias(asked),
        "UpdateAlias" => functions.move_alias(asked, rules, record),
        "GetProvisionedConcurrencyConfig" => functions.provisioned(asked, rules),
        "ListProvisionedConcurrencyConfigs" => functions.all_provisioned(asked, rules),
        "ListDurableExecutionsByFunction" => functions.durable_executions(asked, rules),
        "GetAccountSettings" => storage.settings(functions),
        "GetResources" => functions.tagged(asked, rules),
        "GetLayerVersionByArn" => layers.get(asked, rules),
        "PublishLayerVersion" => layers.publish(asked, objects, signer, rules, &storage),
        "ListLayerVersions" => layers.list(asked, rules),
        "AddLayerVersionPermission" => layers.permit(asked),
        "GetObject" | "HeadObject" => objects.get(asked),
        "PutObject" => objects.put(asked),
        "DeleteObject" => objects.delete(asked),
        "DeleteLayerVersion" => layers.delete(asked),
        "GetLayerVersionPolicy" => layers.policy(asked),
        "StartSigningJob" => signer.start(asked, objects),
        "DescribeSigningJob" => signer.describe(asked),
        "AssumeRole" => assume_role(asked, rules),
        "PutParameter" => {
            let document = asked.json();
            let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
            parameters.insert((asked.place.clone(), text("Name")), text("Value"));
            Answer::json(200, &json!({"Version": 1, "Tier": "Standard"}))
        }
        name => panic!("nothing answers {name}"),
    }
}
