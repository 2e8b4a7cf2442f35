//! How far a build may be from the live one, by the addresses that see another answer.
//!
//! The bounds are those that no real weekly release comes near, and that each known damage passes: a field that is empty,
//! wrong countries, malformed postal codes, networks that are gone.

use std::collections::BTreeMap;

use freshlayer_reader::maxminddb::Metadata;

use crate::formats::mmdb::{Comparison, Extent, Fault, FieldChange, Paths, Tree, compare, shapes};
use crate::names::Digest;
use crate::problem::{Code, GateReport, Level, Problem};
use crate::state::{CountriesMoved, CountryMovement};

/// From which share of the addresses on, in percent, a change warns and fails.
#[derive(Clone, Copy)]
struct Bounds {
    warn: f64,
    fail: f64,
}

const COVERAGE: Bounds = Bounds { warn: 0.1, fail: 1.0 };
const COUNTRY: Bounds = Bounds { warn: 0.5, fail: 2.0 };
/// What a country may gain or lose of all addresses.
const SHARES: Bounds = Bounds { warn: 0.5, fail: 1.0 };
const LOST: Bounds = Bounds { warn: 5.0, fail: 10.0 };
/// What a consumer cannot do without: the country, and the place.
const LOST_KEY: Bounds = Bounds { warn: 0.1, fail: 0.5 };
const CHANGED: Bounds = Bounds { warn: 25.0, fail: 50.0 };
const SHAPE: Bounds = Bounds { warn: 2.0, fail: 10.0 };

/// The fields that say a country, in the databases that are known.
const COUNTRY_FIELDS: [&str; 2] = ["country.iso_code", "country_code"];
const KEY_FIELDS: [&str; 4] =
    ["country.iso_code", "country_code", "location.latitude", "location.longitude"];

/// How many movements a problem tells of.
const SHOWN_MAX: usize = 3;
/// How many movements between countries a release's record keeps.
const KEPT_MAX: usize = 12;

impl Bounds {
    fn level(self, percent: f64) -> Option<Level> {
        match percent {
            _ if percent > self.fail => Some(Level::Fail),
            _ if percent > self.warn => Some(Level::Warn),
            _ => None,
        }
    }

    fn bound(self, level: Level) -> f64 {
        match level {
            Level::Warn => self.warn,
            Level::Fail => self.fail,
        }
    }

    /// Makes a problem of a share that is beyond the bounds.
    fn judge(self, code: Code, percent: f64, of: &str, most: &str) -> Option<Problem> {
        let level = self.level(percent)?;
        let bound = self.bound(level);
        let expected = format!("at most {bound} % of the live addresses {of}");
        let found = format!("{}{most}", shown(percent));
        Some(Problem { level, ..Problem::fail(code, expected, found) })
    }
}

/// What serves.
pub(super) struct LiveData<'a> {
    /// Of its bytes.
    pub(super) digest: &'a Digest,
    pub(super) paths: Paths<'a>,
    /// Reads all of its tree.
    pub(super) whole: &'a dyn Fn() -> Result<Tree<'a>, Fault>,
}

/// Compares two builds and judges what differs; tells which addresses changed country.
pub(super) fn judge(
    live: &LiveData<'_>,
    new: Paths<'_>,
    values_max: u64,
    gates: &mut GateReport,
) -> Result<Option<CountriesMoved>, Fault> {
    let found = compare(live.paths, new, Extent::Sample, values_max)?;
    let percent = |weight: u64| share(weight, found.before);
    gates.measured_share(Code::CoverageLost, percent(found.removed), "");
    let gone = COVERAGE.judge(Code::CoverageLost, percent(found.removed), "without a record", "");
    gates.judge(Code::CoverageLost, gone);
    gates.judge(Code::CountryChanged, countries(&found));
    judge_shares(&found, gates);
    measured(&found, gates);
    let (mut lost, mut changed, mut unlike) = (Vec::new(), Vec::new(), Vec::new());
    for (path, field) in &found.fields {
        let at = |problem: Problem| problem.at(format!("field {path}"));
        let bounds = if KEY_FIELDS.contains(&path.as_str()) { LOST_KEY } else { LOST };
        lost.extend(
            bounds.judge(Code::ValuesLost, percent(field.lost), "to lose the value", "").map(at),
        );
        let other = CHANGED.judge(Code::ValuesChanged, percent(field.changed), "to change it", "");
        changed.extend(other.map(at));
        unlike.extend(new_shapes(live, path, field, found.before)?.map(at));
    }
    gates.judge(Code::ValuesLost, lost);
    gates.judge(Code::ValuesChanged, changed);
    gates.judge(Code::ShapeNew, unlike);
    Ok(moved(&found, live.digest))
}

/// Keeps the largest movements between countries.
fn moved(found: &Comparison, since: &Digest) -> Option<CountriesMoved> {
    let fields = COUNTRY_FIELDS.iter().filter_map(|path| found.fields.get_key_value(*path));
    let (path, field) = fields.max_by_key(|(_, field)| field.changed)?;
    let largest = between(field).take(KEPT_MAX).map(|(weight, from, to)| CountryMovement {
        from: from.to_owned(),
        to: to.to_owned(),
        ppm: ppm(weight, found.before),
    });
    Some(CountriesMoved {
        since: since.clone(),
        field: path.clone(),
        all_ppm: ppm(field.changed, found.before),
        largest: largest.filter(|one| one.ppm > 0).collect(),
    })
}

fn ppm(part: u64, whole: u64) -> u32 {
    let ppm = u128::from(part) * 1_000_000 / u128::from(whole.max(1));
    u32::try_from(ppm).unwrap_or(u32::MAX)
}

/// Lists the movements from one text to another, the largest first.
fn between(field: &FieldChange) -> impl Iterator<Item = (u64, &str, &str)> {
    let all = field
        .movements
        .iter()
        .filter_map(|((from, to), moved)| Some((moved.weight, from.as_deref()?, to.as_deref()?)));
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(weight, ..)| std::cmp::Reverse(*weight));
    all.into_iter()
}

/// Notes the largest share of each kind of change.
fn measured(found: &Comparison, gates: &mut GateReport) {
    let country = COUNTRY_FIELDS.iter().filter_map(|path| found.fields.get(*path)?.changed.into());
    let country = share(country.max().unwrap_or(0), found.before);
    gates.measured_share(Code::CountryChanged, country, "");
    largest(Code::ValuesLost, found, |field| field.lost, gates);
    largest(Code::ValuesChanged, found, |field| field.changed, gates);
}

fn largest(
    code: Code,
    found: &Comparison,
    weight: fn(&FieldChange) -> u64,
    gates: &mut GateReport,
) {
    match found.fields.iter().max_by_key(|(_, field)| weight(field)) {
        Some((path, field)) => {
            let percent = share(weight(field), found.before);
            gates.measured_share(code, percent, &format!(" at most, of {path}"));
        }
        None => gates.measured_share(code, 0.0, ", no field differs"),
    }
}

/// Judges how much single countries gained or lost: movements that cancel each other out do not count.
fn judge_shares(found: &Comparison, gates: &mut GateReport) {
    let fields = COUNTRY_FIELDS.iter().filter_map(|path| Some((path, found.fields.get(*path)?)));
    let mut worst = 0.0;
    let mut problems = Vec::new();
    for (path, field) in fields {
        let Some((country, gained, lost)) = farthest(field) else { continue };
        let percent = share(gained.abs_diff(lost), found.before);
        let word = if gained > lost { "gained" } else { "lost" };
        worst = f64::max(worst, percent);
        let Some(level) = SHARES.level(percent) else { continue };
        let bound = SHARES.bound(level);
        let expected = format!("no country to gain or lose over {bound} % of the live addresses");
        let found = format!("{country} {word} {}", shown(percent));
        let problem = Problem::fail(Code::CountryShares, expected, found);
        problems.push(Problem { level, ..problem }.at(format!("field {path}")));
    }
    gates.measured_share(Code::CountryShares, worst, "");
    gates.judge(Code::CountryShares, problems);
}

/// Returns the country whose share of the addresses changed most, with what it gained and what it lost.
fn farthest(field: &FieldChange) -> Option<(&str, u64, u64)> {
    let mut flows: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for ((from, to), moved) in &field.movements {
        if let Some(from) = from {
            flows.entry(from).or_default().1 += moved.weight;
        }
        if let Some(to) = to {
            flows.entry(to).or_default().0 += moved.weight;
        }
    }
    let all = flows.into_iter().map(|(country, (gained, lost))| (country, gained, lost));
    all.max_by_key(|(_, gained, lost)| gained.abs_diff(*lost))
}

/// Judges how many addresses are in another country than before.
fn countries(found: &Comparison) -> Vec<Problem> {
    let fields = COUNTRY_FIELDS.iter().filter_map(|path| Some((path, found.fields.get(*path)?)));
    let problems = fields.filter_map(|(path, field)| {
        let most = movements(field, found.before);
        let percent = share(field.changed, found.before);
        let problem = COUNTRY.judge(Code::CountryChanged, percent, "to change country", &most)?;
        Some(problem.at(format!("field {path}")))
    });
    problems.collect()
}

/// Tells the largest movements.
fn movements(field: &FieldChange, before: u64) -> String {
    let shown = between(field)
        .take(SHOWN_MAX)
        .map(|(weight, from, to)| format!("{from} to {to} {}", shown(share(weight, before))));
    let listed: Vec<String> = shown.collect();
    if listed.is_empty() { String::new() } else { format!("; most: {}", listed.join(", ")) }
}

/// Judges how many addresses have a text of a shape that the field never had. Shapes of the live build are read only
/// where enough of the texts are other ones.
fn new_shapes(
    live: &LiveData<'_>,
    path: &str,
    field: &FieldChange,
    before: u64,
) -> Result<Option<Problem>, Fault> {
    let texts: u64 = field.shapes.values().sum();
    if SHAPE.level(share(texts, before)).is_none() {
        return Ok(None);
    }
    let Some(known) = shapes(&(live.whole)()?, path)?.filter(|known| !known.is_empty()) else {
        return Ok(None);
    };
    let unlike = field.shapes.iter().filter(|(shape, _)| !known.contains(*shape));
    let mut unlike: Vec<(&String, u64)> = unlike.map(|(shape, weight)| (shape, *weight)).collect();
    unlike.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    let sum: u64 = unlike.iter().map(|(_, weight)| weight).sum();
    let most = unlike.first().map_or(String::new(), |(shape, _)| format!("; most like {shape:?}"));
    let of = "with a text whose pattern of letters and digits is new to the field";
    Ok(SHAPE.judge(Code::ShapeNew, share(sum, before), of, &most))
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
fn share(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn shown(percent: f64) -> String {
    format!("{percent:.2} %")
}

/// Tells whether two builds may be compared at all.
pub(super) fn is_comparable(live: &Metadata, new: &Metadata) -> bool {
    live.database_type == new.database_type && live.ip_version == new.ip_version
}
