//! Random numbers for masks, keys and jitter, drawn from the configured source in small portions.

use crate::config::Entropy;

/// Bytes drawn at once: the key of a handshake needs the fewest. Where memory is scarce the source is the chip's own, and near.
const POOL: usize = if cfg!(feature = "alloc") { 64 } else { 16 };

#[derive(Clone, Debug)]
pub(crate) struct Rng {
    source: Entropy,
    pool: [u8; POOL],
    used: usize,
}

impl Rng {
    pub(crate) const fn new(source: Entropy) -> Self {
        Self {
            source,
            pool: [0; POOL],
            used: POOL,
        }
    }

    #[cold]
    fn refill(&mut self) {
        match &mut self.source {
            Entropy::Fn(fill) => fill(&mut self.pool),
            Entropy::Seed(state) => {
                // SplitMix64: for tests only.
                for chunk in self.pool.chunks_exact_mut(8) {
                    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut z = *state;
                    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
                }
            }
        }
        self.used = 0;
    }

    /// Four random bytes.
    #[cfg_attr(feature = "alloc", inline)]
    #[cfg_attr(not(feature = "alloc"), inline(never))]
    pub(crate) fn mask(&mut self) -> [u8; 4] {
        if self.used >= POOL {
            self.refill();
        }
        let out = self
            .pool
            .get(self.used..)
            .and_then(|rest| rest.first_chunk())
            .copied();
        self.used += 4;
        out.unwrap_or_default()
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.mask())
    }

    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        let mut out = [0; 16];
        for part in out.chunks_exact_mut(4) {
            part.copy_from_slice(&self.mask());
        }
        out
    }

    /// An even draw from `lo..=hi`.
    pub(crate) fn between(&mut self, lo: u64, hi: u64) -> u64 {
        if hi <= lo {
            return lo;
        }
        if !cfg!(feature = "alloc") {
            // Without multiplications of 128 bits. Numbers further apart than 2^32 (more than an hour, in microseconds) are not
            // needed where flash is scarce: they are taken from the front.
            let apart = u32::try_from(hi - lo).unwrap_or(u32::MAX);
            return lo + ((u64::from(self.u32()) * (u64::from(apart) + 1)) >> 32);
        }
        let wide = (u64::from(self.u32()) << 32) | u64::from(self.u32());
        lo + ((u128::from(wide) * (u128::from(hi - lo) + 1)) >> 64) as u64
    }
}
