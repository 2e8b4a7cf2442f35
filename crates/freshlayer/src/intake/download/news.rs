//! What the upstreams have, without a download.

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    AT_ONCE, Refused, UpstreamAnswer, known, spent, time_left, unchanged, waits_until, within,
};
use crate::definition::Dataset;
use crate::engine::{Engine, Retry};
use crate::limits::Limits;
use crate::ports::{News, Request, SourceError};
use crate::problem::Problem;
use crate::state::Head;

/// What one upstream has.
#[derive(Debug)]
pub(crate) enum UpstreamNews {
    /// What the live release has already.
    Unchanged,
    /// A build that was seen before, and waits until a time.
    Young(Timestamp),
    /// A build that was seen before, and is refused.
    Refused(Vec<Problem>),
    /// Something else, or something that cannot be told from it.
    Newer { length_bytes: Option<u64>, changed: Option<Timestamp> },
    /// It could not be asked.
    Failed(SourceError),
}

/// Asks every upstream side by side, as a refresh with `retry` would. Changes nothing.
pub(crate) async fn news(
    engine: &Engine,
    head: &Head,
    datasets: &[Dataset],
    limits: &Limits,
    retry: Retry,
) -> Vec<UpstreamNews> {
    let asked: Vec<_> =
        datasets.iter().map(|dataset| news_of(engine, head, dataset, limits, retry)).collect();
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

async fn news_of(
    engine: &Engine,
    head: &Head,
    dataset: &Dataset,
    limits: &Limits,
    retry: Retry,
) -> UpstreamNews {
    let now = engine.ports.clock.now();
    if let Some(error) = spent(head, dataset, limits, now) {
        return UpstreamNews::Failed(error);
    }
    let waits = waits_until(head, dataset, now).filter(|_| retry != Retry::Young);
    let known = known(head, dataset, limits, waits);
    let request =
        Request { source: &dataset.source, known: known.as_ref(), passed_over: 0, limits };
    let end = Instant::now() + time_left(engine, limits);
    match within(request, end, engine.ports.source.news(request)).await {
        Ok(News::Newer { length_bytes, changed }) => UpstreamNews::Newer { length_bytes, changed },
        Ok(News::Unchanged) => match unchanged(head, dataset, limits, waits) {
            UpstreamAnswer::Young(until) => UpstreamNews::Young(until),
            UpstreamAnswer::Refused(Refused { problems, .. }) => UpstreamNews::Refused(problems),
            _ => UpstreamNews::Unchanged,
        },
        Err(error) => UpstreamNews::Failed(error),
    }
}
