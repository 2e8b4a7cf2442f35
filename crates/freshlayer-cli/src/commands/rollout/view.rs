//! What `rollout status --watch` shows of a rollout: pure texts of what the state says.

use std::fmt::Write;

use freshlayer::ports::FunctionName;
use freshlayer::report::{Exit, Why, minute};
use freshlayer::state::{Cause, ConsumerNote, Rollout, Wave};
use freshlayer::{Coming, RolloutGlance};
use jiff::Timestamp;

use crate::arguments::Target;
use crate::output::lines::{count, first_of};

/// How many functions of a wave are named, and how many that are kept back.
const NAMED_MAX: usize = 3;

/// Whether the time that is left is told.
#[derive(Clone, Copy)]
pub(super) enum Left {
    /// Counted from now.
    Since(Timestamp),
    /// A text that is kept tells until when, and does not change by itself.
    Untold,
}

/// Whether the next refresh comes by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refreshes {
    /// A deployed publisher is woken.
    BySchedule,
    /// A person runs it.
    ByHand,
}

impl From<Target> for Refreshes {
    fn from(target: Target) -> Self {
        match target {
            Target::Local => Self::ByHand,
            Target::Aws => Self::BySchedule,
        }
    }
}

/// What the watch has shown before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    Rollout,
}

/// How a watch ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) exit: Exit,
    /// The rollout as it was last.
    pub(super) view: String,
    pub(super) words: String,
}

/// Returns the lines of a text that the one before did not have.
pub(super) fn fresh(before: &str, text: &str) -> String {
    let is_new = |line: &&str| !before.lines().any(|known| known == *line);
    text.lines().filter(is_new).map(|line| format!("{line}\n")).collect()
}

/// Says how the watch ends; `None` where it goes on.
pub(super) fn ending(glance: &RolloutGlance, seen: Seen) -> Option<Ending> {
    let layer = &glance.layer;
    let (exit, words) = match (&glance.coming, &glance.newest) {
        (Coming::Closed, Some(rollout)) if seen == Seen::Rollout => over(glance, rollout),
        (Coming::Closed, Some(rollout)) if rollout.cause == Cause::Gate => {
            let (exit, words) = over(glance, rollout);
            (exit, format!("no open rollout; {words}"))
        }
        (Coming::Closed, _) => {
            let words = format!("{layer}: no open rollout\n");
            return Some(Ending { exit: Exit::Done, view: String::new(), words });
        }
        (Coming::Stable, Some(rollout)) => (Exit::Done, stable(rollout)),
        _ => (Exit::Held, glance.held()?),
    };
    let words = format!("{layer}: {words}\n");
    Some(Ending { exit, view: block(glance, Left::Untold, Refreshes::BySchedule), words })
}

fn over(glance: &RolloutGlance, rollout: &Rollout) -> (Exit, String) {
    let Rollout { layer, number, to, cause, .. } = rollout;
    let details = format!("`freshlayer history {layer} --rollout {number}` shows each function");
    match cause {
        Cause::Gate => (
            Exit::Rejected,
            format!("a gate failed: functions are back on release {to}; {details}"),
        ),
        Cause::Rollback => (Exit::Done, format!("functions are back on release {to}; {details}")),
        Cause::HandBack => (
            Exit::Done,
            format!("functions are back on what they used before freshlayer; {details}"),
        ),
        _ if glance.stable == Some(*to) => (Exit::Done, stable(rollout)),
        _ => (Exit::Done, format!("rollout {number} to release {to} is over; {details}")),
    }
}

fn stable(rollout: &Rollout) -> String {
    let Rollout { layer, number, to, .. } = rollout;
    let elsewhere = rollout.notes().filter(|note| !note.done).count();
    let stay = match elsewhere {
        0 => String::new(),
        1 => {
            format!("; 1 function stays: `freshlayer history {layer} --rollout {number}` says why")
        }
        _ => format!(
            "; {elsewhere} functions stay: `freshlayer history {layer} --rollout {number}` says why"
        ),
    };
    format!("the rollout is over: release {to} is stable{stay}")
}

/// Shows a rollout: its waves, what their gates found, and what comes next.
pub(super) fn block(glance: &RolloutGlance, left: Left, refreshes: Refreshes) -> String {
    let Some(rollout) = &glance.newest else { return String::new() };
    let Rollout { layer, number, to, started, .. } = rollout;
    let began = minute(*started);
    let why = match rollout.cause {
        Cause::NewRelease => String::new(),
        other => format!(" ({})", other.words()),
    };
    let mut text = format!("{layer}: rollout {number} to release {to}{why}, begun {began}\n");
    for (at, wave) in rollout.waves.iter().enumerate() {
        let is_last = at + 1 == rollout.waves.len();
        let turn = if is_last { Turn::Last(&glance.coming) } else { Turn::Earlier };
        wave_lines(rollout, (at + 1, wave), turn, left, &mut text);
    }
    let (there, all) = (rollout.notes().filter(|note| note.done).count(), rollout.notes().count());
    if rollout.waves.is_empty() && all > 0 {
        let _ = writeln!(text, "  functions: {there} of {all} were there after the last refresh");
    }
    if rollout.later() > 0 && !is_over(&glance.coming) {
        let _ = writeln!(text, "  later: {} more", rollout.later());
    }
    if let Some(next) = next(glance, refreshes) {
        let _ = writeln!(text, "  next: {next}");
    }
    text
}

/// Says what comes next, and what a person has to run for it.
fn next(glance: &RolloutGlance, refreshes: Refreshes) -> Option<String> {
    let layer = &glance.layer;
    match (&glance.coming, refreshes) {
        (Coming::NextRun, Refreshes::ByHand) => Some(format!(
            "run `freshlayer refresh {layer}`: it goes on with the rollout, or closes it where every function is there"
        )),
        (Coming::Promoted, Refreshes::ByHand) => Some(format!(
            "run `freshlayer refresh {layer}`: it moves every function, without further waves and gates"
        )),
        _ => glance.next(),
    }
}

/// Which of the open waves it is.
#[derive(Clone, Copy)]
enum Turn<'a> {
    Earlier,
    /// With what comes next.
    Last(&'a Coming),
}

fn wave_lines(
    rollout: &Rollout,
    (number, wave): (usize, &Wave),
    turn: Turn<'_>,
    left: Left,
    text: &mut String,
) {
    let (opened, functions) = (minute(wave.opened), count(wave.count(), "function"));
    let names: Vec<&str> = wave.members.values().flatten().map(FunctionName::as_str).collect();
    let (names, state) = (first_of(&names, NAMED_MAX), state(rollout, wave, turn, left));
    let _ = writeln!(text, "  wave {number}, opened {opened}: {functions} ({names}): {state}");
    for sentence in wave.evidence.iter().flat_map(|evidence| &evidence.sentences) {
        let _ = writeln!(text, "    {sentence}");
    }
    for kept_back in kept_back(rollout, wave) {
        let _ = writeln!(text, "    {kept_back}");
    }
}

fn state(rollout: &Rollout, wave: &Wave, turn: Turn<'_>, left: Left) -> String {
    if wave.reached.is_none() {
        let there = members(rollout, wave).filter(|(_, note)| note.done).count();
        let all = wave.count();
        return match (&turn, there) {
            (Turn::Earlier, 0) => "the next wave took its place".to_owned(),
            (Turn::Earlier, there) => format!("{there} of {all} came with the next wave"),
            (Turn::Last(_), 0) => "on its way".to_owned(),
            (Turn::Last(_), there) => format!("on its way, {there} of {all} are there"),
        };
    }
    match turn {
        Turn::Last(Coming::Waits(Why::Bakes { until, .. })) => watched(*until, left),
        Turn::Last(Coming::Waits(Why::Undecided { .. })) => {
            "its bake has ended, and its gates are asked again".to_owned()
        }
        Turn::Last(Coming::GoesBack) => "failed".to_owned(),
        Turn::Last(Coming::Held(_) | Coming::HeldFor(_)) => "waits for a person".to_owned(),
        Turn::Last(Coming::Promoted) => "watched no longer".to_owned(),
        Turn::Earlier | Turn::Last(_) => "done".to_owned(),
    }
}

fn watched(until: Timestamp, left: Left) -> String {
    let end = minute(until);
    let Left::Since(now) = left else { return format!("watched until {end}") };
    let secs = until.duration_since(now).as_secs().max(0);
    let (hours, minutes, secs) = (secs / 3_600, secs / 60 % 60, secs % 60);
    let time = match (hours, minutes) {
        (0, 0) => format!("{secs} s"),
        (0, _) => format!("{minutes} min {secs:02} s"),
        _ => format!("{hours} h {minutes:02} min"),
    };
    format!("watched until {end}, {time} left")
}

fn members<'a>(
    rollout: &'a Rollout,
    wave: &'a Wave,
) -> impl Iterator<Item = (&'a FunctionName, &'a ConsumerNote)> {
    wave.members.iter().flat_map(|(place, functions)| {
        let notes = rollout.journal.get(place);
        functions.iter().filter_map(move |name| Some((name, notes?.get(name)?)))
    })
}

/// The members of a wave that a run left where they were, and why.
fn kept_back(rollout: &Rollout, wave: &Wave) -> Vec<String> {
    let is_kept = |note: &ConsumerNote| !note.done && !note.is_moving() && !note.is_later();
    let kept = members(rollout, wave).filter(|(_, note)| is_kept(note));
    let mut kept: Vec<String> =
        kept.map(|(name, note)| format!("{name}: {}", note.outcome)).collect();
    let more = kept.len().saturating_sub(NAMED_MAX);
    kept.truncate(NAMED_MAX);
    kept.extend(
        (more > 0).then(|| format!("and {} that did not move", count(more, "more function"))),
    );
    kept
}

fn is_over(coming: &Coming) -> bool {
    matches!(coming, Coming::Closed | Coming::Stable)
}

#[cfg(test)]
mod tests {
    use freshlayer::LayerName;
    use freshlayer::state::{Evidence, Says};

    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-03-02T{time}Z").parse().expect("a time")
    }

    /// A wave of four functions that bakes until 14:30, and one function behind it.
    fn baking(coming: Coming) -> RolloutGlance {
        let layer = LayerName::parse("geo").expect("a name");
        let name = |text: &str| FunctionName::parse(text).expect("a name");
        let members = ["a", "b", "c", "d"].map(name);
        let sentences = vec!["alarm geo-errors is quiet".to_owned()];
        let (at_1410, says) = (at("14:10:00"), Says::Pass);
        let evidence = Evidence {
            at: at_1410,
            says,
            unmeasured: 0,
            out_of_sight: 0,
            sentences,
            counted: None,
        };
        let wave = Wave {
            unproven: [].into(),
            late: [].into(),
            percent: None,
            members: [("eu-west-1".to_owned(), members.clone().into())].into(),
            opened: at("14:00:00"),
            reached: Some(at("14:00:05")),
            until: Some(at("14:30:00")),
            evidence: Some(evidence),
            done: None,
        };
        let note = |outcome: &str| ConsumerNote {
            from: None,
            foreign: false,
            outcome: outcome.to_owned(),
            done: outcome == "moved",
            in_part: false,
            failed: false,
            set_back: 0,
            at: None,
            order: None,
        };
        let notes = members.map(|member| (member, note("moved")));
        let behind = (name("e"), note(&Why::LaterWave.to_string()));
        let rollout = Rollout {
            format: 1,
            layer: layer.clone(),
            number: 3,
            from: Some(3),
            to: 4,
            cause: Cause::NewRelease,
            by: String::new(),
            reason: None,
            started: at("14:00:00"),
            ended: None,
            tries: 0,
            began: [].into(),
            promoted: None,
            waves: vec![wave],
            traffic: None,
            hook_state: None,
            journal: [("eu-west-1".to_owned(), notes.into_iter().chain([behind]).collect())].into(),
        };
        RolloutGlance { layer, stable: Some(3), newest: Some(rollout), coming }
    }

    fn bakes() -> RolloutGlance {
        let says = vec!["alarm geo-errors is quiet".to_owned()];
        let until = at("14:30:00");
        baking(Coming::Waits(Why::Bakes {
            wave: 1,
            moved: 4,
            functions: 5,
            percent: None,
            until,
            says,
        }))
    }

    const LINES: &str = "\
geo: rollout 3 to release 4, begun 2026-03-02 14:00 UTC
  wave 1, opened 2026-03-02 14:00 UTC: 4 functions (a, b, c and 1 more): watched until 2026-03-02 14:30 UTC
    alarm geo-errors is quiet
  later: 1 more
  next: wave 2 opens if its gates pass
";

    #[test]
    fn a_bake_counts_down_on_a_terminal_alone() {
        assert_eq!(block(&bakes(), Left::Untold, Refreshes::BySchedule), LINES);
        for (now, left) in [
            ("12:28:10", "2 h 01 min left"),
            ("14:17:55", "12 min 05 s left"),
            ("14:29:18", "42 s left"),
            ("14:30:01", "0 s left"),
        ] {
            let shown = block(&bakes(), Left::Since(at(now)), Refreshes::BySchedule);
            let counted = format!("watched until 2026-03-02 14:30 UTC, {left}");
            assert_eq!(shown, LINES.replace("watched until 2026-03-02 14:30 UTC", &counted));
        }
        assert_eq!(ending(&bakes(), Seen::Rollout), None);
    }

    #[test]
    fn only_new_lines_are_printed() {
        assert_eq!(fresh("", LINES), LINES);
        assert_eq!(fresh(LINES, LINES), "");
        let moved = block(&baking(Coming::Promoted), Left::Untold, Refreshes::BySchedule);
        let new = fresh(LINES, &moved);
        assert_eq!(new.lines().count(), 2, "{new}");
        assert!(new.ends_with(
            "  next: the next refresh moves every function, without further waves and gates\n"
        ));
    }

    /// On the local host nothing refreshes by itself: a person reads what to run, once it is due.
    #[test]
    fn what_is_due_names_the_command_where_a_person_runs_it() {
        let next = |coming, refreshes| {
            let text = block(&baking(coming), Left::Untold, refreshes);
            text.lines().last().expect("it says something").to_owned()
        };
        let (hand, schedule) = (Refreshes::ByHand, Refreshes::BySchedule);
        let due = "  next: run `freshlayer refresh geo`: ";
        for coming in [Coming::NextRun, Coming::Promoted] {
            assert!(next(coming.clone(), hand).starts_with(due), "{coming:?}");
            assert!(next(coming, schedule).starts_with("  next: the next refresh "));
        }
        assert_eq!(next(bakes().coming, hand), next(bakes().coming, schedule), "not due yet");
    }

    #[test]
    fn a_function_that_a_run_left_where_it_was_is_named_with_the_reason() {
        let mut glance = bakes();
        let rollout = rollout_mut(&mut glance);
        let notes = rollout.journal.get_mut("eu-west-1").expect("it is there");
        let note = notes.values_mut().next().expect("it is there");
        (note.done, note.outcome) = (false, "its tag says hold".to_owned());
        let shown = block(&glance, Left::Untold, Refreshes::BySchedule);
        assert_eq!(fresh(LINES, &shown), "    a: its tag says hold\n");
        let wave = rollout_mut(&mut glance).waves.first_mut().expect("it is there");
        wave.reached = None;
        let shown = block(&glance, Left::Untold, Refreshes::BySchedule);
        assert!(shown.contains("(a, b, c and 1 more): on its way, 3 of 4 are there\n"), "{shown}");
        let rollout = rollout_mut(&mut glance);
        let next = Wave { members: [].into(), ..rollout.waves[0].clone() };
        rollout.waves.push(next);
        let shown = block(&glance, Left::Untold, Refreshes::BySchedule);
        assert!(shown.contains("1 more): 3 of 4 came with the next wave\n"), "{shown}");
    }

    fn rollout_mut(glance: &mut RolloutGlance) -> &mut Rollout {
        glance.newest.as_mut().expect("it is there")
    }

    #[test]
    fn it_ends_where_the_rollout_is_over_or_waits_for_a_person() {
        let ended = |coming, cause, stable| {
            let mut glance = RolloutGlance { stable: Some(stable), ..baking(coming) };
            rollout_mut(&mut glance).cause = cause;
            let Ending { exit, words, .. } = ending(&glance, Seen::Rollout).expect("it ends");
            (exit, words)
        };
        let history = "`freshlayer history geo --rollout 3`";
        let over = format!(
            "geo: the rollout is over: release 4 is stable; 1 function stays: {history} says why\n"
        );
        for coming in [Coming::Stable, Coming::Closed] {
            assert_eq!(ended(coming, Cause::NewRelease, 4), (Exit::Done, over.clone()));
        }
        let back = format!("functions are back on release 4; {history} shows each function\n");
        let gate = (Exit::Rejected, format!("geo: a gate failed: {back}"));
        assert_eq!(ended(Coming::Closed, Cause::Gate, 4), gate);
        assert_eq!(ended(Coming::Closed, Cause::Rollback, 4), (Exit::Done, format!("geo: {back}")));
        let why = Why::Undecided { wave: 1, says: Vec::new(), until: None };
        let (exit, words) = ended(Coming::Held(why), Cause::NewRelease, 3);
        assert_eq!(exit, Exit::Held);
        assert!(words.starts_with("geo: wave 1 waits for a person; "), "{words}");
        assert!(words.contains("`freshlayer rollout abort geo`"), "{words}");
        let none = ending(&baking(Coming::Closed), Seen::Nothing).expect("it ends");
        assert_eq!((none.view.as_str(), none.words.as_str()), ("", "geo: no open rollout\n"));
    }
}
