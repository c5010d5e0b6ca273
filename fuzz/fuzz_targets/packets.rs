//! See `sockeye_testkit::fuzz::packets`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::packets);
