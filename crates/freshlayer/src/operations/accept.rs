//! A person's word that a build is right though it differs from the one that serves. It needs no lease.

use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::state::{Acceptance, Head, Ordered, Rejection};

/// Lets one refused build pass: the next refresh downloads it, judges everything but what differs, and releases it.
/// `digest` is how its digest begins.
///
/// # Errors
/// [`Error::NotPossible`] where no such build was refused, several were, or one was refused for more than what differs;
/// and the store's errors.
pub async fn accept(
    engine: &Engine,
    layer: &LayerName,
    digest: &str,
    by: &str,
    reason: Option<String>,
) -> Result<Acceptance, Error> {
    let mut session = engine.session(layer).await?;
    let order = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason };
    let mut accepted = None;
    session
        .order(|head| {
            let refused = refused(head, digest)?.clone();
            let acceptance = Acceptance {
                dataset: refused.dataset,
                digest: refused.digest,
                order: order.clone(),
                problems: refused.problems,
            };
            head.accept(acceptance.clone());
            accepted = Some(acceptance);
            Ok(())
        })
        .await?;
    accepted.ok_or_else(|| Error::NotPossible(format!("layer `{layer}` refused no such build")))
}

fn refused<'a>(head: &'a Head, digest: &str) -> Result<&'a Rejection, Error> {
    let layer = head.layer();
    let found: Vec<&Rejection> =
        head.rejected().iter().filter(|known| known.digest.as_str().starts_with(digest)).collect();
    let refused = match &found[..] {
        [one] => *one,
        [] => {
            let problem = format!(
                "layer `{layer}` refused no build whose digest begins with {digest}; `freshlayer status {layer}` shows \
                 what is refused"
            );
            return Err(Error::NotPossible(problem));
        }
        several => {
            let problem =
                format!("{} refused builds begin with {digest}; write more of it", several.len());
            return Err(Error::NotPossible(problem));
        }
    };
    match refused.problems.iter().find(|problem| problem.is_beyond_acceptance()) {
        Some(problem) => Err(Error::NotPossible(format!(
            "this build has a problem that no person can accept: {problem}; docs/checks.md says what to do for {}",
            problem.code
        ))),
        None => Ok(refused),
    }
}
