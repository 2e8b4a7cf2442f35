//! The next step of one function.

mod part;

use super::layers::{others, ours, positions, with};
use super::{
    Admission, Foreign, Goal, Intent, PinnedFunction, PlaceView, Probed, SetBack, Standing, Waves,
    brings_data,
};
use crate::definition::Roll;
use crate::names::LayerVersionArn;
use crate::ports::{
    Alias, Configuration, Consumer, PublishedVersion, Routing, Step, Unqualified, Update,
};
use crate::release::publish::made_by_freshlayer;
use crate::report::Why;
use crate::rollout::tag::{TagRule, tag};
use crate::state::{Rollout, StaysOn};

/// How many published versions of its own making freshlayer keeps per function, beside those that are needed.
const OWN_VERSIONS_KEPT: usize = 3;

/// How often a release is brought to a function again that other hands set back.
pub(crate) const REAPPLIED_MAX: u32 = 2;

type Decision = (Option<Step>, Standing);

/// An alias with the version that it points to.
type Served<'a> = (&'a Alias, &'a PublishedVersion);

/// One place, with what is intended there.
#[derive(Clone, Copy)]
pub(crate) struct Here<'a> {
    pub(crate) intent: &'a Intent,
    pub(crate) view: &'a PlaceView,
    pub(crate) rollout: Option<&'a Rollout>,
    /// The rollout, while its notes spare a second look.
    pub(crate) recent: Option<&'a Rollout>,
    pub(crate) waves: Waves<'a>,
}

impl<'a> Here<'a> {
    /// Plans the next step of one consumer, if its wave is open.
    pub(crate) fn next(&self, consumer: &'a Consumer, probed: &'a Probed) -> Decision {
        match self.next_of(consumer, probed) {
            (Some(step), _) if brings_data(&step) && self.intent.roll == Roll::Propose => {
                (None, Standing::Ordered(Why::Proposed))
            }
            (Some(Step::RetireVersion { .. }), standing) if self.intent.roll == Roll::Propose => {
                (None, standing)
            }
            // A weight may go at any time.
            (Some(step), _) if takes_weight_away(&step, consumer) => (Some(step), Standing::Moving),
            (Some(step), _) if brings_data(&step) && self.admission(consumer) == Admission::Not => {
                (None, Standing::Later)
            }
            (Some(step), _) if self.brings_again(&step, consumer) => {
                let times = self.times_set_back(consumer);
                let release = self.intent.release().unwrap_or_default();
                held(Why::RevertedByDeploy { times, release })
            }
            decision => decision,
        }
    }

    /// A person's order for one function waits for no wave.
    fn admission(&self, consumer: &Consumer) -> Admission {
        if self.pinned(consumer).is_some() {
            return Admission::Whole;
        }
        self.waves.admit(&self.view.place, &consumer.function)
    }

    fn times_set_back(&self, consumer: &Consumer) -> u32 {
        let key = (self.view.place.to_string(), consumer.function.clone());
        let in_part = matches!(self.admission(consumer), Admission::Part(_));
        let times = |known: &SetBack| if in_part { known.in_part() } else { known.times() };
        self.intent.set_back.get(&key).map_or(0, times)
    }

    /// Tells whether a step would bring a function once more what other hands took from it too often.
    fn brings_again(&self, step: &Step, consumer: &Consumer) -> bool {
        let too_often = self.times_set_back(consumer) > REAPPLIED_MAX;
        brings_data(step) && self.pinned(consumer).is_none() && too_often
    }

    fn next_of(&self, consumer: &'a Consumer, probed: &'a Probed) -> Decision {
        let target = match self.target(consumer) {
            Ok(target) => target,
            Err(standing) => return (None, standing),
        };
        let opted_in = TagRule::of(consumer, &self.intent.layer).is_some();
        let (step, standing) =
            FunctionPlan { here: *self, consumer, target, opted_in, probed }.next();
        match standing {
            Standing::Current if let Some(pinned) = self.pinned(consumer) => {
                (step, Standing::Ordered(pinned.why.clone()))
            }
            Standing::Current if self.is_pinned_by_tag(consumer) => {
                (step, Standing::Ordered(Why::TagPin { tag: tag(&self.intent.layer) }))
            }
            standing => (step, standing),
        }
    }

    /// A person's order that keeps the function on a release of its own. A tag that says hold comes first.
    pub(crate) fn pinned(&self, consumer: &Consumer) -> Option<&'a PinnedFunction> {
        let holds = TagRule::of(consumer, &self.intent.layer) == Some(TagRule::Hold);
        self.intent.pinned_functions.get(&consumer.function).filter(|_| !holds)
    }

    fn target_of_pin(&self, pinned: &'a PinnedFunction) -> Result<&'a LayerVersionArn, Standing> {
        match &pinned.to {
            StaysOn::Before(before) => before
                .get(&self.view.place.to_string())
                .ok_or(Standing::Ordered(Why::NothingBefore)),
            StaysOn::Release(release) => {
                let versions = self.intent.releases.get(release);
                let target = versions.and_then(|versions| versions.get(&self.view.place.region));
                target.ok_or(Standing::Held(Why::NotPublished { release: *release }))
            }
        }
    }

    fn is_pinned_by_tag(&self, consumer: &Consumer) -> bool {
        matches!(TagRule::of(consumer, &self.intent.layer), Some(TagRule::Pin(_)))
            && matches!(self.intent.goal, Goal::Release { .. })
    }

    /// A tag keeps a function on data that a person rolled back: that is worth a word.
    fn is_on_what_was_left(&self, consumer: &Consumer) -> bool {
        let region = &self.view.place.region;
        let left = self.intent.left.iter().filter_map(|release| self.intent.releases.get(release));
        let left: Vec<_> = left.filter_map(|versions| versions.get(region)).collect();
        let published = consumer.versions.iter().map(|version| &version.configuration);
        let mut used = published.chain([&consumer.latest]).flat_map(|used| &used.layers);
        used.any(|layer| left.contains(&layer))
    }

    fn is_on_an_earlier_major(&self, consumer: &Consumer) -> bool {
        let Some(first) = self.intent.major_since else { return false };
        let region = &self.view.place.region;
        let earlier = self.intent.releases.range(..first);
        let mut earlier = earlier.filter_map(|(_, versions)| versions.get(region));
        let aliases = consumer.aliases().iter();
        let served = aliases.filter_map(|alias| consumer.version(alias.version));
        let served = served.map(|version| &version.configuration);
        let used = served.chain([&consumer.latest]);
        earlier.any(|version| used.clone().any(|used| used.layers.contains(version)))
    }

    /// Returns the layer version that a consumer shall be on, or where it stands without one.
    fn target(&self, consumer: &Consumer) -> Result<&'a LayerVersionArn, Standing> {
        let region = &self.view.place.region;
        let tag = tag(&self.intent.layer);
        let asked = TagRule::of(consumer, &self.intent.layer);
        if let Some(why) = self.intent.frozen_functions.get(&consumer.function) {
            return Err(Standing::Ordered(why.clone()));
        }
        if let Some(pinned) = self.pinned(consumer) {
            return self.target_of_pin(pinned);
        }
        match (asked, &self.intent.goal) {
            (Some(TagRule::Hold), _) => Err(Standing::Ordered(Why::TagHold { tag })),
            (Some(TagRule::Unclear(value)), _) => {
                Err(Standing::Held(Why::TagUnclear { tag, value }))
            }
            (_, Goal::Before(before)) => {
                let key = (self.view.place.to_string(), consumer.function.clone());
                before.get(&key).ok_or(Standing::Ordered(Why::NothingBefore))
            }
            (Some(TagRule::Follow(wanted)), Goal::Release { version, .. })
                if !wanted.matches(version) =>
            {
                let (wanted, version) = (wanted.to_string(), version.to_string());
                let why = Why::TagVersion { wanted, version };
                Err(if self.is_on_what_was_left(consumer) {
                    Standing::Held(why)
                } else {
                    Standing::Ordered(why)
                })
            }
            (Some(TagRule::Pin(release)), _) => {
                let versions = self.intent.releases.get(&release);
                let target = versions.and_then(|versions| versions.get(region));
                target.ok_or(Standing::Held(Why::TagPinMissing { release }))
            }
            (None, Goal::Release { version, .. }) if self.is_on_an_earlier_major(consumer) => {
                Err(Standing::Held(Why::NewMajor { version: version.to_string(), tag }))
            }
            (_, Goal::Release { release, targets, .. }) => {
                let missing = Standing::Held(Why::NotPublished { release: *release });
                targets.get(region).ok_or(missing)
            }
        }
    }
}

/// One consumer against its target.
struct FunctionPlan<'a> {
    here: Here<'a>,
    consumer: &'a Consumer,
    target: &'a LayerVersionArn,
    opted_in: bool,
    probed: &'a Probed,
}

impl<'a> FunctionPlan<'a> {
    fn next(&self) -> Decision {
        if self.is_noted_done() {
            return (None, Standing::Current);
        }
        if let Some(why) = self.foreign().or_else(|| self.wrong_architecture()) {
            return held(why);
        }
        if self.consumer.look.is_none() && self.needs_look() {
            let function = self.consumer.function.clone();
            return (Some(Step::Look { function }), Standing::Moving);
        }
        if let Some(standing) = self.routing() {
            return (None, standing);
        }
        self.joined()
            .or_else(|| self.aliases())
            .or_else(|| self.latest())
            .or_else(|| self.updating())
            .or_else(|| self.asked_in_place())
            .unwrap_or_else(|| self.there())
    }

    /// A function that this rollout has brought there needs no second look in its next run, unless it is watched and people may
    /// have pointed an alias of it elsewhere.
    fn is_noted_done(&self) -> bool {
        let is_watched = self.here.waves.watches(&self.here.view.place, &self.consumer.function);
        !self.is_pinned()
            && (!is_watched || self.consumer.versions.is_empty())
            && self.was_noted_done(self.here.recent)
            && self.consumer.look.is_none()
            && self.consumer.latest.layers.contains(self.target)
    }

    /// What the rollout noted is about its release, and not about the one that a person keeps the function on.
    fn is_pinned(&self) -> bool {
        self.here.pinned(self.consumer).is_some()
    }

    fn was_noted_done(&self, rollout: Option<&Rollout>) -> bool {
        let (place, function) = (&self.here.view.place, &self.consumer.function);
        rollout.and_then(|rollout| rollout.note(place, function)).is_some_and(|note| note.done)
    }

    /// The probe of a version that callers may get next; `None` where there is nothing to ask any more.
    fn question(&self, version: Option<u64>) -> Option<Step> {
        let asks = self.here.intent.probe.is_some() && !self.is_pinned();
        let open = asks && !self.probed.contains(&version);
        let function = self.consumer.function.clone();
        let answers = self.consumer.aliases().iter().any(|alias| {
            matches!(alias.routing, Routing::Split { version: part, percent: 1.. } if Some(part) == version)
        });
        let asked =
            open && self.gets_the_release() && !self.was_noted_done(self.here.rollout) && !answers;
        asked.then_some(Step::Probe { function, version })
    }

    /// A tag may pin a function to another release: its answer says nothing about the new data.
    fn gets_the_release(&self) -> bool {
        match &self.here.intent.goal {
            Goal::Release { targets, .. } => {
                targets.get(&self.here.view.place.region) == Some(self.target)
            }
            Goal::Before(_) => false,
        }
    }

    /// A function without an alias is asked in place: its callers have the new data already.
    fn asked_in_place(&self) -> Option<Decision> {
        let in_place = self.consumer.aliases().is_empty() && self.wants_layer();
        let step = in_place.then(|| self.question(None)).flatten()?;
        Some((Some(step), Standing::Moving))
    }

    /// Aliases lead to published versions only. How the last update ended matters where `$LATEST` lists the target:
    /// after one that failed Lambda lists the new layers and serves the old ones.
    fn needs_look(&self) -> bool {
        !self.consumer.versions.is_empty() || self.consumer.latest.layers.contains(self.target)
    }

    fn foreign(&self) -> Option<Why> {
        if self.here.intent.foreign == Foreign::Adopted {
            return None;
        }
        let served = self.served().map(|(_, version)| &version.configuration);
        let mut used = served.chain([&self.consumer.latest]);
        let found = used.find_map(|configuration| {
            let entry = ours(configuration, self.target)?;
            self.here.view.foreign.contains(entry).then(|| entry.clone())
        });
        found.map(|version| Why::ForeignVersion { version })
    }

    fn wrong_architecture(&self) -> Option<Why> {
        let (layer, function) = (&self.here.intent.architectures, &self.consumer.architectures);
        let fits = layer.is_empty() || function.iter().all(|one| layer.contains(one));
        (!fits && self.wants_layer())
            .then(|| Why::WrongArchitecture { function: function.clone(), layer: layer.clone() })
    }

    fn wants_layer(&self) -> bool {
        let used = ours(&self.consumer.latest, self.target).is_some();
        used || self.opted_in || self.served().next().is_some()
    }

    fn is_on_target(&self, version: &PublishedVersion) -> bool {
        version.configuration.layers.contains(self.target)
    }

    fn aliases(&self) -> Option<Decision> {
        let behind: Vec<(&Alias, &PublishedVersion)> =
            self.served().filter(|(_, version)| !self.is_on_target(version)).collect();
        let (parts, rest) = self.parts(behind);
        // An alias that serves other code or settings than $LATEST cannot follow without shipping them.
        let step = rest.iter().find_map(|(alias, version)| self.toward(alias, version));
        if let Some(step) = step {
            return Some((Some(step), Standing::Moving));
        }
        let unreleased = rest.first().map(|(alias, version)| {
            let (alias, version) = (alias.name.clone(), version.number);
            held(Why::Unreleased { alias, version })
        });
        unreleased.or_else(|| Some((None, Standing::Partly(parts.into_iter().max()?))))
    }

    fn latest(&self) -> Option<Decision> {
        let latest = &self.consumer.latest;
        let wants = self.opted_in || ours(latest, self.target).is_some();
        if !wants || self.latest_serves_target() {
            return None;
        }
        let on_instances = self.consumer.unqualified == Unqualified::LatestPublished;
        if on_instances && self.consumer.aliases().is_empty() {
            return Some(held(Why::OnInstances));
        }
        Some((Some(self.set_layers()), Standing::Moving))
    }

    /// `$LATEST` lists the target, and what was there before is served until the update is over.
    fn updating(&self) -> Option<Decision> {
        let look = self.consumer.look.as_ref()?;
        let updating =
            look.update == Update::Running && self.consumer.latest.layers.contains(self.target);
        updating.then_some((None, Standing::Waiting(Why::Updating)))
    }

    /// Nothing is left to move: old versions that freshlayer published are retired.
    fn there(&self) -> Decision {
        let step = self.retired().map(|version| Step::RetireVersion {
            function: self.consumer.function.clone(),
            version,
        });
        (step, Standing::Current)
    }

    /// The oldest published version of our own making that nothing needs.
    fn retired(&self) -> Option<u64> {
        let aliases = self.consumer.look.as_ref().map(|look| &look.aliases)?;
        let routed = |number: u64| {
            aliases.iter().any(|alias| match alias.routing {
                Routing::Split { version, .. } | Routing::Failed { version } => {
                    version == number || alias.version == number
                }
                Routing::Whole => alias.version == number,
            })
        };
        let own = self.consumer.versions.iter().rev();
        let own =
            own.filter(|version| made_by_freshlayer(&version.description, &self.here.intent.layer));
        let surplus = own.skip(OWN_VERSIONS_KEPT).filter(|version| {
            let mut layers = version.configuration.layers.iter();
            let way_back = layers.any(|arn| self.here.intent.ways_back.contains(arn));
            !routed(version.number) && !way_back
        });
        surplus.last().map(|version| version.number)
    }

    /// The aliases that serve our layer, or shall, each with its version.
    fn served(&self) -> impl Iterator<Item = (&'a Alias, &'a PublishedVersion)> {
        let (consumer, target, opted_in) = (self.consumer, self.target, self.opted_in);
        consumer.aliases().iter().filter_map(move |alias| {
            let version = consumer.version(alias.version)?;
            let serves = opted_in || ours(&version.configuration, target).is_some();
            serves.then_some((alias, version))
        })
    }

    fn latest_serves_target(&self) -> bool {
        let failed = self
            .consumer
            .look
            .as_ref()
            .is_some_and(|look| matches!(look.update, Update::Failed(_)));
        !failed && self.consumer.latest.layers.contains(self.target)
    }

    /// Tells whether one configuration differs from the served one in nothing but our layer: not in the code, not in
    /// the settings, not in the other layers, and not in the order in which they cover each other.
    fn differs_in_our_layer_only(&self, one: &Configuration, served: &Configuration) -> bool {
        let has = |configuration| ours(configuration, self.target).is_some();
        let same_layers = match (has(one), has(served)) {
            (true, true) | (false, false) => {
                positions(one, self.target) == positions(served, self.target)
            }
            (true, false) => {
                self.opted_in && others(one, self.target) == others(served, self.target)
            }
            // A person took our layer out and has not released that yet.
            (false, true) => false,
        };
        same_layers
            && one.code_sha256 == served.code_sha256
            && one.settings_sha256 == served.settings_sha256
    }

    /// The next step that brings an alias to the target. A published version with the served code and settings and the
    /// target's layer is one alias move away, whatever `$LATEST` holds; only without one the way is layer, version,
    /// alias.
    fn toward(&self, alias: &Alias, served: &PublishedVersion) -> Option<Step> {
        let function = self.consumer.function.clone();
        let latest = &self.consumer.latest;
        let same = |one: &Configuration| self.differs_in_our_layer_only(one, &served.configuration);
        let ready = self.consumer.versions.iter().rfind(|version| {
            version.configuration.layers.contains(self.target) && same(&version.configuration)
        });
        if let Some(version) = ready {
            if let Some(question) = self.question(Some(version.number)) {
                return Some(question);
            }
            let percent = match self.here.admission(self.consumer) {
                Admission::Part(percent) => percent,
                Admission::Whole | Admission::Not => 100,
            };
            return Some(self.lead(alias, version.number, percent));
        }
        if !same(latest) {
            return None;
        }
        if !self.latest_serves_target() {
            return Some(self.set_layers());
        }
        Some(Step::PublishVersion {
            function,
            code_sha256: latest.code_sha256.clone(),
            revision_id: self.consumer.revision_id.clone(),
            description: self.description(),
        })
    }

    fn lead(&self, alias: &Alias, version: u64, percent: u8) -> Step {
        Step::MoveAlias {
            function: self.consumer.function.clone(),
            alias: alias.name.clone(),
            version,
            percent,
            revision_id: alias.revision_id.clone(),
        }
    }

    fn description(&self) -> String {
        format!("freshlayer {} version {}", self.here.intent.layer, self.target.version())
    }

    fn set_layers(&self) -> Step {
        Step::SetLayers {
            function: self.consumer.function.clone(),
            layers: with(&self.consumer.latest.layers, self.target),
            revision_id: self.consumer.revision_id.clone(),
        }
    }
}

/// Tells whether a step sends all calls of an alias to the version that it has.
fn takes_weight_away(step: &Step, consumer: &Consumer) -> bool {
    let Step::MoveAlias { alias, version, percent: 100, .. } = step else { return false };
    consumer.aliases().iter().any(|known| known.name == *alias && known.version == *version)
}

fn held(why: Why) -> Decision {
    (None, Standing::Held(why))
}
