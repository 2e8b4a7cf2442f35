//! A person's word that a build is right though it differs from the one that serves. It needs no lease.

use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::report::minute;
use crate::state::{Acceptance, Head, Ordered, Rejection};

/// A shorter beginning may fit a build that no person meant.
const DIGITS_MIN: usize = 8;

/// Lets one refused build pass: the next refresh downloads it, judges everything but what differs, and releases it.
/// `digest` is how its digest begins, eight digits at least.
///
/// # Errors
/// [`Error::NotPossible`] where no such build was refused, several were, one was refused for more than what differs, or one was
/// accepted before; and the store's errors.
pub async fn accept(
    engine: &Engine,
    layer: &LayerName,
    digest: &str,
    by: &str,
    reason: Option<String>,
) -> Result<Acceptance, Error> {
    if digest.len() < DIGITS_MIN {
        let shown = format!("`freshlayer status {layer}` shows the whole command");
        let problem = format!(
            "expected at least {DIGITS_MIN} digits of the build's digest, found {digest:?}; {shown}"
        );
        return Err(Error::NotPossible(problem));
    }
    let digest = digest.to_ascii_lowercase();
    let mut session = engine.session(layer).await?;
    let order = Ordered { at: engine.ports.clock.now(), by: by.to_owned(), reason };
    let mut accepted = None;
    session
        .order(|head| {
            let refused = refused(head, &digest)?.clone();
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
            let mut accepted = head.accepted().iter();
            if let Some(one) = accepted.find(|one| one.digest.as_str().starts_with(digest)) {
                let Ordered { at, by, .. } = &one.order;
                let problem = format!("{by} accepted this build at {}", minute(*at));
                return Err(Error::NotPossible(problem));
            }
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
