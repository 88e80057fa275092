//! Look-ups at the same time.

use std::future::Future;

use futures_util::{FutureExt as _, StreamExt as _, stream};

/// So many at a time.
pub(super) const SIDE_BY_SIDE: usize = 16;

/// Does work side by side, and gives the results in order. What takes long holds up nobody else: the others have the rest of
/// the places.
pub(super) async fn side_by_side<F: Future>(work: Vec<F>) -> Vec<F::Output> {
    let numbered = work.into_iter().enumerate().map(|(at, work)| work.map(move |result| (at, result)));
    let mut results: Vec<(usize, F::Output)> = stream::iter(numbered).buffer_unordered(SIDE_BY_SIDE).collect().await;
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn one_that_is_slow_does_not_hold_up_the_rest() {
        let (begun, most) = (Cell::new(0), Cell::new(0));
        let running = Cell::new(0);
        let one = async |at: usize| {
            begun.set(begun.get() + 1);
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            tokio::task::yield_now().await;
            // The first waits until half of them have begun.
            while at == 0 && begun.get() < 50 {
                tokio::task::yield_now().await;
            }
            running.set(running.get() - 1);
            at
        };
        let work = side_by_side((0..100).map(one).collect());
        let done = tokio::time::timeout(std::time::Duration::from_secs(60), work).await;
        assert_eq!(done, Ok((0..100).collect()));
        assert_eq!(most.get(), SIDE_BY_SIDE);
    }
}
