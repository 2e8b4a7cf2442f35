use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use freshlayer::LayerVersionArn;
use serde_json::Value;
use tokio::time::Instant;

use super::{Answer, Asked, Outage, Place, Simulated};
use crate::clock::VirtualClock;

/// What a test asked of AWS, and how long AWS takes.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(super) clock: VirtualClock,
    /// How old the functions and tags are that lists show.
    pub(super) lists_lag: Duration,
    /// How long a new layer version stays out of lists.
    pub(super) layers_lag: Duration,
    /// How long a permission on a layer version takes to act.
    pub(super) permits_after: Duration,
    /// How long an update is in progress; a guess.
    pub(super) settles_after: Duration,
    /// How long a version is pending.
    pub(super) active_after: Duration,
    /// How long a version is pending whose snapshot is taken; a guess.
    pub(super) snapshot_after: Duration,
    /// How long provisioned concurrency takes; a guess.
    pub(super) ready_after: Duration,
    left_out: Vec<(Answering, String)>,
    /// Layer versions that no function gets for a while.
    late: BTreeMap<String, Instant>,
    broken: BTreeSet<String>,
    outages: BTreeMap<Place, Outage>,
    organisations: BTreeMap<String, String>,
}

/// Which calls show a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// `ListFunctions` and `ListVersionsByFunction`.
    List,
    /// `GetFunction`.
    Get,
}

impl Rules {
    pub(super) fn new(clock: VirtualClock) -> Self {
        Self {
            clock,
            lists_lag: Duration::ZERO,
            layers_lag: Duration::ZERO,
            permits_after: Duration::ZERO,
            settles_after: Duration::from_secs(2),
            active_after: Duration::ZERO,
            snapshot_after: Duration::from_mins(2),
            ready_after: Duration::from_mins(1),
            left_out: Vec::new(),
            late: BTreeMap::new(),
            broken: BTreeSet::new(),
            outages: BTreeMap::new(),
            organisations: BTreeMap::new(),
        }
    }

    /// The same lists; all else takes no time and goes well.
    pub(super) fn at_once(&self) -> Self {
        let (lists_lag, snapshot_after) = (self.lists_lag, Duration::ZERO);
        Self { lists_lag, snapshot_after, ..Self::new(self.clock) }
    }

    /// Writes a moment as Lambda does.
    pub(super) fn written(&self, moment: Instant) -> String {
        self.clock.at(moment).strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
    }

    /// The moment whose state lists show.
    pub(super) fn listed(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.lists_lag).unwrap_or(now)
    }

    /// Takes away what an answer does not show.
    pub(super) fn leave_out(&self, answering: Answering, shown: &mut Value) {
        let fields = shown.as_object_mut().expect("a configuration is an object");
        for (_, field) in self.left_out.iter().filter(|(of, _)| *of == answering) {
            fields.remove(field);
        }
    }

    pub(super) fn is_late(&self, arn: &LayerVersionArn) -> bool {
        self.late.get(arn.as_str()).is_some_and(|until| *until > Instant::now())
    }

    /// Tells whether functions with these layers end while they start.
    pub(super) fn breaks(&self, layers: &[String]) -> bool {
        layers.iter().any(|arn| self.broken.contains(arn))
    }

    pub(super) fn organisation(&self, account: &str) -> Option<&str> {
        self.organisations.get(account).map(String::as_str)
    }

    pub(super) fn outage(&self, place: &Place) -> Option<Outage> {
        self.outages.get(place).copied()
    }

    /// What Lambda says where it denies everything.
    pub(super) fn denial(&self, name: &str, asked: &Asked) -> Option<Answer> {
        let denied = self.outage(&asked.place) == Some(Outage::Denied);
        denied.then(|| {
            Answer::denied(&format!(
                "User: {} is not authorized to perform: lambda:{name} on resource: * because no identity-based policy \
                 allows the lambda:{name} action",
                asked.place.caller()
            ))
        })
    }
}

impl Simulated {
    /// Lets lists of functions and tags show what was so some time ago.
    pub fn list_functions_after(&self, delay: Duration) {
        self.world().rules.lists_lag = delay;
    }

    /// Lets new layer versions appear in lists only after a while.
    pub fn list_layers_after(&self, delay: Duration) {
        self.world().rules.layers_lag = delay;
    }

    /// Lets what `AddLayerVersionPermission` gives act only after a while.
    pub fn permit_after(&self, delay: Duration) {
        self.world().rules.permits_after = delay;
    }

    /// Sets how long an update of a function is in progress.
    pub fn settle_after(&self, delay: Duration) {
        self.world().rules.settles_after = delay;
    }

    /// Sets how long each published version is pending; with a snapshot two minutes at least.
    pub fn activate_after(&self, delay: Duration) {
        self.world().rules.active_after = delay;
    }

    /// Sets how long provisioned concurrency takes after an alias moved.
    pub fn provision_after(&self, delay: Duration) {
        self.world().rules.ready_after = delay;
    }

    /// Leaves a field of `FunctionConfiguration` out of one kind of answer.
    pub fn leave_out(&self, answering: Answering, field: &str) {
        self.world().rules.left_out.push((answering, field.to_owned()));
    }

    /// Lets every update with a layer version be denied for a while, as in an account that was let in just now.
    pub fn deny_layer_for(&self, arn: &LayerVersionArn, time: Duration) {
        let until = Instant::now() + time;
        self.world().rules.late.insert(arn.to_string(), until);
    }

    /// Lets every function with a layer version end while it starts: calls answer an error, snapshots and
    /// provisioned concurrency fail.
    pub fn break_layer(&self, arn: &LayerVersionArn) {
        self.world().rules.broken.insert(arn.to_string());
    }

    /// Puts this view's account into an organisation.
    pub fn join(&self, organisation: &str) {
        let account = self.place.account.clone();
        self.world().rules.organisations.insert(account, organisation.to_owned());
    }

    /// Returns what is wrong with this view's place.
    pub fn outage(&self) -> Option<Outage> {
        self.world().rules.outage(&self.place)
    }

    /// Lets this view's place fail, or work again.
    pub fn fail_place(&self, outage: Option<Outage>) {
        let mut world = self.world();
        match outage {
            Some(outage) => drop(world.rules.outages.insert(self.place.clone(), outage)),
            None => drop(world.rules.outages.remove(&self.place)),
        }
    }
}
