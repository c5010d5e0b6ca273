//! A byte area of fixed or growing size.

/// A byte area: a borrowed slice, or a vector that grows up to `max`.
#[derive(Debug)]
pub(crate) enum Bytes<'a> {
    Fixed(&'a mut [u8]),
    #[cfg(feature = "alloc")]
    Growable {
        buf: alloc::vec::Vec<u8>,
        max: usize,
    },
}

impl Bytes<'_> {
    #[cfg(feature = "alloc")]
    pub(crate) const fn growable(max: usize) -> Self {
        Self::Growable {
            buf: alloc::vec::Vec::new(),
            max,
        }
    }

    pub(crate) fn get(&self) -> &[u8] {
        match self {
            Self::Fixed(buf) => buf,
            #[cfg(feature = "alloc")]
            Self::Growable { buf, .. } => buf,
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Fixed(buf) => buf,
            #[cfg(feature = "alloc")]
            Self::Growable { buf, .. } => buf,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.get().len()
    }

    pub(crate) fn max(&self) -> usize {
        match self {
            Self::Fixed(buf) => buf.len(),
            #[cfg(feature = "alloc")]
            Self::Growable { max, .. } => *max,
        }
    }

    /// Makes the area at least `len` long (twice its size if that is more, never over the cap); whether it is.
    #[cfg_attr(not(feature = "alloc"), allow(clippy::needless_pass_by_ref_mut))]
    pub(crate) fn grow(&mut self, len: usize) -> bool {
        match self {
            Self::Fixed(buf) => len <= buf.len(),
            #[cfg(feature = "alloc")]
            Self::Growable { buf, max } => {
                if len > *max {
                    return false;
                }
                if len > buf.len() {
                    let to = len.max(buf.len() * 2).min(*max);
                    buf.reserve_exact(to - buf.len());
                    buf.resize(to, 0);
                }
                true
            }
        }
    }

    /// As [`Self::grow`], past the cap if need be.
    #[cfg(any(feature = "deflate", feature = "msgpack"))]
    pub(crate) fn stretch(&mut self, len: usize) {
        if let Self::Growable { buf, .. } = self
            && len > buf.len()
        {
            buf.resize(len, 0);
        }
    }

    /// Gives all memory back (growable storage only).
    pub(crate) fn shrink(&mut self) {
        match self {
            Self::Fixed(_) => (),
            #[cfg(feature = "alloc")]
            Self::Growable { buf, .. } => *buf = alloc::vec::Vec::new(),
        }
    }
}
