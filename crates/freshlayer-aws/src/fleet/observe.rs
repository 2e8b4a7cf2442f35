use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_lambda::operation::list_functions::ListFunctionsOutput;
use aws_sdk_lambda::types::{FunctionConfiguration, FunctionVersion};
use aws_sdk_resourcegroupstagging::types::TagFilter;
use freshlayer::LayerVersionArn;
use freshlayer::ports::{
    CodeStorage, Consumer, FunctionName, Glimpse, Look, PublishedVersion, Update, User,
};
use freshlayer::rollout::WAVE_TAG;

use super::consumer::{
    architectures, configuration, layers, number, published, unqualified, update,
};
use super::{LATEST, LambdaFleet};
use crate::Fault;

type Tags = BTreeMap<String, String>;

/// A function as the list has it, reduced to what a candidate needs.
#[derive(Default)]
struct Listed {
    latest: Option<Consumer>,
    versions: Vec<PublishedVersion>,
    uses: bool,
}

impl LambdaFleet {
    pub(super) async fn code_storage(&self) -> Result<Option<CodeStorage>, Fault> {
        self.pace.turn().await;
        let asked = self.lambda.get_account_settings().send().await;
        let settings = asked.map_err(Fault::of("GetAccountSettings"))?;
        let bytes = |size: i64| u64::try_from(size).ok();
        let used = settings.account_usage().and_then(|usage| bytes(usage.total_code_size()));
        let limit = settings.account_limit().and_then(|limit| bytes(limit.total_code_size()));
        let storage = used.zip(limit.filter(|limit| *limit > 0));
        Ok(storage.map(|(used_bytes, limit_bytes)| CodeStorage { used_bytes, limit_bytes }))
    }

    /// Finds every consumer: one call per 50 functions and versions, and two for the tags. Of functions that changed
    /// under our hands the list may lag, so they are read anew.
    pub(super) async fn list_consumers(
        &self,
        target: &LayerVersionArn,
    ) -> Result<Vec<Consumer>, Fault> {
        let mut tagged = self.tagged(tag(target)).await?;
        let mut waved = self.tagged(WAVE_TAG.to_owned()).await?;
        let mut consumers = Vec::new();
        for (function, listed) in self.list(target).await? {
            let tags = tagged.remove(function.as_str());
            if tags.is_none() && !listed.uses {
                continue;
            }
            let Some(mut consumer) = listed.latest else { continue };
            consumer.versions = listed.versions;
            consumer.versions.sort_by_key(|version| version.number);
            let tags = tags.or_else(|| waved.remove(function.as_str()));
            consumer.tags = tags.unwrap_or_default();
            if self.is_restless(&function) {
                match there(self.get(&function, LATEST).await)? {
                    Some(found) => super::look::take_latest(&mut consumer, &found),
                    None => continue,
                }
            }
            consumers.push(consumer);
        }
        Ok(consumers)
    }

    /// Counts the functions that use another version of the layer in `$LATEST`, and reads the tags.
    pub(super) async fn glimpse(&self, target: &LayerVersionArn) -> Result<Glimpse, Fault> {
        let tag = tag(target);
        let mut glimpse = Glimpse::default();
        for (function, tags) in self.tagged(tag.clone()).await? {
            let function = FunctionName::parse(&function);
            if let (Ok(function), Some(value)) = (function, tags.get(&tag)) {
                glimpse.tags.insert(function, value.clone());
            }
        }
        let mut marker = None;
        loop {
            let page = self.page(None, marker).await?;
            for found in page.functions() {
                let used = layers(found);
                let mut used = used.iter();
                let elsewhere = used.any(|arn| arn.layer() == target.layer() && arn != target);
                glimpse.elsewhere += usize::from(elsewhere);
            }
            marker = next(page.next_marker());
            if marker.is_none() {
                return Ok(glimpse);
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

    /// Lists all functions with all versions. Only what a decision needs is kept of each: an account may have 50,000
    /// versions, with their variables.
    async fn list(
        &self,
        target: &LayerVersionArn,
    ) -> Result<BTreeMap<FunctionName, Listed>, Fault> {
        let mut functions: BTreeMap<FunctionName, Listed> = BTreeMap::new();
        let mut marker = None;
        loop {
            let page = self.page(Some(FunctionVersion::All), marker).await?;
            for found in page.functions() {
                let Some(Ok(name)) = found.function_name().map(FunctionName::parse) else {
                    continue;
                };
                let listed = functions.entry(name.clone()).or_default();
                listed.uses |= layers(found).iter().any(|arn| arn.layer() == target.layer());
                match number(found.version()) {
                    Some(number) => listed.versions.push(published(number, found)),
                    None if found.version() == Some(LATEST) => {
                        listed.latest = Some(consumer(name, found));
                    }
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
                for arn in ours {
                    // `$LATEST` before any published version: Lambda refuses changes of it once the layer is gone.
                    if user.version.is_none() || !named.contains_key(&arn) {
                        named.insert(arn, user.clone());
                    }
                }
            }
            marker = next(page.next_marker());
            if marker.is_none() {
                break;
            }
        }
        for function in changeable {
            let found = there(self.get(&function, LATEST).await)?;
            if found.is_some_and(|found| matches!(update(&found), Update::Failed(_))) {
                let words = format!(
                    "the last update of {function} failed, so its layers are not known: deploy it again"
                );
                return Err(Fault::odd("GetFunction", words));
            }
        }
        Ok(named)
    }

    /// Finds the functions that have a tag, with all their tags.
    async fn tagged(&self, key: String) -> Result<HashMap<String, Tags>, Fault> {
        let filter = TagFilter::builder().key(key).build();
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
}

/// The tag by which functions say what they want of a layer.
fn tag(version: &LayerVersionArn) -> String {
    format!("freshlayer:{}", version.layer_name())
}

/// A function as the list has it: how its last update ended and its aliases are not known.
fn consumer(function: FunctionName, latest: &FunctionConfiguration) -> Consumer {
    Consumer {
        latest: configuration(latest),
        revision_id: latest.revision_id().unwrap_or_default().to_owned(),
        unqualified: unqualified(latest),
        timeout_secs: latest.timeout().and_then(|secs| secs.try_into().ok()).unwrap_or_default(),
        architectures: architectures(latest),
        versions: Vec::new(),
        look: None::<Look>,
        tags: BTreeMap::new(),
        function,
    }
}

fn there<T>(found: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match found {
        Err(fault) if fault.is("ResourceNotFoundException") => Ok(None),
        found => found.map(Some),
    }
}

/// An empty mark is the end, too.
pub(super) fn next(mark: Option<&str>) -> Option<String> {
    mark.filter(|mark| !mark.is_empty()).map(str::to_owned)
}
