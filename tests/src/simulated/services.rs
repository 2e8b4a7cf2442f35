//! Which call a request is, and who answers it.

use serde_json::json;

use super::{Answer, Asked, World};

const FUNCTIONS: &str = "2015-03-31";
const LAYERS: &str = "2018-10-31";

/// Names the call.
pub(super) fn name(asked: &Asked) -> String {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    if let Some(target) = asked.header("x-amz-target") {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let name = match (asked.method.as_str(), &path[..]) {
        ("GET", [FUNCTIONS, "functions"]) => "ListFunctions",
        ("GET", [FUNCTIONS, "functions", _]) => "GetFunction",
        ("PUT", [FUNCTIONS, "functions", _, "configuration"]) => "UpdateFunctionConfiguration",
        ("POST", [FUNCTIONS, "functions", _, "versions"]) => "PublishVersion",
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

/// Tells whether a call counts to the 15 a second.
pub(super) fn is_control_plane(name: &str) -> bool {
    !matches!(
        name,
        "GetFunction"
            | "GetObject"
            | "HeadObject"
            | "PutObject"
            | "DeleteObject"
            | "GetResources"
            | "PutParameter"
            | "StartSigningJob"
            | "DescribeSigningJob"
    )
}

pub(super) fn dispatch(world: &mut World, name: &str, asked: &Asked) -> Answer {
    let World { functions, layers, objects, signer, parameters, .. } = world;
    match name {
        "ListFunctions" => functions.list(asked),
        "GetFunction" => functions.get(asked),
        "UpdateFunctionConfiguration" => functions.update(asked, layers),
        "PublishVersion" => functions.publish(asked),
        "ListAliases" => functions.aliases(asked),
        "GetAlias" => functions.alias(asked),
        "UpdateAlias" => functions.move_alias(asked),
        "GetResources" => functions.tagged(asked),
        "GetLayerVersionByArn" => layers.get(asked),
        "PublishLayerVersion" => layers.publish(asked, objects, signer),
        "ListLayerVersions" => layers.list(asked),
        "AddLayerVersionPermission" => layers.permit(asked),
        "GetObject" | "HeadObject" => objects.get(asked),
        "PutObject" => objects.put(asked),
        "DeleteObject" => objects.delete(asked),
        "DeleteLayerVersion" => layers.delete(asked),
        "GetLayerVersionPolicy" => layers.policy(asked),
        "StartSigningJob" => signer.start(asked, objects),
        "DescribeSigningJob" => signer.describe(asked),
        "PutParameter" => {
            let asked = asked.json();
            let text = |key: &str| asked[key].as_str().unwrap_or_default().to_owned();
            parameters.insert(text("Name"), text("Value"));
            Answer::json(200, &json!({"Version": 1, "Tier": "Standard"}))
        }
        name => panic!("nothing answers {name}"),
    }
}
