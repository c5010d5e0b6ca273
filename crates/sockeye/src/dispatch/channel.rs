//! The queue under a stream: bounded, with a stated policy for when it is full, and of no runtime in particular.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use crate::inbox::lock;
use crate::sync::Mutex;

/// What happens to an event for which a stream has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// It waits until the stream is read, and so do all later events of the namespace (back-pressure: when enough of
    /// them wait, the server is not read either). Notices and acknowledgements do not wait.
    #[default]
    Wait,
    /// The oldest event in the stream is dropped.
    DropOldest,
    /// The new event is dropped.
    DropNewest,
}

struct State<T> {
    items: VecDeque<T>,
    /// Items dropped so far for want of room.
    dropped: u64,
    /// Something has been dropped since the reader last took an item.
    dropping: bool,
    /// Nothing more will be written.
    ended: bool,
    /// Nobody will read any more.
    left: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What has become of an item.
pub(crate) enum Pushed<T> {
    /// It is in the queue, or nobody wants it any more.
    Done,
    /// It did not fit: wait for room.
    Full(T),
    /// It or another one was dropped: so many so far. `first` since the reader was last here.
    Dropped { total: u64, first: bool },
}

pub(crate) struct Channel<T> {
    state: Mutex<State<T>>,
    capacity: usize,
    overflow: Overflow,
}

impl<T> Channel<T> {
    /// A queue of at least one place.
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                dropped: 0,
                dropping: false,
                ended: false,
                left: false,
                reader: None,
                writer: None,
            }),
            capacity: capacity.max(1),
            overflow,
        }
    }

    pub(crate) fn push(&self, item: T) -> Pushed<T> {
        let mut state = lock(&self.state);
        if state.ended || state.left {
            return Pushed::Done;
        }
        let mut lost = None;
        if state.items.len() >= self.capacity {
            match self.overflow {
                Overflow::Wait => return Pushed::Full(item),
                Overflow::DropNewest => lost = Some(item),
                Overflow::DropOldest => {
                    lost = state.items.pop_front();
                    state.items.push_back(item);
                }
            }
            state.dropped += 1;
        } else {
            state.items.push_back(item);
        }
        let pushed = match &lost {
            None => Pushed::Done,
            Some(_) => Pushed::Dropped {
                total: state.dropped,
                first: !std::mem::replace(&mut state.dropping, true),
            },
        };
        let reader = state.reader.take();
        drop(state);
        // Wakers and the item that is dropped are others' code: not under the lock.
        drop(lost);
        if let Some(reader) = reader {
            reader.wake();
        }
        pushed
    }

    /// Pushes when there is room. The item is taken out once it has been dealt with.
    pub(crate) fn poll_push(&self, cx: &Context<'_>, item: &mut Option<T>) -> Poll<()> {
        let Some(next) = item.take() else {
            return Poll::Ready(());
        };
        let Pushed::Full(next) = self.push(next) else {
            return Poll::Ready(());
        };
        // The reader may have made room before it could know that it is waited for.
        lock(&self.state).writer = Some(cx.waker().clone());
        match self.push(next) {
            Pushed::Full(next) => {
                *item = Some(next);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Pushes beyond the capacity: for what is left when the connection is gone, which can hold nothing up any more.
    pub(crate) fn push_last(&self, item: T) {
        if self.overflow != Overflow::Wait {
            self.push(item);
            return;
        }
        let mut state = lock(&self.state);
        if !state.ended && !state.left {
            state.items.push_back(item);
            let reader = state.reader.take();
            drop(state);
            if let Some(reader) = reader {
                reader.wake();
            }
        }
    }

    /// Whether at least half of the places are taken.
    pub(crate) fn is_half_full(&self) -> bool {
        lock(&self.state).items.len() >= self.capacity.div_ceil(2)
    }

    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.state);
        if let Some(item) = state.items.pop_front() {
            state.dropping = false;
            if state.items.is_empty() {
                // After a burst the memory goes back; a stream that is read as it fills keeps a small queue.
                state.items.shrink_to(KEEP);
            }
            let writer = state.writer.take();
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Some(item));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        match &mut state.reader {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Nothing more comes: the reader gets what is there, and then the end.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// The reader is gone.
    pub(crate) fn leave(&self) {
        let mut state = lock(&self.state);
        state.left = true;
        let items = std::mem::take(&mut state.items);
        let writer = state.writer.take();
        drop(state);
        drop(items);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Items dropped so far for want of room.
    pub(crate) fn dropped(&self) -> u64 {
        lock(&self.state).dropped
    }
}

/// Places that an empty queue keeps.
const KEEP: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    fn all(channel: &Channel<u32>) -> Vec<u32> {
        let mut all = Vec::new();
        while let Poll::Ready(Some(n)) = channel.poll_next(&cx()) {
            all.push(n);
        }
        all
    }

    #[test]
    fn what_is_full_waits_or_drops_and_counts() {
        let wait = Channel::new(2, Overflow::Wait);
        let oldest = Channel::new(2, Overflow::DropOldest);
        let newest = Channel::new(2, Overflow::DropNewest);
        for n in 0..5 {
            let full = matches!(wait.push(n), Pushed::Full(m) if m == n);
            assert_eq!(full, n >= 2);
            for channel in [&oldest, &newest] {
                match channel.push(n) {
                    Pushed::Done => assert!(n < 2),
                    Pushed::Dropped { total, first } => {
                        assert_eq!((total, first), (u64::from(n) - 1, n == 2));
                    }
                    Pushed::Full(_) => panic!("it waits"),
                }
            }
        }
        assert_eq!(
            (wait.dropped(), oldest.dropped(), newest.dropped()),
            (0, 3, 3)
        );
        assert_eq!(all(&wait), [0, 1]);
        assert_eq!(all(&oldest), [3, 4]);
        assert_eq!(all(&newest), [0, 1]);
    }

    #[test]
    fn room_lets_the_writer_go_on() {
        let channel = Channel::new(1, Overflow::Wait);
        let mut item = Some(1);
        assert!(channel.poll_push(&cx(), &mut item).is_ready());
        item = Some(2);
        assert!(channel.poll_push(&cx(), &mut item).is_pending());
        assert_eq!(channel.poll_next(&cx()), Poll::Ready(Some(1)));
        assert!(channel.poll_push(&cx(), &mut item).is_ready());
        assert_eq!(all(&channel), [2]);
    }

    #[test]
    fn the_end_comes_after_what_is_there_and_leaving_frees_it() {
        let channel = Channel::new(1, Overflow::Wait);
        channel.push(1);
        channel.push_last(2);
        channel.end();
        channel.push(3);
        assert_eq!(all(&channel), [1, 2]);
        assert_eq!(channel.poll_next(&cx()), Poll::Ready(None));
        let channel = Channel::new(1, Overflow::Wait);
        channel.push(1);
        let mut item = Some(2);
        assert!(channel.poll_push(&cx(), &mut item).is_pending());
        channel.leave();
        assert!(channel.poll_push(&cx(), &mut item).is_ready());
        assert!(all(&channel).is_empty());
    }

    #[test]
    fn memory_goes_back_after_a_burst() {
        let channel = Channel::new(1 << 20, Overflow::Wait);
        for n in 0..100_000 {
            channel.push(n);
        }
        assert_eq!(all(&channel).len(), 100_000);
        assert!(lock(&channel.state).items.capacity() <= 2 * KEEP);
    }
}
