//! How a layer stands, in one word, with the reasons.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Facts;
use super::moving::{OpenDossier, there};
use super::served::{AgeWord, DatasetDossier};
use crate::report::{ConsumerState, minute};
use crate::rollout::order;

/// How a layer stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LayerWord {
    /// No other word fits: no data is beyond a limit, no function is on its way, and the layer waits for no person.
    Fresh,
    /// Some data is older than `expect.build_age_days_warn`.
    Ageing,
    /// Functions are on their way.
    Rolling,
    /// An order keeps the layer where it is, or something waits for a person.
    Held,
    /// Some data is older than `expect.build_age_days_max`.
    Stale,
    /// There is no release yet.
    Empty,
}

impl fmt::Display for LayerWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fresh => "fresh",
            Self::Ageing => "ageing",
            Self::Rolling => "rolling",
            Self::Held => "held",
            Self::Stale => "stale",
            Self::Empty => "empty",
        })
    }
}

/// The word that weighs most, and a sentence for each thing that speaks for a word.
pub(super) fn word(
    facts: &Facts<'_>,
    datasets: &[DatasetDossier],
    open: Option<&OpenDossier>,
) -> (LayerWord, Vec<String>) {
    let mut said: Vec<(LayerWord, String)> = Vec::new();
    if facts.status.release.is_none() {
        said.push((LayerWord::Empty, "there is no release yet".to_owned()));
    }
    said.extend(old(datasets));
    said.extend(held(facts, open));
    said.extend(rolling(facts, open));
    said.sort_by_key(|(word, _)| std::cmp::Reverse(*word));
    match said.first() {
        Some((word, _)) => (*word, said.into_iter().map(|(_, sentence)| sentence).collect()),
        None => (LayerWord::Fresh, vec![fresh(facts)]),
    }
}

fn fresh(facts: &Facts<'_>) -> String {
    let release = facts.status.release.as_ref().map_or(0, |release| release.seq);
    match (there(&facts.status.consumers), facts.status.consumers.len()) {
        (_, 0) => format!("release {release} serves, and no function uses the layer"),
        (1, 1) => format!("the one function is on release {release}"),
        (there, all) if there == all => format!("all {all} functions are on release {release}"),
        (there, all) => format!(
            "{there} of {all} functions are on release {release}; the others stay by order of a person"
        ),
    }
}

fn old(datasets: &[DatasetDossier]) -> impl Iterator<Item = (LayerWord, String)> {
    datasets.iter().filter_map(|dataset| {
        let (word, days, key) = match dataset.age {
            AgeWord::Stale => (LayerWord::Stale, dataset.build_age_days_max?, "max"),
            AgeWord::Ageing => (LayerWord::Ageing, dataset.build_age_days_warn?, "warn"),
            AgeWord::Fresh | AgeWord::Unjudged => return None,
        };
        let age = dataset.age_secs / 86_400;
        let name = &dataset.name;
        Some((
            word,
            format!("the data of {name} was built {age} days ago; `expect.build_age_days_{key}` is {days}"),
        ))
    })
}

fn held(facts: &Facts<'_>, open: Option<&OpenDossier>) -> Vec<(LayerWord, String)> {
    let status = &facts.status;
    let layer = status.layer.as_str();
    let ordered = order(facts.head).map(|why| why.said_of(layer, None));
    let rollout = open.and_then(|open| open.held.clone()).filter(|_| ordered.is_none());
    let stored = status.stored.map(|release| {
        format!("release {release} is stored and not published; the next refresh goes on with it")
    });
    let refused = status.rejected.first().map(|problem| {
        let more = status.rejected.len() - 1;
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        format!("the upstream's newest data is rejected: {problem}{more}")
    });
    let count = |state| status.consumers.iter().filter(|consumer| consumer.state == state).count();
    let waits = functions(count(ConsumerState::Held), "waits for a person", "wait for a person");
    let failed =
        functions(count(ConsumerState::Failed), "could not be moved", "could not be moved");
    let unseen =
        status.unknown.iter().map(|unknown| format!("functions could not be listed: {unknown}"));
    let asked = status.failed.as_ref().map(|failed| {
        let (since, reason) = (minute(failed.since), &failed.reason);
        format!("the last refresh failed (for this reason since {since}): {reason}")
    });
    let said = [ordered, rollout, stored, asked, refused, waits, failed].into_iter().flatten();
    said.chain(unseen).map(|sentence| (LayerWord::Held, sentence)).collect()
}

fn rolling(facts: &Facts<'_>, open: Option<&OpenDossier>) -> Option<(LayerWord, String)> {
    let consumers = &facts.status.consumers;
    if let Some(open) = open {
        let next = open.next.as_ref().map(|next| format!("; next: {next}")).unwrap_or_default();
        let (to, there, all) = (open.to, there(consumers), consumers.len());
        return Some((
            LayerWord::Rolling,
            format!("functions go to release {to}: {there} of {all} are there{next}"),
        ));
    }
    let behind = consumers.iter().filter(|one| one.state == ConsumerState::Behind).count();
    let one = "is behind; the next refresh moves it";
    let sentence = functions(behind, one, "are behind; the next refresh moves them")?;
    Some((LayerWord::Rolling, sentence))
}

fn functions(count: usize, one: &str, many: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 function {one}")),
        _ => Some(format!("{count} functions {many}")),
    }
}
