//! See `sockeye_testkit::fuzz::json`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::json);
