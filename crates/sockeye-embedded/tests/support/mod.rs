//! What the tests share: an executor that owns the clock, a hostile network, the server's side of a WebSocket.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod exec;
pub(crate) mod net;
pub(crate) mod peer;
pub(crate) mod play;

use sockeye_embedded::{Config, Storage};

/// Unpredictable enough for tests.
pub(crate) fn random(bytes: &mut [u8]) {
    use std::hash::{BuildHasher, Hasher};
    for chunk in bytes.chunks_mut(8) {
        let number = std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish();
        chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
    }
}

/// A storage that lives as long as the test program.
pub(crate) fn storage<T>(storage: T) -> &'static mut T {
    Box::leak(Box::new(storage))
}

pub(crate) type Small = Storage<1024, 1024>;

pub(crate) fn config(url: &'static str) -> Config {
    Config::new(url, random).expect("a good URL")
}
