//! See `sockeye_testkit::fuzz::dialogue`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::dialogue);
