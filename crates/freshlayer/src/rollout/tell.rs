//! What happened to a rollout, as values: from what a run has just written down. Pure.

use jiff::Timestamp;

use super::came::Came;
use super::end::RolloutEnd;
use super::plan::{Goal, Next, Standing};
use crate::definition::EvidenceBy;
use crate::report::{
    About, ConsumerReport, Happening, Listed, Reason, Watched, WavePlace, Why, unmoved,
};
use crate::state::{Cause, Rollout, Wave};

impl Came {
    /// What every happening of the open rollout is about.
    fn about(&self, at: Timestamp) -> About {
        let (release, version) = match &self.intent.goal {
            Goal::Release { release, version, .. } => (Some(*release), Some(version.to_string())),
            Goal::Before(_) => (None, None),
        };
        let rollout = self.rollout.as_ref().map(|rollout| rollout.number);
        About { layer: self.intent.layer.clone(), at, release, version, rollout }
    }

    /// The newest wave with its number.
    fn newest_wave(&self) -> Option<(usize, &Wave)> {
        let waves = &self.rollout.as_ref()?.waves;
        waves.last().map(|wave| (waves.len(), wave))
    }

    /// The rollout's object stands for the first time. `gate` is what sent the functions back.
    pub(super) fn began(&self, gate: Option<&Why>, at: Timestamp) -> Option<Happening> {
        let rollout = self.rollout.as_ref()?;
        let (about, functions) = (self.about(at), self.plan.standings.len());
        let by = Some(rollout.by.clone()).filter(|by| !by.is_empty());
        let (from, cause) = (rollout.from, rollout.cause);
        if !matches!(cause, Cause::Rollback | Cause::HandBack | Cause::Gate) {
            return Some(Happening::RolloutStarted { about, from, cause, by, functions });
        }
        let from = if cause == Cause::HandBack { Some(rollout.to) } else { from };
        let why = gate.cloned().unwrap_or_else(|| went_back(rollout, &about));
        let (wave, says) = match &why {
            Why::WaveFailed { wave, says, .. } => (Some(*wave), &says[..]),
            _ => (None, &[][..]),
        };
        let (reason, gates) = (Reason::in_an_event(&why, &about.layer), Listed::sentences(says));
        Some(Happening::RolledBack { about, from, cause, by, wave, functions, reason, gates })
    }

    /// The next wave is open: the one before is done.
    pub(super) fn opened(&self, at: Timestamp) -> Vec<Happening> {
        let Some((number, wave)) = self.newest_wave() else { return Vec::new() };
        let before = self.rollout.as_ref().and_then(|rollout| rollout.waves.iter().rev().nth(1));
        let done = before.and_then(|before| self.done(number - 1, before, at));
        let places = wave
            .members
            .iter()
            .map(|(place, members)| WavePlace { place: place.clone(), functions: members.len() });
        let opened = Happening::WaveOpened {
            about: self.about(at),
            wave: number,
            functions: wave.count(),
            places: Listed::of(places),
        };
        done.into_iter().chain([opened]).collect()
    }

    /// A wave is told done once. One that none of its functions reached shows nothing, and is never done.
    fn done(&self, number: usize, wave: &Wave, at: Timestamp) -> Option<Happening> {
        wave.reached.filter(|_| wave.done == Some(at))?;
        Some(Happening::WaveDone {
            about: self.about(at),
            wave: number,
            functions: wave.count(),
            gates: Listed::sentences(said(wave)),
        })
    }

    /// Every function is where it belongs: the last wave is done, unless a person let every function move.
    pub(super) fn last_wave_done(&self, at: Timestamp) -> Option<Happening> {
        let last = self.newest_wave().filter(|_| self.intent.course.is_some());
        last.and_then(|(number, wave)| self.done(number, wave, at))
    }

    /// The release is stable.
    pub(super) fn became_stable(
        &self,
        end: &RolloutEnd,
        functions: usize,
        at: Timestamp,
    ) -> Happening {
        let too_few = self.rollout.as_ref().map(Rollout::with_too_few_calls).unwrap_or_default();
        let (about, unjudged) = (self.about(at), self.unjudged());
        Happening::ReleaseStable { about, there: end.there, functions, too_few, unjudged }
    }

    /// How many functions with the release had no call in the 14 days before, nor their wave one since, and no probe that stands in.
    pub(super) fn unjudged(&self) -> usize {
        let Some(rollout) = &self.rollout else { return 0 };
        if self.intent.gates.evidence == EvidenceBy::Probe {
            return 0;
        }
        let there = self.plan.standings.iter().filter(|(_, one)| **one == Standing::Current);
        there.filter(|((place, function), _)| rollout.is_unjudged(place, function)).count()
    }

    /// For what the open rollout waits for a person. What another run tries again by itself is no such wait.
    pub(super) fn waits_for(
        &self,
        consumers: &[ConsumerReport],
        wake_at: Option<Timestamp>,
    ) -> Option<Why> {
        self.rollout.as_ref()?;
        let stopped = self.intent.frozen.as_ref().or(self.intent.paused.as_ref());
        if stopped.is_some() || wake_at.is_some() {
            return stopped.cloned();
        }
        match &self.plan.next {
            Next::Hold(why) if self.failed.is_none() => Some(why.clone()),
            _ if self.arrives_later()
                || consumers.iter().any(|one| one.waits() && !one.is_on_its_way()) =>
            {
                unmoved(consumers, Watched::No)
            }
            _ => None,
        }
    }

    /// The rollout begins to wait for a person.
    pub(super) fn held(&self, why: &Why, at: Timestamp) -> Happening {
        let newest = self.newest_wave();
        Happening::RolloutHeld {
            about: self.about(at),
            wave: newest.map(|(number, _)| number),
            functions: self.plan.standings.len(),
            reason: Reason::in_an_event(why, &self.intent.layer),
            gates: Listed::sentences(newest.map(|(_, wave)| said(wave)).unwrap_or_default()),
        }
    }
}

/// What the gates said of a wave at the last look.
fn said(wave: &Wave) -> &[String] {
    wave.evidence.as_ref().map(|evidence| &evidence.sentences[..]).unwrap_or_default()
}

/// Why functions go back, where no gate of this run says it.
fn went_back(rollout: &Rollout, about: &About) -> Why {
    if rollout.cause == Cause::HandBack {
        return Why::HandedBack { by: rollout.by.clone(), at: rollout.started };
    }
    let version = about.version.clone().unwrap_or_default();
    Why::RolledBack { release: rollout.to, version, stay: 0 }
}
