//! Counts the calls of a past rollout once more, wave by wave, as far as its verdict needs them.

use jiff::{SignedDuration, Timestamp};

use super::judge;
use super::measure::{calls_of_wave, minutes_kept};
use super::replay::{Counted, Past, Went, Would, ends};
use crate::names::Place;
use crate::ports::Region;
use crate::state::Evidence;

/// Replays the gates over a past rollout.
pub(crate) async fn replay(past: &Past<'_>, regions: &[Region], now: Timestamp) -> Would {
    let places = regions.iter().flat_map(Region::places).map(|(place, _)| place);
    let recount = Recount { past, regions, places: places.collect(), now };
    recount.rollout().await.unwrap_or_else(|stopped| stopped)
}

struct Recount<'a> {
    past: &'a Past<'a>,
    regions: &'a [Region],
    places: Vec<Place>,
    now: Timestamp,
}

impl Recount<'_> {
    /// Goes from wave to wave; an `Err` is a rollout that cannot be judged.
    async fn rollout(&self) -> Result<Would, Would> {
        if let Some(place) = self.past.unknown_place(&self.places) {
            let why = format!("the definition does not have {place} any more");
            return Err(Would::Uncounted { why });
        }
        let (mut too_few, mut judged) = (Vec::new(), Vec::new());
        for number in 0..self.past.rollout.waves.len() {
            let (went, evidence) = self.wave(&judged).await?;
            if let Some(would) = ends(number, went, &mut too_few) {
                return Ok(would);
            }
            judged.push(evidence);
        }
        Ok(Would::Pass { too_few })
    }

    /// Replays the wave behind those that were judged.
    async fn wave(&self, judged: &[Option<Evidence>]) -> Result<(Went, Option<Evidence>), Would> {
        let (number, mut went) = (judged.len(), (Went::Unseen, None));
        for horizon in self.past.horizons(&self.past.rollout.waves[number]) {
            let Some(counted) = self.count(number, horizon).await? else { continue };
            went = self.past.went(judged, &counted, horizon);
            if !went.0.is_open() {
                break;
            }
        }
        Ok(went)
    }

    /// Counts the calls for a wave up to a time; `None` where no minute was over by then.
    async fn count(&self, number: usize, until: Timestamp) -> Result<Option<Counted>, Would> {
        let wave = &self.past.rollout.waves[number];
        let Some(window) = judge::window(&self.past.spec.gates, wave, SignedDuration::ZERO, until)
        else {
            return Ok(None);
        };
        let mut counted = self.past.to_count(number, &self.places);
        let earlier = judge::proven_windows(wave, &counted.members, window);
        let first = earlier.iter().map(|(window, _)| window.from).chain([window.from]).min();
        let kept = minutes_kept(self.regions);
        if first.is_some_and(|first| self.now.duration_since(first) >= kept) {
            return Err(Would::Gone);
        }
        let all = [&counted.members[..], &counted.others].concat();
        let found = calls_of_wave(self.regions, wave, &all, window).await.whole();
        counted.calls = found.map_err(|why| Would::Uncounted { why })?;
        Ok(Some(counted))
    }
}
