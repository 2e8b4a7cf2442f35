use std::collections::BTreeMap;
use std::time::Duration;

use freshlayer::LayerVersionArn;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::layers::Layers;
use super::refusal::refusal;
use super::{ACCOUNT, Answer, Asked, REGION, Simulated};

const PAGE: usize = 50;
/// How long an update is in progress; a guess.
const SETTLES_AFTER: Duration = Duration::from_secs(2);

/// Functions, by name.
#[derive(Clone, Default)]
pub(crate) struct Functions {
    functions: BTreeMap<String, Function>,
}

#[derive(Clone)]
struct Function {
    code: String,
    code_bytes: u64,
    layers: Vec<String>,
    /// Counts the changes of `$LATEST`; the revision id is made of it.
    revision: u64,
    settles: Option<Instant>,
    versions: BTreeMap<u64, Version>,
    aliases: BTreeMap<String, (u64, u64)>,
    tags: BTreeMap<String, String>,
    signing: Signing,
    host: RunsOn,
    last_update: LastUpdate,
}

/// How the last update ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastUpdate {
    Well,
    Badly,
}

/// Where a function runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunsOn {
    /// Where all functions run.
    #[default]
    Lambda,
    /// A capacity provider of the account.
    ManagedInstances,
}

#[derive(Clone, PartialEq, Eq)]
struct Version {
    code: String,
    layers: Vec<String>,
}

/// Whether a function takes layers that nobody signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Signing {
    /// It does.
    #[default]
    NotAsked,
    /// Its code signing configuration says `Enforce`.
    Enforced,
}

impl Function {
    /// An update that is over changes the revision once more.
    fn settle(&mut self) {
        if self.settles.is_some_and(|at| at <= Instant::now()) {
            self.settles = None;
            self.revision += 1;
        }
    }

    fn shown(&self, name: &str) -> Value {
        let mut shown = configuration(name, "$LATEST", &self.code, &self.layers);
        shown["RevisionId"] = json!(format!("latest-{}", self.revision));
        let status = match (self.settles, self.last_update) {
            (Some(_), _) => "InProgress",
            (None, LastUpdate::Well) => "Successful",
            (None, LastUpdate::Badly) => "Failed",
        };
        shown["LastUpdateStatus"] = json!(status);
        if self.host == RunsOn::ManagedInstances {
            let provider = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:capacity-provider:ours");
            shown["CapacityProviderConfig"] = json!({"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": provider}});
        }
        shown
    }

    fn version(&self, name: &str, number: u64) -> Option<Value> {
        let version = self.versions.get(&number)?;
        Some(configuration(name, &number.to_string(), &version.code, &version.layers))
    }
}

fn configuration(name: &str, version: &str, code: &str, layers: &[String]) -> Value {
    let layers: Vec<Value> = layers.iter().map(|arn| json!({"Arn": arn, "CodeSize": 1})).collect();
    json!({
        "FunctionName": name, "FunctionArn": format!("{}:{version}", arn(name)), "Runtime": "provided.al2023",
        "Handler": "bootstrap", "Role": "arn:aws:iam::123456789012:role/function", "Version": version,
        "CodeSha256": code, "Timeout": 3, "MemorySize": 128, "Layers": layers, "State": "Active",
        "RevisionId": format!("version-{version}"),
    })
}

fn arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}

pub(super) fn invalid(text: &str) -> Answer {
    Answer::fault(400, "InvalidParameterValueException", text)
}

fn stale() -> Answer {
    let text = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
                retrieve the latest Revision Id";
    Answer::fault(412, "PreconditionFailedException", text)
}

fn in_progress(name: &str) -> Answer {
    let text = format!(
        "The operation cannot be performed at this time. An update is in progress for resource: {}",
        arn(name)
    );
    Answer::fault(409, "ResourceConflictException", &text)
}

fn missing(name: &str) -> Answer {
    let text = format!("Function not found: {}", arn(name));
    Answer::fault(404, "ResourceNotFoundException", &text)
}

impl Functions {
    fn find(&mut self, asked: &Asked) -> Result<(String, &mut Function), Answer> {
        let name = asked.path[2].clone();
        let function = self.functions.get_mut(&name).ok_or_else(|| missing(&name))?;
        function.settle();
        Ok((name, function))
    }

    /// Finds a function that no update is in progress for, and that is still as the caller saw it.
    fn changeable(&mut self, asked: &Asked) -> Result<(String, &mut Function), Answer> {
        let (name, function) = self.find(asked)?;
        if function.settles.is_some() {
            return Err(in_progress(&name));
        }
        let document = asked.json();
        let seen = document["RevisionId"].as_str();
        match seen.is_some_and(|seen| seen != format!("latest-{}", function.revision)) {
            true => Err(stale()),
            false => Ok((name, function)),
        }
    }

    pub(super) fn list(&mut self, asked: &Asked) -> Answer {
        let all = asked.query.get("FunctionVersion").map(String::as_str) == Some("ALL");
        let mut items = Vec::new();
        for (name, function) in &mut self.functions {
            function.settle();
            let mut latest = function.shown(name);
            let fields = latest.as_object_mut().expect("an object");
            fields.remove("LastUpdateStatus");
            fields.remove("State");
            items.push(latest);
            let versions = function.versions.keys().filter(|_| all);
            items.extend(versions.filter_map(|number| function.version(name, *number)));
        }
        let start: usize =
            asked.query.get("Marker").and_then(|marker| marker.parse().ok()).unwrap_or(0);
        let end = items.len().min(start + PAGE);
        let next = (end < items.len()).then(|| end.to_string());
        Answer::json(200, &json!({"Functions": items[start.min(end)..end], "NextMarker": next}))
    }

    pub(super) fn get(&mut self, asked: &Asked) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let qualifier = asked.query.get("Qualifier").map(String::as_str);
        let shown = match qualifier {
            None | Some("$LATEST") => Some(function.shown(&name)),
            Some(number) => number.parse().ok().and_then(|number| function.version(&name, number)),
        };
        match shown {
            Some(shown) => Answer::json(200, &json!({"Configuration": shown})),
            None => missing(&name),
        }
    }

    pub(super) fn update(&mut self, asked: &Asked, layers: &Layers) -> Answer {
        let (name, function) = match self.changeable(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let document = asked.json();
        if let Some(wanted) = document["Layers"].as_array() {
            let wanted: Vec<String> =
                wanted.iter().filter_map(|arn| arn.as_str().map(str::to_owned)).collect();
            if let Some(refusal) = refusal(function.code_bytes, function.signing, &wanted, layers) {
                return refusal;
            }
            function.layers = wanted;
        }
        function.revision += 1;
        function.settles = Some(Instant::now() + SETTLES_AFTER);
        Answer::json(200, &function.shown(&name))
    }

    pub(super) fn publish(&mut self, asked: &Asked) -> Answer {
        let (name, function) = match self.changeable(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let document = asked.json();
        if let Some(code) = document["CodeSha256"].as_str().filter(|code| *code != function.code) {
            return invalid(&format!(
                "CodeSHA256 ({code}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the \
                 CodeSHA256 in $LATEST.",
                function.code
            ));
        }
        let newest = function.publish();
        let shown = function.version(&name, newest).expect("it was published");
        Answer::json(201, &shown)
    }

    pub(super) fn aliases(&mut self, asked: &Asked) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let aliases = function.aliases.iter();
        let aliases: Vec<Value> =
            aliases.map(|(alias, at)| shown_alias(&name, alias, *at)).collect();
        Answer::json(200, &json!({"Aliases": aliases}))
    }

    pub(super) fn alias(&mut self, asked: &Asked) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let alias = &asked.path[4];
        match function.aliases.get(alias) {
            Some(at) => Answer::json(200, &shown_alias(&name, alias, *at)),
            None => missing(&name),
        }
    }

    pub(super) fn move_alias(&mut self, asked: &Asked) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let (alias, document) = (&asked.path[4], asked.json());
        let Some((version, revision)) = function.aliases.get_mut(alias) else {
            return missing(&name);
        };
        let seen = document["RevisionId"].as_str();
        if seen.is_some_and(|seen| seen != alias_revision(*revision)) {
            return stale();
        }
        let wanted: u64 = document["FunctionVersion"]
            .as_str()
            .and_then(|number| number.parse().ok())
            .unwrap_or_default();
        if !function.versions.contains_key(&wanted) {
            return missing(&format!("{name}:{wanted}"));
        }
        (*version, *revision) = (wanted, *revision + 1);
        let at = (*version, *revision);
        Answer::json(200, &shown_alias(&name, alias, at))
    }

    pub(super) fn tagged(&self, asked: &Asked) -> Answer {
        let document = asked.json();
        let key = document["TagFilters"][0]["Key"].as_str().unwrap_or_default();
        let tagged = self.functions.iter().filter(|(_, function)| function.tags.contains_key(key));
        let resources: Vec<Value> = tagged
            .map(|(name, function)| {
                let tags = function.tags.iter();
                let tags: Vec<Value> =
                    tags.map(|(key, value)| json!({"Key": key, "Value": value})).collect();
                json!({"ResourceARN": arn(name), "Tags": tags})
            })
            .collect();
        Answer::json(200, &json!({"ResourceTagMappingList": resources, "PaginationToken": ""}))
    }
}

impl Function {
    fn publish(&mut self) -> u64 {
        let now = Version { code: self.code.clone(), layers: self.layers.clone() };
        let newest = self.versions.last_key_value();
        if let Some((number, _)) = newest.filter(|(_, version)| **version == now) {
            return *number;
        }
        let number = newest.map_or(1, |(number, _)| number + 1);
        self.versions.insert(number, now);
        self.revision += 1;
        number
    }
}

fn alias_revision(number: u64) -> String {
    format!("alias-{number}")
}

fn shown_alias(function: &str, alias: &str, (version, revision): (u64, u64)) -> Value {
    json!({
        "Name": alias, "AliasArn": format!("{}:{alias}", arn(function)), "FunctionVersion": version.to_string(),
        "RevisionId": alias_revision(revision),
    })
}

/// What a new function is made of.
#[derive(Debug, Default)]
pub struct NewFunction<'a> {
    /// Its layers, in their order.
    pub layers: &'a [LayerVersionArn],
    /// Aliases, each pointing to a first published version.
    pub aliases: &'a [&'a str],
    /// Tags.
    pub tags: &'a [(&'a str, &'a str)],
    /// Size of its own code.
    pub code_bytes: u64,
    /// Whether it takes layers that nobody signed.
    pub signing: Signing,
    /// Where it runs.
    pub host: RunsOn,
}

impl Simulated {
    /// Makes a function as a person deploys one.
    pub fn function(&self, name: &str, new: &NewFunction<'_>) {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let mut function = Function {
            code: format!("code of {name}"),
            code_bytes: new.code_bytes,
            layers: new.layers.iter().map(ToString::to_string).collect(),
            revision: 1,
            settles: None,
            versions: BTreeMap::new(),
            aliases: BTreeMap::new(),
            tags: new.tags.iter().map(own).collect(),
            signing: new.signing,
            host: new.host,
            last_update: LastUpdate::Well,
        };
        for alias in new.aliases {
            let version = function.publish();
            function.aliases.insert((*alias).to_owned(), (version, 1));
        }
        self.world().functions.functions.insert(name.to_owned(), function);
    }

    /// Deploys other code, as a person does.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn deploy(&self, name: &str) {
        let mut world = self.world();
        let function = world.functions.functions.get_mut(name).expect("it is there");
        "other code".clone_into(&mut function.code);
        function.revision += 1;
    }

    /// Lets a function's last update have failed: it serves what it served before.
    ///
    /// # Panics
    /// Where there is no such function.
    pub fn fail_last_update(&self, name: &str) {
        let mut world = self.world();
        let functions = &mut world.functions.functions;
        functions.get_mut(name).expect("it is there").last_update = LastUpdate::Badly;
    }

    /// Returns each function's layers in `$LATEST`, and behind each alias.
    pub fn serving(&self) -> Vec<String> {
        let world = self.world();
        let functions = world.functions.functions.iter();
        let lines = functions.map(|(name, function)| {
            let aliases = function.aliases.values();
            let behind = aliases.map(|(version, _)| &function.versions[version].layers);
            format!("{name} {:?} {:?}", function.layers, behind.collect::<Vec<_>>())
        });
        lines.collect()
    }
}
