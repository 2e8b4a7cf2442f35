use super::Findings;
use crate::intake::extract::StagedFile;
use crate::opt_path::{Mode, OptPath};
use crate::problem::{Code, GateReport, Problem};
use crate::schema::{Element, Schema};
use crate::state::Profile;

/// What a definition expects of an archive.
pub(super) struct Expected<'a> {
    pub(super) folder: &'a OptPath,
    pub(super) entries: &'a [OptPath],
    pub(super) executables: &'a [OptPath],
}

/// A tree of files. Names, links and devices were judged when it was unpacked.
pub(super) fn inspect(
    expect: &Expected<'_>,
    files: &[StagedFile],
    gates: &mut GateReport,
) -> Findings {
    let find = |below: &OptPath| {
        let path = expect.folder.join(below);
        files.iter().find(|file| file.path == path)
    };
    let wanted = expect.entries.iter().chain(expect.executables);
    let missing = wanted.clone().filter(|below| find(below).is_none()).map(|below| {
        let found = format!("no such file among {}", files.len());
        Problem::fail(Code::EntryMissing, "a file", found).at(below.as_str())
    });
    if wanted.clone().next().is_some() {
        gates.judge(Code::EntryMissing, missing);
    }
    let not_executable = expect.executables.iter().filter_map(|below| {
        let file = find(below).filter(|file| file.mode != Mode::Executable)?;
        let expected = format!("mode {}", Mode::Executable);
        let problem = Problem::fail(Code::EntryMode, expected, format!("mode {}", file.mode));
        Some(problem.at(below.as_str()))
    });
    if !expect.executables.is_empty() {
        gates.judge(Code::EntryMode, not_executable);
    }
    let executables = files.iter().filter(|file| file.mode == Mode::Executable);
    let schema: Schema =
        executables.map(|file| Element::Executable(file.path.to_string())).collect();
    let counts = [("entries".to_owned(), files.len() as u64)].into();
    Findings {
        profile: Profile { counts, shape: schema.lines(), ..Profile::default() },
        ..Findings::default()
    }
}
