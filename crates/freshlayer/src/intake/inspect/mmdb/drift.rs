//! How far a build may be from the live one, by the addresses that see another answer.
//!
//! The bounds are those that no real weekly release comes near, and that each known damage passes: a field that is empty,
//! wrong countries, malformed postal codes, networks that are gone. Of IPv6, five pairs of successive builds of 2026 had at
//! most 0.10 % in another country and 0.03 % without a record.

use std::collections::BTreeMap;

use freshlayer_reader::maxminddb::Metadata;

use crate::formats::mmdb::{
    Comparison, Extent, Family, Fault, FieldChange, Paths, Tree, compare, shapes,
};
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
        let expected = format!("at most {bound} % of the live {of}");
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

/// Compares two builds and judges what differs; tells which addresses changed country, of IPv4 where there are any.
pub(super) fn judge(
    live: &LiveData<'_>,
    new: Paths<'_>,
    values_max: u64,
    gates: &mut GateReport,
) -> Result<Option<CountriesMoved>, Fault> {
    let compared = compare(live.paths, new, Extent::Sample, values_max)?;
    for (at, (family, found)) in compared.iter().enumerate() {
        let measured = match (at, family) {
            (1.., Family::Ipv6) => GateReport::measured_share_ipv6,
            _ => GateReport::measured_share,
        };
        Part { family: *family, found, measured }.judge(live, gates)?;
    }
    Ok(compared.first().and_then(|(_, found)| moved(found, live.digest)))
}

/// What differs of one kind of addresses.
struct Part<'a> {
    family: Family,
    found: &'a Comparison,
    /// Where its shares are noted.
    measured: fn(&mut GateReport, Code, f64, &str),
}

impl Part<'_> {
    fn judge(&self, live: &LiveData<'_>, gates: &mut GateReport) -> Result<(), Fault> {
        let found = self.found;
        let gone = self.percent(found.removed);
        (self.measured)(gates, Code::CoverageLost, gone, "");
        let gone = self.problem(COVERAGE, Code::CoverageLost, gone, "without a record", "");
        gates.judge(Code::CoverageLost, gone);
        gates.judge(Code::CountryChanged, self.countries());
        self.judge_shares(gates);
        self.measure(gates);
        let (mut lost, mut changed, mut unlike) = (Vec::new(), Vec::new(), Vec::new());
        for (path, field) in &found.fields {
            let at = |problem: Problem| problem.at(format!("field {path}"));
            let bounds = if KEY_FIELDS.contains(&path.as_str()) { LOST_KEY } else { LOST };
            let percent = self.percent(field.lost);
            let gone = self.problem(bounds, Code::ValuesLost, percent, "to lose the value", "");
            lost.extend(gone.map(at));
            let percent = self.percent(field.changed);
            let other = self.problem(CHANGED, Code::ValuesChanged, percent, "to change it", "");
            changed.extend(other.map(at));
            unlike.extend(self.new_shapes(live, path, field)?.map(at));
        }
        gates.judge(Code::ValuesLost, lost);
        gates.judge(Code::ValuesChanged, changed);
        gates.judge(Code::ShapeNew, unlike);
        Ok(())
    }

    /// Returns a share of the addresses that the live build has a record for.
    fn percent(&self, weight: u64) -> f64 {
        share(weight, self.found.before)
    }

    fn problem(
        &self,
        bounds: Bounds,
        code: Code,
        percent: f64,
        to: &str,
        most: &str,
    ) -> Option<Problem> {
        bounds.judge(code, percent, &format!("{} addresses {to}", self.family), most)
    }

    /// Notes the largest share of each kind of change.
    fn measure(&self, gates: &mut GateReport) {
        let fields = &self.found.fields;
        let country = COUNTRY_FIELDS.iter().filter_map(|path| fields.get(*path)?.changed.into());
        let country = self.percent(country.max().unwrap_or(0));
        (self.measured)(gates, Code::CountryChanged, country, "");
        self.largest(Code::ValuesLost, |field| field.lost, gates);
        self.largest(Code::ValuesChanged, |field| field.changed, gates);
    }

    fn largest(&self, code: Code, weight: fn(&FieldChange) -> u64, gates: &mut GateReport) {
        match self.found.fields.iter().max_by_key(|(_, field)| weight(field)) {
            Some((path, field)) => {
                let percent = self.percent(weight(field));
                (self.measured)(gates, code, percent, &format!(" at most, of {path}"));
            }
            None => (self.measured)(gates, code, 0.0, ", no field differs"),
        }
    }

    fn country_fields(&self) -> impl Iterator<Item = (&'static str, &FieldChange)> {
        let fields = &self.found.fields;
        COUNTRY_FIELDS.iter().filter_map(|path| Some((*path, fields.get(*path)?)))
    }

    /// Judges how much single countries gained or lost: movements that cancel each other out do not count.
    fn judge_shares(&self, gates: &mut GateReport) {
        let mut worst = 0.0;
        let mut problems = Vec::new();
        for (path, field) in self.country_fields() {
            let Some((country, gained, lost)) = farthest(field) else { continue };
            let percent = self.percent(gained.abs_diff(lost));
            let word = if gained > lost { "gained" } else { "lost" };
            worst = f64::max(worst, percent);
            let Some(level) = SHARES.level(percent) else { continue };
            let bound = SHARES.bound(level);
            let family = self.family;
            let expected =
                format!("no country to gain or lose over {bound} % of the live {family} addresses");
            let found = format!("{country} {word} {}", shown(percent));
            let problem = Problem::fail(Code::CountryShares, expected, found);
            problems.push(Problem { level, ..problem }.at(format!("field {path}")));
        }
        (self.measured)(gates, Code::CountryShares, worst, "");
        gates.judge(Code::CountryShares, problems);
    }

    /// Judges how many addresses are in another country than before.
    fn countries(&self) -> Vec<Problem> {
        let problems = self.country_fields().filter_map(|(path, field)| {
            let most = movements(field, self.found.before);
            let percent = self.percent(field.changed);
            let code = Code::CountryChanged;
            let problem = self.problem(COUNTRY, code, percent, "to change country", &most)?;
            Some(problem.at(format!("field {path}")))
        });
        problems.collect()
    }

    /// Judges how many addresses have a text of a shape that the field never had. Shapes of the live build are read only
    /// where enough of the texts are other ones.
    fn new_shapes(
        &self,
        live: &LiveData<'_>,
        path: &str,
        field: &FieldChange,
    ) -> Result<Option<Problem>, Fault> {
        let texts = sum(field.shapes.values());
        if SHAPE.level(self.percent(texts)).is_none() {
            return Ok(None);
        }
        let Some(known) = shapes(&(live.whole)()?, path)?.filter(|known| !known.is_empty()) else {
            return Ok(None);
        };
        let unlike = field.shapes.iter().filter(|(shape, _)| !known.contains(*shape));
        let mut unlike: Vec<(&String, u64)> =
            unlike.map(|(shape, weight)| (shape, *weight)).collect();
        unlike.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        let all = sum(unlike.iter().map(|(_, weight)| weight));
        let most =
            unlike.first().map_or(String::new(), |(shape, _)| format!("; most like {shape:?}"));
        let of = "with a text whose pattern of letters and digits is new to the field";
        Ok(self.problem(SHAPE, Code::ShapeNew, self.percent(all), of, &most))
    }
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

/// Tells the largest movements.
fn movements(field: &FieldChange, before: u64) -> String {
    let shown = between(field)
        .take(SHOWN_MAX)
        .map(|(weight, from, to)| format!("{from} to {to} {}", shown(share(weight, before))));
    let listed: Vec<String> = shown.collect();
    if listed.is_empty() { String::new() } else { format!("; most: {}", listed.join(", ")) }
}

fn sum<'a>(weights: impl Iterator<Item = &'a u64>) -> u64 {
    weights.fold(0, |sum, weight| sum.saturating_add(*weight))
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
