//! Reads one function closely: how its last update ended, and where its aliases point.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_lambda::types::{
    AliasConfiguration, FunctionConfiguration, LastUpdateStatus, ProvisionedConcurrencyStatusEnum,
    State,
};
use freshlayer::ports::{Alias, Consumer, FleetError, FunctionName, Look, Routing};

use super::consumer::{alias, configuration, published, update};
use super::steps::{changed, decide, other};
use super::{LATEST, LambdaFleet};
use crate::Fault;

/// Lambda's own waiter asks every second; small functions settle sooner.
const FIRST_LOOK: Duration = Duration::from_millis(200);
const LOOKS_APART_MAX: Duration = Duration::from_secs(2);
/// An update that takes longer than this is left to the next run.
const UPDATED_WITHIN: Duration = Duration::from_mins(5);
/// How many versions with an alias's code are read closely: so many may be one alias move away.
const READ_CLOSELY_MAX: usize = 8;

impl LambdaFleet {
    /// Reads `$LATEST` and the aliases, and the versions that serve or may serve. All of them come from `GetFunction`
    /// then, so that what is compared was written by one service in one way.
    pub(super) async fn look(&self, mut known: Consumer) -> Result<Consumer, FleetError> {
        let function = known.function.clone();
        let decided = |fault| decide(&function, fault);
        let latest = self.get(&function, LATEST).await.map_err(decided)?;
        // An alias leads to a published version.
        let aliases = if known.versions.is_empty() {
            Vec::new()
        } else {
            self.aliases(&function).await.map_err(decided)?
        };
        let mut aliases: Vec<_> = aliases.iter().filter_map(alias).collect();
        for alias in &mut aliases {
            self.see_whether_it_failed(&function, alias).await.map_err(decided)?;
        }
        take_latest(&mut known, &latest);
        let served: BTreeSet<u64> = aliases.iter().map(|alias| alias.version).collect();
        known.look = Some(Look { update: update(&latest), aliases });
        for number in read_closely(&known, &served) {
            let found = match self.get(&function, &number.to_string()).await {
                Err(fault) if fault.is("ResourceNotFoundException") => continue,
                found => found.map_err(decided)?,
            };
            // One that cannot start is no way for an alias; to publish it again tells why.
            if found.state() == Some(&State::Failed) && !served.contains(&number) {
                known.versions.retain(|version| version.number != number);
                continue;
            }
            let version = published(number, &found);
            match known.versions.iter_mut().find(|version| version.number == number) {
                Some(known) => *known = version,
                None => known.versions.push(version),
            }
        }
        known.versions.sort_by_key(|version| version.number);
        Ok(known)
    }

    /// While provisioned concurrency gets ready, and after that failed, Lambda sends every call to the version before.
    async fn see_whether_it_failed(
        &self,
        function: &FunctionName,
        alias: &mut Alias,
    ) -> Result<(), Fault> {
        let Routing::Split { version, percent: 100 } = alias.routing else { return Ok(()) };
        self.pace.turn().await;
        let asked = self.lambda.get_provisioned_concurrency_config();
        let asked = asked.function_name(function.as_str()).qualifier(&alias.name);
        let found = match asked.send().await.map_err(Fault::of("GetProvisionedConcurrencyConfig")) {
            Err(fault) if fault.is("ProvisionedConcurrencyConfigNotFoundException") => {
                return Ok(());
            }
            found => found?,
        };
        if found.status() == Some(&ProvisionedConcurrencyStatusEnum::Failed) {
            alias.routing = Routing::Failed { version };
        }
        Ok(())
    }

    async fn aliases(&self, function: &FunctionName) -> Result<Vec<AliasConfiguration>, Fault> {
        let (mut aliases, mut marker) = (Vec::new(), None);
        loop {
            self.pace.turn().await;
            let asked = self.lambda.list_aliases().function_name(function.as_str());
            let page = asked.set_marker(marker).send().await;
            let page = page.map_err(Fault::of("ListAliases"))?;
            aliases.extend_from_slice(page.aliases());
            marker = super::observe::next(page.next_marker());
            if marker.is_none() {
                return Ok(aliases);
            }
        }
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

    /// Waits until an update is over. The revision id changes once more when it ends, so the one to go on with
    /// stands in this answer and not in the update's.
    pub(super) async fn wait_until_updated(
        &self,
        function: &FunctionName,
        qualifier: &str,
    ) -> Result<FunctionConfiguration, FleetError> {
        let started = tokio::time::Instant::now();
        let mut apart = FIRST_LOOK;
        loop {
            let found = self.get(function, qualifier).await.map_err(|f| decide(function, f))?;
            let working = found.last_update_status() == Some(&LastUpdateStatus::InProgress)
                || found.state() == Some(&State::Pending);
            if qualifier != LATEST && found.state() == Some(&State::Failed) {
                let reason = found.state_reason().unwrap_or("Lambda gives no reason").to_owned();
                return Err(FleetError::NotStarted { function: function.clone(), reason });
            }
            let failed = found.last_update_status() == Some(&LastUpdateStatus::Failed)
                || found.state() == Some(&State::Failed);
            if failed {
                let reason = found.last_update_status_reason().or(found.state_reason());
                return Err(FleetError::Refused {
                    function: function.clone(),
                    reason: reason.unwrap_or("the update failed, without a reason").to_owned(),
                });
            }
            if !working {
                return Ok(found);
            }
            if started.elapsed() > UPDATED_WITHIN {
                let words = format!("the update still runs after {} s", UPDATED_WITHIN.as_secs());
                return Err(other(function, Fault::odd("GetFunction", words)));
            }
            tokio::time::sleep(apart).await;
            apart = (apart * 2).min(LOOKS_APART_MAX);
        }
    }

    /// An update by other hands is in progress: it is waited for, so that the next try finds it done.
    pub(super) async fn changed_after_update(&self, function: &FunctionName) -> FleetError {
        let _as_it_is_then = self.wait_until_updated(function, LATEST).await;
        changed(function)
    }
}

/// The versions behind aliases, and the newest ones with the same code.
fn read_closely(known: &Consumer, served: &BTreeSet<u64>) -> BTreeSet<u64> {
    let codes: BTreeSet<&str> = served
        .iter()
        .filter_map(|number| known.version(*number))
        .map(|version| version.configuration.code_sha256.as_str())
        .collect();
    let same_code = known.versions.iter().rev();
    let same_code = same_code.filter(|v| codes.contains(v.configuration.code_sha256.as_str()));
    let newest = same_code.take(READ_CLOSELY_MAX).map(|version| version.number);
    newest.chain(served.iter().copied()).collect()
}

/// Takes `$LATEST` as it was read.
pub(super) fn take_latest(known: &mut Consumer, found: &FunctionConfiguration) {
    known.latest = configuration(found);
    known.unqualified = super::consumer::unqualified(found);
    known.architectures = super::consumer::architectures(found);
    let revision_id = found.revision_id().unwrap_or_default();
    revision_id.clone_into(&mut known.revision_id);
}
