//! The definition that a layer begins with, from data of its upstream.

use super::Inspection;
use crate::intake::recognise::Plain;
use crate::problem::Level;

impl Inspection {
    /// Returns a definition to begin a layer with.
    ///
    /// # Errors
    /// A sentence that says why this data begins none: a check refuses it, or it is not known what it is.
    pub fn beginning(&self) -> Result<&str, String> {
        let source = &self.source;
        let worst = self.checks.problems().find(|problem| problem.level == Level::Fail);
        match (worst, self.plain, &self.definition) {
            (_, Some(Plain::Page), _) => {
                Err(format!("{source} is a web page; the address of the data itself is needed"))
            }
            (Some(problem), ..) => Err(format!("{source} has a problem: {problem}")),
            (_, Some(Plain::Other), _) => Err(format!(
                "the format of {source} is unknown (known: mmdb, SQLite, archive, program); to carry it as plain bytes, take the \
                 definition that `freshlayer inspect {source}` proposes"
            )),
            (None, _, Some(definition)) => Ok(definition),
            (None, _, None) => Err(format!(
                "freshlayer has no definition to propose for {source}: write one by hand"
            )),
        }
    }
}
