//! A bounded queue that never makes its writer wait.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Holds the newest items.
#[derive(Debug)]
pub(super) struct Queue<T> {
    capacity: usize,
    inner: Mutex<Inner<T>>,
    filled: Notify,
}

#[derive(Debug)]
struct Inner<T> {
    items: VecDeque<T>,
    dropped: u64,
}

impl<T> Queue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let inner = Inner { items: VecDeque::new(), dropped: 0 };
        Self { capacity, inner: Mutex::new(inner), filled: Notify::new() }
    }

    /// Adds an item, in place of the oldest if there is no room.
    pub(super) fn push(&self, item: T) {
        let mut inner = self.lock();
        if inner.items.len() >= self.capacity {
            inner.items.pop_front();
            inner.dropped += 1;
        }
        inner.items.push_back(item);
        drop(inner);
        self.filled.notify_one();
    }

    /// Waits for the oldest item. For one reader; cancelling it loses nothing.
    pub(super) async fn pop(&self) -> T {
        loop {
            if let Some(item) = self.try_pop() {
                return item;
            }
            self.filled.notified().await;
        }
    }

    /// The oldest item, if there is one.
    pub(super) fn try_pop(&self) -> Option<T> {
        self.lock().items.pop_front()
    }

    /// Counts items that were taken out and could not be used.
    pub(super) fn count_dropped(&self, items: u64) {
        self.lock().dropped += items;
    }

    /// How many items wait, and how many were dropped.
    pub(super) fn counts(&self) -> (usize, u64) {
        let inner = self.lock();
        (inner.items.len(), inner.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Nothing in here panics halfway through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest() {
        let queue = Queue::new(2);
        for number in 0..5 {
            queue.push(number);
        }
        assert_eq!(queue.counts(), (2, 3));
        assert_eq!((queue.pop().await, queue.pop().await), (3, 4));
    }

    #[tokio::test]
    async fn a_reader_that_waits_gets_what_comes() {
        let queue = Queue::new(2);
        let (item, ()) = tokio::join!(queue.pop(), async { queue.push(7) });
        assert_eq!(item, 7);
    }
}
