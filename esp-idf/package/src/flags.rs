//! The options.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "made by the macro; what an option is stands above it"
)]

use std::path::PathBuf;

xflags::xflags! {
    /// The ESP-IDF component of Sockeye.
    cmd sockeye-component {
        /// `cargo xtask component`: makes DIR/sockeye, a component of ESP-IDF that stands alone, and DIR/sockeye_VERSION.tgz,
        /// the same as one file for `compote component upload --archive`. What git does not track is left out.
        cmd component {
            /// Where they are made: target/component unless it is named.
            optional --out dir: PathBuf
            /// Puts lib/CHIP/libsockeye_c.a into it, so that nobody needs Rust for these chips: names of ESP-IDF with commas
            /// between (esp32c3,esp32c6), or `all` for every chip that this machine has a compiler for.
            optional --prebuilt chips: String
        }
        /// `cargo xtask size --esp-idf`: what the component takes on the ESP32-C3, beside another client where that can be had.
        cmd size {
        }
    }
}
