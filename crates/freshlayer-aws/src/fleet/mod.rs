//! Functions and aliases of one account and Region: facts in, steps out.
//!
//! `observe` lists everything, in pages; `look` reads one function closely; `steps` does one change and reads that
//! function again. Nothing is decided here.

mod call;
mod consumer;
mod look;
mod observe;
mod steps;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use freshlayer::LayerVersionArn;
use freshlayer::ports::{
    Answer, Call, CodeStorage, Consumer, Fleet, FleetError, FunctionName, Glimpse, PortError, Step,
    User,
};

use crate::{Fault, Pace};

/// The version that changes.
const LATEST: &str = "$LATEST";

/// The functions of one account and Region.
pub struct LambdaFleet {
    lambda: aws_sdk_lambda::Client,
    tagging: aws_sdk_resourcegroupstagging::Client,
    pace: Pace,
    /// How each function was when it was last read, so that a step costs no second look at what it does not change.
    cache: Arc<Mutex<HashMap<FunctionName, Consumer>>>,
    /// Functions that were changed by other hands while this run worked on them: the list may lag behind them.
    restless: Mutex<HashSet<FunctionName>>,
}

impl LambdaFleet {
    pub(crate) fn new(
        lambda: aws_sdk_lambda::Client,
        tagging: aws_sdk_resourcegroupstagging::Client,
        pace: Pace,
    ) -> Self {
        Self { lambda, tagging, pace, cache: Arc::default(), restless: Mutex::default() }
    }

    /// Returns the layers of a function's version or alias, in its order; without one, of `$LATEST`.
    ///
    /// # Errors
    /// [`Fault`], also where there is no such function.
    pub async fn layers_of(
        &self,
        function: &FunctionName,
        qualifier: Option<&str>,
    ) -> Result<Vec<String>, Fault> {
        let found = self.get(function, qualifier.unwrap_or(LATEST)).await?;
        Ok(consumer::layers(&found).iter().map(ToString::to_string).collect())
    }

    fn cached(&self, function: &FunctionName) -> Option<Consumer> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(function).cloned()
    }

    fn remember(&self, consumer: &Consumer) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(consumer.function.clone(), consumer.clone());
    }

    fn is_restless(&self, function: &FunctionName) -> bool {
        let restless = self.restless.lock().unwrap_or_else(PoisonError::into_inner);
        restless.contains(function)
    }

    fn note_restless(&self, function: &FunctionName) {
        let mut restless = self.restless.lock().unwrap_or_else(PoisonError::into_inner);
        restless.insert(function.clone());
    }
}

#[async_trait]
impl Fleet for LambdaFleet {
    async fn observe(&self, target: &LayerVersionArn) -> Result<Vec<Consumer>, PortError> {
        let consumers = self.list_consumers(target).await?;
        for consumer in &consumers {
            self.remember(consumer);
        }
        Ok(consumers)
    }

    async fn glance(&self, target: &LayerVersionArn) -> Result<Glimpse, PortError> {
        Ok(self.glimpse(target).await?)
    }

    async fn in_use(
        &self,
        of: &LayerVersionArn,
    ) -> Result<BTreeMap<LayerVersionArn, User>, PortError> {
        Ok(self.named(of.layer()).await?)
    }

    async fn storage(&self) -> Result<Option<CodeStorage>, PortError> {
        Ok(self.code_storage().await?)
    }

    async fn call(&self, call: Call<'_>) -> Result<Answer, PortError> {
        Ok(self.invoke(call).await?)
    }

    async fn apply(&self, step: &Step) -> Result<Consumer, FleetError> {
        let function = step.function();
        let known = self.cached(function);
        let known = known.ok_or_else(|| FleetError::Changed { function: function.clone() })?;
        let done = match step {
            Step::Look { .. } => self.look(known).await,
            Step::Probe { .. } => Ok(known),
            Step::SetLayers { layers, revision_id, .. } => {
                self.set_layers(known, layers, revision_id).await
            }
            Step::PublishVersion { code_sha256, revision_id, description, .. } => {
                self.publish(known, code_sha256, revision_id, description).await
            }
            Step::MoveAlias { alias, version, percent, revision_id, .. } => {
                let share = steps::Share { version: *version, percent: *percent };
                self.move_alias(known, alias, share, revision_id).await
            }
            Step::RetireVersion { version, .. } => self.retire(known, *version).await,
        };
        match &done {
            Ok(consumer) => self.remember(consumer),
            Err(FleetError::Changed { function }) => self.note_restless(function),
            Err(_) => {}
        }
        done
    }
}
