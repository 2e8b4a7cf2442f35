//! What gates say about new data. Pure: what was measured goes in, a verdict comes out.

mod alarms;
mod evalue;
mod metrics;
mod probe;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::definition::Gates;
use crate::names::Place;
use crate::ports::{Alarm, FunctionName, Minutes};
use crate::state::{Evidence, Says, Wave};

pub(super) use metrics::{last_counted, looks_bad, window};
pub(super) use probe::{Verdict, probe};

/// The minutes of each function, by place.
pub(super) type Calls = BTreeMap<(Place, FunctionName), Minutes>;

/// What was measured of the open wave.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// The alarms of every place, or why they could not be read.
    pub(super) alarms: Result<Vec<(Place, Alarm)>, String>,
    /// The calls of the wave's functions, or why they could not be counted.
    pub(super) moved: Result<Calls, String>,
    /// The calls of functions that have not moved yet, where the wave's own look bad.
    pub(super) others: Option<Result<Calls, String>>,
}

/// Judges the open wave.
pub(super) fn wave(gates: &Gates, wave: &Wave, measured: &Measured, now: Timestamp) -> Evidence {
    let mut said = Vec::new();
    if !gates.alarms.is_empty() {
        said.push(alarms::judge(&gates.alarms, &measured.alarms, wave.opened));
    }
    if let Some(gate) = &gates.metrics {
        said.push(metrics::judge(gate, wave, measured));
    }
    let says = said.iter().map(|one| one.says).max().unwrap_or(Says::Pass);
    let before = wave.evidence.as_ref().map_or(0, |known| known.unmeasured);
    Evidence {
        at: now,
        says,
        unmeasured: if says == Says::Unmeasured { before + 1 } else { 0 },
        sentences: said.into_iter().map(|one| one.sentence).collect(),
    }
}

/// What one gate says.
struct Said {
    says: Says,
    sentence: String,
}

impl Said {
    fn of(says: Says, sentence: impl Into<String>) -> Self {
        Self { says, sentence: sentence.into() }
    }
}
