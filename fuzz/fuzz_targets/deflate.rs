//! See `sockeye_testkit::fuzz::deflate`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::deflate);
