//! See `sockeye_testkit::fuzz::polling`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::polling);
