use super::Findings;
use crate::definition::Dataset;
use crate::intake::extract::StagedFile;
use crate::opt_path::OptPath;
use crate::problem::{Code, Problem};
use crate::state::Profile;

const EXECUTABLE: &str = "0755";

/// A tree of files. Names, links and devices were judged when it was unpacked.
pub(super) fn inspect(dataset: &Dataset, files: &[StagedFile]) -> Findings {
    let expect = &dataset.expect;
    let find = |below: &OptPath| {
        let path = dataset.path.join(below);
        files.iter().find(|file| file.path == path)
    };
    let mut problems = Vec::new();
    for below in expect.entries.iter().chain(&expect.executables) {
        if find(below).is_none() {
            let found = format!("no such file among {}", files.len());
            problems.push(Problem::fail(Code::EntryMissing, "a file", found).at(below.as_str()));
        }
    }
    for below in &expect.executables {
        if let Some(file) = find(below).filter(|file| file.mode != EXECUTABLE) {
            let expected = format!("mode {EXECUTABLE}");
            let problem = Problem::fail(Code::EntryMode, expected, format!("mode {}", file.mode));
            problems.push(problem.at(below.as_str()));
        }
    }
    let executables = files.iter().filter(|file| file.mode == EXECUTABLE);
    let profile = Profile {
        counts: [("entries".to_owned(), files.len() as u64)].into(),
        shape: executables.map(|file| format!("executable {}", file.path)).collect(),
    };
    Findings { problems, profile, ..Findings::default() }
}
