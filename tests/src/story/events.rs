use freshlayer::report::{Happening, Listed};
use freshlayer::state::Cause;
use jiff::Timestamp;

/// One event with its key numbers, in a line.
pub(super) fn line(happening: &Happening, written: impl Fn(Timestamp) -> String) -> String {
    let about = happening.about();
    let at = written(about.at);
    let rollout = about.rollout.map(|number| format!("rollout {number}")).unwrap_or_default();
    let release = about.release.map(|number| format!("release {number}")).unwrap_or_default();
    let words = match happening {
        Happening::ReleasePublished { .. } => {
            format!("{release}, version {}", about.version.as_deref().unwrap_or_default())
        }
        Happening::RolloutStarted { from, cause, functions, .. } => {
            format!("{rollout}, {}, {}{release}, {functions} functions", word(*cause), left(*from))
        }
        Happening::WaveOpened { wave, functions, places, .. } => {
            let places: Vec<&str> = places.first.iter().map(|one| one.place.as_str()).collect();
            format!("{rollout}, wave {wave}, {functions} in {}", places.join(", "))
        }
        Happening::WaveDone { wave, functions, gates, .. } => {
            format!("{rollout}, wave {wave}, {functions} functions{}", said(gates))
        }
        Happening::RolloutHeld { wave, reason, gates, .. } => {
            let wave = wave.map(|number| format!(", wave {number}")).unwrap_or_default();
            format!("{rollout}{wave}, {}{}", reason.why.code(), said(gates))
        }
        Happening::RolledBack { from, cause, reason, gates, .. } => {
            let (cause, from, code) = (word(*cause), left(*from), reason.why.code());
            format!("{rollout}, {cause}, {from}{release}, {code}{}", said(gates))
        }
        Happening::ReleaseStable { there, functions, .. } => {
            format!("{rollout}, {release}, {there} of {functions} functions")
        }
        Happening::DataStale { dataset, built, .. } => format!("{dataset}, built {built}"),
        Happening::DataRejected { dataset, problems, .. } => {
            let dataset = dataset.as_ref().map_or("the layer", |name| name.as_str());
            let codes = problems.first.iter().map(|problem| problem.code.as_str());
            format!("{dataset}, {}; {release} keeps serving", codes.collect::<Vec<_>>().join(", "))
        }
    };
    format!("{at} {}: {words}", happening.detail_type())
}

fn left(from: Option<u64>) -> String {
    from.map(|from| format!("release {from} to ")).unwrap_or_default()
}

fn word(cause: Cause) -> String {
    let word = serde_json::to_value(cause).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

fn said(gates: &Listed<String>) -> String {
    match gates.first.len() {
        0 => String::new(),
        _ => format!(" ({})", gates.first.join("; ")),
    }
}
