//! What shows functions: pages of lists, and one function whole.

use std::ops::Bound;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::functions::{Function, Functions, missing};
use super::rules::Rules;
use super::shown::Shown;
use super::{Answer, Asked};

const PAGE: usize = 50;
const RESOURCES: usize = 100;

/// Which versions a list shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Versions {
    Latest,
    All,
}

/// Where a page begins: behind this version of this function. `$LATEST` counts as 0.
struct Marker {
    function: String,
    version: u64,
}

impl Marker {
    fn of(asked: &Asked) -> Option<Self> {
        let (function, version) = asked.asks("Marker")?.rsplit_once(':')?;
        Some(Self { function: function.to_owned(), version: version.parse().ok()? })
    }

    fn written(item: &Value) -> String {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let version: u64 = text("Version").parse().unwrap_or_default();
        format!("{}:{version}", text("FunctionName"))
    }
}

/// Writes `$LATEST` and versions behind `after`, one by one.
fn items<'a>(
    name: &'a str,
    function: &'a Function,
    versions: Versions,
    after: Option<u64>,
    rules: &'a Rules,
) -> impl Iterator<Item = Value> + 'a {
    let then = rules.listed();
    let shape = function.as_of(then);
    let shown = Shown::of(name, function, rules);
    shape
        .into_iter()
        .flat_map(move |shape| {
            let shown = Shown::of(name, function, rules);
            let qualifier = (versions == Versions::All).then_some("$LATEST");
            let latest = after.is_none().then(|| shown.latest(shape, then, qualifier));
            let from = Bound::Excluded(after.unwrap_or_default());
            let published = shape.versions.range((from, Bound::Unbounded));
            let published = published.filter(move |_| versions == Versions::All);
            let published = published.map(move |(number, version)| {
                shown.version(*number, version, then, &number.to_string())
            });
            latest.into_iter().chain(published)
        })
        .map(move |whole| shown.listed(whole))
}

/// Cuts what is more than a page off, and names where the next one begins.
fn page(items: impl Iterator<Item = Value>, asked: &Asked) -> (Vec<Value>, Option<String>) {
    let most = asked.asks("MaxItems").and_then(|most| most.parse().ok()).unwrap_or(PAGE).min(PAGE);
    let mut page: Vec<Value> = items.take(most + 1).collect();
    let more = page.len() > most;
    page.truncate(most);
    let next = page.last().filter(|_| more).map(Marker::written);
    (page, next)
}

impl Functions {
    pub(super) fn list(&self, asked: &Asked, rules: &Rules) -> Answer {
        let versions = match asked.asks("FunctionVersion") {
            Some("ALL") => Versions::All,
            _ => Versions::Latest,
        };
        let marker = Marker::of(asked);
        let from = marker.as_ref().map_or(Bound::Unbounded, |m| Bound::Included(&*m.function));
        let functions = self.all.range::<str, _>((from, Bound::Unbounded));
        let items = functions.flat_map(|(name, function)| {
            let after = marker.as_ref().filter(|marker| marker.function == *name);
            items(name, function, versions, after.map(|marker| marker.version), rules)
        });
        let (page, next) = page(items, asked);
        Answer::json(200, &json!({"Functions": page, "NextMarker": next}))
    }

    pub(super) fn list_versions(&mut self, asked: &Asked, rules: &Rules) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        let after = Marker::of(asked).map(|marker| marker.version);
        let (page, next) = page(items(&name, function, Versions::All, after, rules), asked);
        Answer::json(200, &json!({"Versions": page, "NextMarker": next}))
    }

    pub(super) fn get(&mut self, asked: &Asked, rules: &Rules) -> Answer {
        let (name, function) = match self.find(asked) {
            Ok(found) => found,
            Err(answer) => return answer,
        };
        if function.guarded {
            let words = "User: publisher is not authorized to perform: lambda:GetFunction with an explicit deny";
            return Answer::denied(words);
        }
        let qualifier = asked.asks("Qualifier");
        let version = match qualifier {
            None => "$LATEST".to_owned(),
            Some(qualifier) => match function.aliases.get_mut(qualifier) {
                Some(alias) => alias.settle().version.clone(),
                None => qualifier.to_owned(),
            },
        };
        let (now, shape) = (Instant::now(), function.shape());
        let shown = Shown::of(&name, function, rules);
        let whole = match version.as_str() {
            "$LATEST" => Some(shown.latest(shape, now, qualifier)),
            number => number.parse().ok().and_then(|number| {
                let version = shape.versions.get(&number)?;
                Some(shown.version(number, version, now, qualifier.unwrap_or_default()))
            }),
        };
        let Some(whole) = whole else {
            return missing(&asked.place, &format!("{name}:{version}"));
        };
        let code = json!({"RepositoryType": "S3", "Location": "https://nowhere/code"});
        let mut answer = json!({"Configuration": shown.got(whole), "Code": code});
        if !shape.tags.is_empty() {
            answer["Tags"] = json!(shape.tags);
        }
        Answer::json(200, &answer)
    }

    pub(super) fn tagged(&self, asked: &Asked, rules: &Rules) -> Answer {
        let document = asked.json();
        let after = document["PaginationToken"].as_str().unwrap_or_default();
        let most =
            document["ResourcesPerPage"].as_u64().and_then(|most| usize::try_from(most).ok());
        let most = most.unwrap_or(RESOURCES).min(RESOURCES);
        let from = (Bound::Excluded(after), Bound::Unbounded);
        let shapes = self
            .all
            .range::<str, _>(from)
            .filter_map(|(name, function)| Some((name, &function.as_of(rules.listed())?.tags)));
        let filters = document["TagFilters"].as_array();
        let tagged = shapes.filter(|(_, tags)| {
            let mut filters = filters.into_iter().flatten();
            !tags.is_empty() && filters.all(|filter| holds(filter, tags))
        });
        let mut found: Vec<_> = tagged.take(most + 1).collect();
        let more = found.len() > most;
        found.truncate(most);
        let token = found.last().filter(|_| more).map_or("", |(name, _)| name);
        let resources: Vec<Value> = found
            .iter()
            .map(|(name, tags)| {
                let tags = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
                let tags: Vec<Value> = tags.collect();
                json!({"ResourceARN": asked.place.function(name), "Tags": tags})
            })
            .collect();
        Answer::json(200, &json!({"ResourceTagMappingList": resources, "PaginationToken": token}))
    }
}

/// Tells whether a filter's key is there, with one of its values where it names some.
fn holds(filter: &Value, tags: &std::collections::BTreeMap<String, String>) -> bool {
    let values = filter["Values"].as_array().filter(|values| !values.is_empty());
    let found = filter["Key"].as_str().and_then(|key| tags.get(key));
    found.is_some_and(|found| values.is_none_or(|values| values.iter().any(|value| value == found)))
}
