//! See `sockeye_testkit::fuzz::older`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::older);
