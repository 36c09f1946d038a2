//! Work on many things at once, with results in their order.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Does `work` for each item, on `n_threads` threads or fewer.
pub fn in_parallel<T: Sync, R: Send>(n_threads: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(items.iter().enumerate());
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    let results = Mutex::new(BTreeMap::new());
    let one_after_the_other = || {
        while let Some((at, item)) = take() {
            let result = work(item);
            results.lock().unwrap_or_else(PoisonError::into_inner).insert(at, result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..n_threads.min(items.len()) {
            scope.spawn(one_after_the_other);
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::in_parallel;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(in_parallel(8, &items, |n| n * 2), items.iter().map(|n| n * 2).collect::<Vec<_>>());
        assert!(in_parallel(8, &[0; 0], |n| *n).is_empty());
    }
}
