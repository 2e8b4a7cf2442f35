//! Stories: every file of `tests/stories/` is played on the simulated AWS, and what follows from each act stands in it; then
//! stories of seeds, in which anything may happen, held against the invariants after every act.
//!
//! `UPDATE_STORIES=1` writes the files anew. `STORY_SEEDS=0..100000` plays these seeds; `STORY_SEEDS=17..18` one alone,
//! and with `--nocapture` it is told.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use freshlayer_tests::seeds;
use freshlayer_tests::story::{Played, Scene, Story, story_of};

use crate::events::assert_told_well;
use crate::simulated::block_on;

const SEEDS: u64 = 2_000;
/// As many as CI has processors.
const AT_ONCE: usize = 2;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stories");
    let entries = fs::read_dir(folder).expect("readable");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files
}

#[expect(clippy::disallowed_methods, reason = "a person asks the test to write")]
fn is_told_to_write() -> bool {
    std::env::var_os("UPDATE_STORIES").is_some()
}

#[expect(clippy::disallowed_methods, reason = "a person names the seeds")]
fn seeds() -> Range<u64> {
    let Ok(range) = std::env::var("STORY_SEEDS") else { return 0..SEEDS };
    let (from, until) = range.split_once("..").expect("a range such as 0..100");
    let number = |text: &str| text.parse().expect("a number");
    number(from)..number(until)
}

#[test]
fn every_story_is_as_it_is_written() {
    let update = is_told_to_write();
    let mut wrong = Vec::new();
    for file in files() {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let written = fs::read_to_string(&file).expect("readable");
        let story = Story::parse(&written).unwrap_or_else(|error| panic!("{name}: {error}"));
        let Played { text, happened } = block_on(story.play());
        assert_told_well(&happened);
        if update {
            fs::write(&file, text).expect("writable");
        } else if text != written {
            wrong.push(format!("{name} is not as it is written; it goes:\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn whatever_happens_every_promise_is_kept() {
    let seeds = seeds();
    let failed = seeds::play(seeds.clone(), AT_ONCE, |seed| block_on(play(&story_of(seed))));
    let (count, told) = (failed.len(), failed.iter().take(3));
    let told = told.map(|(seed, words)| {
        format!("STORY_SEEDS={seed}..{}: {words}\n{}", seed + 1, story_of(*seed).script())
    });
    let told: Vec<String> = told.collect();
    assert!(failed.is_empty(), "{count} of {seeds:?}:\n{}", told.join("\n"));
}

async fn play(story: &Story) {
    let mut scene = Scene::set(&story.terms);
    for act in &story.acts {
        println!("> {act}");
        for line in scene.perform(act).await {
            println!("  {line}");
        }
    }
    Box::pin(scene.settle()).await;
    assert_told_well(scene.happened());
}
