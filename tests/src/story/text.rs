use std::fmt::Write as _;

use freshlayer::report::Happening;

use super::act::Act;
use super::scene::Scene;

/// A story: what it is about, the terms of its layer, and its acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// What it is about.
    pub about: String,
    /// What the layer's definition says beside its dataset.
    pub terms: Vec<String>,
    /// What happens.
    pub acts: Vec<Act>,
}

/// A story that was played.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// Its text, with what followed from each act.
    pub text: String,
    /// What people's tools were told.
    pub happened: Vec<Happening>,
}

/// Before a line of the definition.
const TERM: &str = "    ";
/// Before an act.
const ACT: &str = "> ";

impl Story {
    /// Reads a story; what followed from its acts is left out.
    ///
    /// # Errors
    /// A sentence about the line that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let about: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let (mut terms, mut acts) = (Vec::new(), Vec::new());
        for line in lines {
            if let Some(act) = line.strip_prefix(ACT) {
                acts.push(act.parse()?);
            } else if let Some(term) = line.strip_prefix(TERM).filter(|_| acts.is_empty()) {
                terms.push(term.to_owned());
            }
        }
        Ok(Self { about: about.join("\n"), terms, acts })
    }

    /// Plays it, and writes it with what follows from each act.
    ///
    /// # Panics
    /// Where a promise is broken.
    pub async fn play(&self) -> Played {
        let mut text = self.opening();
        let mut scene = Scene::set(&self.terms);
        for act in &self.acts {
            let _ = writeln!(text, "{ACT}{act}");
            for line in Box::pin(scene.perform(act)).await {
                let _ = writeln!(text, "  {line}");
            }
        }
        Played { text, happened: scene.happened().to_vec() }
    }

    fn opening(&self) -> String {
        let mut text = format!("{}\n\n", self.about);
        for term in &self.terms {
            let _ = writeln!(text, "{TERM}{term}");
        }
        text.push('\n');
        text
    }

    /// Writes it without what follows.
    pub fn script(&self) -> String {
        let mut text = self.opening();
        for act in &self.acts {
            let _ = writeln!(text, "{ACT}{act}");
        }
        text
    }
}
