use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_lambda::operation::list_functions::ListFunctionsOutput;
use aws_sdk_lambda::types::{
    AliasConfiguration, FunctionConfiguration, FunctionVersion, LastUpdateStatus,
};
use aws_sdk_resourcegroupstagging::types::TagFilter;
use freshlayer::LayerVersionArn;
use freshlayer::ports::{Alias, Configuration, Consumer, FunctionName, PublishedVersion, User};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::consumer::{configuration, layers, raw_layers};
use super::{LATEST, LambdaFleet, Seen, Unqualified};
use crate::Fault;

/// `GetFunction` takes 100 calls a second; each takes a few hundredths of one.
const LOOKS_AT_ONCE: usize = 4;

type Tags = BTreeMap<String, String>;

/// A function as the list has it: `$LATEST`, and the published versions.
#[derive(Default)]
struct Listed {
    latest: Option<FunctionConfiguration>,
    versions: BTreeMap<u64, FunctionConfiguration>,
}

impl Listed {
    fn uses(&self, layer: &str) -> bool {
        let mut configurations = self.latest.iter().chain(self.versions.values());
        configurations.any(|found| layers(found).iter().any(|arn| arn.layer() == layer))
    }
}

impl LambdaFleet {
    /// Finds every consumer: one call per 50 functions and versions, one for the tags, and one for the aliases of
    /// each consumer that has published versions.
    pub(super) async fn look(&self, target: &LayerVersionArn) -> Result<Vec<Seen>, Fault> {
        let tagged = self.tagged(target.layer_name()).await?;
        let candidates = self.list().await?.into_iter().filter_map(|(function, listed)| {
            let tags = tagged.get(function.as_str()).cloned();
            let wanted = tags.is_some() || listed.uses(target.layer());
            wanted.then_some((function, listed, tags))
        });
        let looks =
            candidates.map(|(function, listed, tags)| self.one(target, function, listed, tags));
        let seen: Vec<Option<Seen>> =
            stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE).try_collect().await?;
        Ok(seen.into_iter().flatten().collect())
    }

    async fn one(
        &self,
        target: &LayerVersionArn,
        function: FunctionName,
        listed: Listed,
        tags: Option<Tags>,
    ) -> Result<Option<Seen>, Fault> {
        let Some(latest) = self.latest(target, &function, &listed).await? else {
            return Ok(None);
        };
        let aliases = match listed.versions.is_empty() {
            // An alias leads to a published version.
            true => Some(Vec::new()),
            false => there(self.aliases(&function).await)?,
        };
        let Some(aliases) = aliases else {
            return Ok(None);
        };
        let opted_in = tags.is_some();
        let seen = Seen {
            consumer: Consumer {
                latest: in_effect(&latest, target),
                revision_id: latest.revision_id().unwrap_or_default().to_owned(),
                versions: self.versions(&function, &listed, &aliases).await?,
                aliases: aliases.iter().filter_map(alias).collect(),
                tags: tags.unwrap_or_default(),
                function,
            },
            layers: raw_layers(&latest),
            split: aliases.iter().filter_map(splits).collect(),
            unqualified: match latest.capacity_provider_config() {
                Some(_) => Unqualified::LatestPublished,
                None => Unqualified::Latest,
            },
        };
        let uses = opted_in || is_consumer(&seen.consumer, target.layer());
        Ok(uses.then_some(seen))
    }

    /// Returns `$LATEST` as the list has it, which may lag, or read anew where that would mislead: the list leaves
    /// out how the last update ended, and a function that changed under our hands is not asked of a list again.
    /// `None` where the function is gone by now.
    async fn latest(
        &self,
        target: &LayerVersionArn,
        function: &FunctionName,
        listed: &Listed,
    ) -> Result<Option<FunctionConfiguration>, Fault> {
        let is_behind = |found: &&FunctionConfiguration| !layers(found).contains(target);
        match listed.latest.as_ref().filter(is_behind) {
            Some(listed) if !self.is_restless(function) => Ok(Some(listed.clone())),
            _ => there(self.get(function, LATEST).await),
        }
    }

    /// Tells whether every `$LATEST` that uses the layer uses this version of it.
    pub(super) async fn latest_are_on(&self, target: &LayerVersionArn) -> Result<bool, Fault> {
        let mut marker = None;
        loop {
            let page = self.page(None, marker).await?;
            let mut used = page.functions().iter().flat_map(layers);
            if used.any(|arn| arn.layer() == target.layer() && arn != *target) {
                return Ok(false);
            }
            marker = next(page.next_marker());
            if marker.is_none() {
                return Ok(true);
            }
        }
    }

    async fn page(
        &self,
        versions: Option<FunctionVersion>,
        marker: Option<String>,
    ) -> Result<ListFunctionsOutput, Fault> {
        self.pace.turn().await;
        let asked = self.lambda.list_functions().set_function_version(versions);
        let page = asked.max_items(50).set_marker(marker).send().await;
        page.map_err(Fault::of("ListFunctions"))
    }

    async fn list(&self) -> Result<BTreeMap<FunctionName, Listed>, Fault> {
        let mut functions: BTreeMap<FunctionName, Listed> = BTreeMap::new();
        let mut marker = None;
        loop {
            let page = self.page(Some(FunctionVersion::All), marker).await?;
            for found in page.functions() {
                let Some(Ok(name)) = found.function_name().map(FunctionName::parse) else {
                    continue;
                };
                let listed = functions.entry(name).or_default();
                match number(found.version()) {
                    Some(number) => drop(listed.versions.insert(number, found.clone())),
                    None if found.version() == Some(LATEST) => listed.latest = Some(found.clone()),
                    None => {}
                }
            }
            marker = next(page.next_marker());
            if marker.is_none() {
                return Ok(functions);
            }
        }
    }

    /// Collects the versions of a layer that anything in the list names. After an update that failed the list names
    /// the layers that a function was to get, and not those that it has: then nobody can say.
    pub(super) async fn named(
        &self,
        layer: &str,
    ) -> Result<BTreeMap<LayerVersionArn, User>, Fault> {
        let (mut named, mut changeable, mut marker) = (BTreeMap::new(), BTreeSet::new(), None);
        loop {
            let page = self.page(Some(FunctionVersion::All), marker).await?;
            for found in page.functions() {
                let function = FunctionName::parse(found.function_name().unwrap_or_default());
                // Whoever cannot be named here may use anything.
                let function = function.map_err(|words| Fault::odd("ListFunctions", words))?;
                let user = User { version: number(found.version()), function };
                let mut ours = layers(found);
                ours.retain(|arn| arn.layer() == layer);
                if user.version.is_none() && !ours.is_empty() {
                    changeable.insert(user.function.clone());
                }
                named.extend(ours.into_iter().map(|arn| (arn, user.clone())));
            }
            marker = next(page.next_marker());
            if marker.is_none() {
                break;
            }
        }
        for function in changeable {
            let found = there(self.get(&function, LATEST).await)?;
            if found.is_some_and(|found| failed(&found)) {
                let words = format!(
                    "the last update of {function} failed, so its layers are not known: deploy it again"
                );
                return Err(Fault::odd("GetFunction", words));
            }
        }
        Ok(named)
    }

    /// Finds the functions that carry an order for this layer, with all their tags.
    async fn tagged(&self, layer: &str) -> Result<HashMap<String, Tags>, Fault> {
        let filter = TagFilter::builder().key(format!("freshlayer:{layer}")).build();
        let mut functions = HashMap::new();
        let mut token = None;
        loop {
            let asked = self.tagging.get_resources().tag_filters(filter.clone());
            let page = asked
                .resource_type_filters("lambda:function")
                .set_pagination_token(token)
                .send()
                .await
                .map_err(Fault::of("GetResources"))?;
            for resource in page.resource_tag_mapping_list() {
                let arn = resource.resource_arn().unwrap_or_default();
                let tags = resource.tags().iter();
                let tags = tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
                let name = arn.rsplit(':').next().unwrap_or_default();
                functions.insert(name.to_owned(), tags.collect());
            }
            token = next(page.pagination_token());
            if token.is_none() {
                return Ok(functions);
            }
        }
    }

    async fn aliases(&self, function: &FunctionName) -> Result<Vec<AliasConfiguration>, Fault> {
        let (mut aliases, mut marker) = (Vec::new(), None);
        loop {
            self.pace.turn().await;
            let asked = self.lambda.list_aliases().function_name(function.as_str());
            let page = asked.set_marker(marker).send().await;
            let page = page.map_err(Fault::of("ListAliases"))?;
            aliases.extend_from_slice(page.aliases());
            marker = next(page.next_marker());
            if marker.is_none() {
                return Ok(aliases);
            }
        }
    }

    /// Returns the versions behind the aliases, and the newest one, oldest first.
    async fn versions(
        &self,
        function: &FunctionName,
        listed: &Listed,
        aliases: &[AliasConfiguration],
    ) -> Result<Vec<PublishedVersion>, Fault> {
        let behind = aliases.iter().filter_map(|found| number(found.function_version()));
        let newest = listed.versions.keys().next_back().copied();
        let wanted: BTreeSet<u64> = behind.chain(newest).collect();
        let mut versions = Vec::new();
        for number in wanted {
            let configuration = match listed.versions.get(&number) {
                Some(found) => configuration(found),
                None => configuration(&self.get(function, &number.to_string()).await?),
            };
            versions.push(PublishedVersion { number, configuration });
        }
        Ok(versions)
    }

    /// Reads one version of a function. `GetFunction` has a limit of its own, 100 calls a second.
    pub(super) async fn get(
        &self,
        function: &FunctionName,
        qualifier: &str,
    ) -> Result<FunctionConfiguration, Fault> {
        let asked = self.lambda.get_function().function_name(function.as_str());
        let found = asked.qualifier(qualifier).send().await;
        let found = found.map_err(Fault::of("GetFunction"))?;
        let odd = || Fault::odd("GetFunction", format!("{function} comes without a configuration"));
        found.configuration.ok_or_else(odd)
    }
}

/// What is in effect: after an update that failed Lambda lists the new layers and serves the old ones. Ours
/// counts as not there then, so that the update is made again.
fn in_effect(latest: &FunctionConfiguration, target: &LayerVersionArn) -> Configuration {
    let mut found = configuration(latest);
    if failed(latest) {
        found.layers.retain(|arn| arn != target);
    }
    found
}

fn failed(found: &FunctionConfiguration) -> bool {
    found.last_update_status() == Some(&LastUpdateStatus::Failed)
}

fn there<T>(found: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match found {
        Err(fault) if fault.is("ResourceNotFoundException") => Ok(None),
        found => found.map(Some),
    }
}

/// An empty mark is the end, too.
fn next(mark: Option<&str>) -> Option<String> {
    mark.filter(|mark| !mark.is_empty()).map(str::to_owned)
}

fn number(version: Option<&str>) -> Option<u64> {
    version?.parse().ok()
}

fn is_consumer(consumer: &Consumer, layer: &str) -> bool {
    let behind = consumer.versions.iter().filter(|version| {
        let mut aliases = consumer.aliases.iter();
        aliases.any(|alias| alias.version == version.number)
    });
    let mut configurations = behind.map(|version| &version.configuration).chain([&consumer.latest]);
    configurations.any(|one| one.layers.iter().any(|arn| arn.layer() == layer))
}

/// An alias on `$LATEST` follows by itself.
fn alias(found: &AliasConfiguration) -> Option<Alias> {
    Some(Alias {
        name: found.name()?.to_owned(),
        version: number(found.function_version())?,
        revision_id: found.revision_id().unwrap_or_default().to_owned(),
    })
}

fn splits(found: &AliasConfiguration) -> Option<String> {
    let weights = found.routing_config()?.additional_version_weights()?;
    (!weights.is_empty()).then(|| found.name().unwrap_or_default().to_owned())
}
