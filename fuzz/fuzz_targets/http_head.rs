//! See `sockeye_testkit::fuzz::http_head`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::http_head);
