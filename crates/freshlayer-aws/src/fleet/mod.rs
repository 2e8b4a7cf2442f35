//! Functions and aliases of one account and Region.
//!
//! `observe` looks at everything once, in pages; `steps` does one change and looks again at that function only.

mod consumer;
mod observe;
mod steps;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use freshlayer::LayerVersionArn;
use freshlayer::ports::{Consumer, Fleet, FleetError, FunctionName, PortError, Step, User};

use crate::{Fault, Pace};

/// The version that changes.
const LATEST: &str = "$LATEST";

/// The functions of one account and Region.
pub struct LambdaFleet {
    lambda: aws_sdk_lambda::Client,
    tagging: aws_sdk_resourcegroupstagging::Client,
    pace: Pace,
    glance: Glance,
    /// What was seen of each function last, so that a step costs no second look at what it does not change.
    seen: Arc<Mutex<HashMap<FunctionName, Seen>>>,
    /// Functions that somebody else changed under our hands.
    restless: Mutex<HashSet<FunctionName>>,
}

/// Whether a run that finds nothing new may be content with one list of the functions, without their aliases
/// and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glance {
    /// It looks at everything: a person asks.
    Never,
    /// It may: for schedules, where the next release looks at everything again.
    WhereNothingRolls,
}

/// A function as it was seen last.
#[derive(Debug, Clone)]
struct Seen {
    consumer: Consumer,
    /// `$LATEST`'s layers as Lambda writes them, to be written back.
    layers: Vec<String>,
    /// Aliases that split their traffic between two versions.
    split: Vec<String>,
    /// What callers without a qualifier get.
    unqualified: Unqualified,
}

/// What callers without a qualifier get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unqualified {
    Latest,
    /// On Managed Instances: `$LATEST.PUBLISHED`, which nothing but a publish changes.
    LatestPublished,
}

impl LambdaFleet {
    pub(crate) fn new(
        lambda: aws_sdk_lambda::Client,
        tagging: aws_sdk_resourcegroupstagging::Client,
        pace: Pace,
        glance: Glance,
    ) -> Self {
        Self { lambda, tagging, pace, glance, seen: Arc::default(), restless: Mutex::default() }
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
        Ok(consumer::raw_layers(&found))
    }

    fn seen(&self, function: &FunctionName) -> Option<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(function).cloned()
    }

    fn remember(&self, known: Seen) -> Consumer {
        let consumer = known.consumer.clone();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(consumer.function.clone(), known);
        consumer
    }
}

#[async_trait]
impl Fleet for LambdaFleet {
    async fn observe(&self, target: &LayerVersionArn) -> Result<Vec<Consumer>, PortError> {
        let mut consumers = Vec::new();
        for known in self.look(target).await? {
            consumers.push(self.remember(known));
        }
        consumers.sort_by(|a, b| a.function.cmp(&b.function));
        Ok(consumers)
    }

    async fn is_settled(&self, target: &LayerVersionArn) -> Result<bool, PortError> {
        match self.glance {
            Glance::Never => Ok(false),
            Glance::WhereNothingRolls => Ok(self.latest_are_on(target).await?),
        }
    }

    async fn in_use(
        &self,
        of: &LayerVersionArn,
    ) -> Result<BTreeMap<LayerVersionArn, User>, PortError> {
        Ok(self.named(of.layer()).await?)
    }

    async fn apply(&self, step: &Step) -> Result<Consumer, FleetError> {
        let done = self.step(step).await;
        if let Err(FleetError::Changed { function }) = &done {
            let mut restless = self.restless.lock().unwrap_or_else(PoisonError::into_inner);
            restless.insert(function.clone());
        }
        done
    }
}

impl LambdaFleet {
    fn is_restless(&self, function: &FunctionName) -> bool {
        let restless = self.restless.lock().unwrap_or_else(PoisonError::into_inner);
        restless.contains(function)
    }

    async fn step(&self, step: &Step) -> Result<Consumer, FleetError> {
        let function = step.function();
        let changed = || FleetError::Changed { function: function.clone() };
        let known = self.seen(function).ok_or_else(changed)?;
        let known = match step {
            Step::SetLayer { layer, revision_id, .. } => {
                self.set_layer(known, layer, revision_id).await?
            }
            Step::PublishVersion { code_sha256, revision_id, .. } => {
                self.publish(known, code_sha256, revision_id).await?
            }
            Step::MoveAlias { alias, version, revision_id, .. } => {
                self.move_alias(known, alias, *version, revision_id).await?
            }
        };
        Ok(self.remember(known))
    }
}
