//! A double-ended table of fixed or growing size.

use super::steps::step;

/// A double-ended table of small entries: a ring over a borrowed slice, or a `VecDeque` with a cap.
#[derive(Debug)]
pub(crate) enum Table<'a, T> {
    Fixed {
        buf: &'a mut [T],
        head: usize,
        len: usize,
    },
    #[cfg(feature = "alloc")]
    Growable {
        deque: alloc::collections::VecDeque<T>,
        max: usize,
    },
}

impl<'a, T: Default> Table<'a, T> {
    pub(crate) const fn fixed(buf: &'a mut [T]) -> Self {
        Self::Fixed {
            buf,
            head: 0,
            len: 0,
        }
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn growable(max: usize) -> Self {
        Self::Growable {
            deque: alloc::collections::VecDeque::new(),
            max,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Fixed { len, .. } => *len,
            #[cfg(feature = "alloc")]
            Self::Growable { deque, .. } => deque.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // Small code, rather than fast, where flash is scarce: called in many places.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn get(&self, i: usize) -> Option<&T> {
        step(1);
        match self {
            Self::Fixed { buf, head, len } => {
                if i >= *len {
                    return None;
                }
                buf.get(wrap(*head + i, buf.len()))
            }
            #[cfg(feature = "alloc")]
            Self::Growable { deque, .. } => deque.get(i),
        }
    }

    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn get_mut(&mut self, i: usize) -> Option<&mut T> {
        step(1);
        match self {
            Self::Fixed { buf, head, len } => {
                if i >= *len {
                    return None;
                }
                let at = wrap(*head + i, buf.len());
                buf.get_mut(at)
            }
            #[cfg(feature = "alloc")]
            Self::Growable { deque, .. } => deque.get_mut(i),
        }
    }

    /// Appends; hands the entry back if the table is full.
    pub(crate) fn push(&mut self, entry: T) -> Result<(), T> {
        step(1);
        match self {
            Self::Fixed { buf, head, len } => {
                if *len == buf.len() {
                    return Err(entry);
                }
                let at = wrap(*head + *len, buf.len());
                if let Some(free) = buf.get_mut(at) {
                    *free = entry;
                    *len += 1;
                }
                Ok(())
            }
            #[cfg(feature = "alloc")]
            Self::Growable { deque, max } => {
                if deque.len() >= *max {
                    return Err(entry);
                }
                if deque.len() == deque.capacity() && deque.len() < 2 {
                    // Most tables of most clients never hold more than one or two.
                    deque.reserve_exact(1);
                }
                deque.push_back(entry);
                Ok(())
            }
        }
    }

    /// Removes `n` entries from index `i` on, keeping the order of the rest.
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn remove(&mut self, i: usize, n: usize) {
        let n = n.min(self.len().saturating_sub(i));
        step(1 + i.min(self.len() - i - n));
        match self {
            Self::Fixed { buf, head, len } => {
                let cap = buf.len();
                // What is removed stays where it is until it is written over.
                if i == 0 {
                    *head = wrap(*head + n, cap.max(1));
                } else {
                    for k in i..*len - n {
                        buf.swap(wrap(*head + k, cap), wrap(*head + k + n, cap));
                    }
                }
                *len -= n;
                if *len == 0 {
                    *head = 0;
                }
            }
            #[cfg(feature = "alloc")]
            Self::Growable { deque, .. } => {
                if n == 1 {
                    deque.remove(i);
                } else {
                    deque.drain(i..i + n);
                }
            }
        }
    }

    /// Gives memory back when the table has been much larger than it is (growable storage only).
    pub(crate) fn shrink(&mut self) {
        #[cfg(feature = "alloc")]
        if let Self::Growable { deque, .. } = self {
            if deque.is_empty() {
                *deque = Default::default();
            } else {
                deque.shrink_to(deque.len().max(4));
            }
        }
    }
}

fn wrap(i: usize, cap: usize) -> usize {
    if i >= cap { i - cap } else { i }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_a_ring() {
        let mut buf = [0u32; 4];
        let mut t = Table::fixed(&mut buf);
        for i in 1..=4 {
            t.push(i).unwrap();
        }
        assert_eq!(t.push(5), Err(5));
        t.remove(0, 2);
        t.push(5).unwrap();
        t.push(6).unwrap();
        t.remove(1, 2);
        assert_eq!((t.get(0), t.get(1), t.get(2)), (Some(&3), Some(&6), None));
    }
}
