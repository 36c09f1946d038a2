//! Work on many things at once, with results in their order.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

/// Does `work` for each item, on `n_threads` threads or fewer.
pub fn in_parallel<T: Sync, R: Send>(n_threads: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let Ok(results) = try_in_parallel(n_threads, items, |item| Ok::<_, Infallible>(work(item)));
    results
}

/// The same for work that may fail; what fails first stops the rest.
///
/// # Errors
///
/// The first failure.
pub fn try_in_parallel<T: Sync, R: Send, E: Send>(
    n_threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let left = Mutex::new(items.iter().enumerate());
    let outcomes = Mutex::new(Ok(BTreeMap::new()));
    let worker = || loop {
        let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((at, item)) = next else { return };
        let outcome = work(item);
        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        match (outcome, &mut *outcomes) {
            (Ok(value), Ok(values)) => _ = values.insert(at, value),
            (Err(error), Ok(_)) => *outcomes = Err(error),
            (_, Err(_)) => {}
        }
        if outcomes.is_err() {
            return;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..n_threads.min(items.len()) {
            scope.spawn(worker);
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.map(|values: BTreeMap<usize, R>| values.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::{in_parallel, try_in_parallel};

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(in_parallel(8, &items, |n| n * 2), items.iter().map(|n| n * 2).collect::<Vec<_>>());
        assert!(in_parallel(8, &[0; 0], |n| *n).is_empty());
    }
    #[test]
    fn what_fails_first_stops_the_rest() {
        let items: Vec<usize> = (0..100).collect();
        let doubled = try_in_parallel(7, &items, |n| Ok::<_, ()>(n * 2)).unwrap();
        assert_eq!(doubled, (0..200).step_by(2).collect::<Vec<_>>());
        let outcome = try_in_parallel(3, &items, |n| if *n == 5 { Err(*n) } else { Ok(()) });
        assert_eq!(outcome, Err(5));
    }
}
