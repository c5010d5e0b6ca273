//! See `sockeye_testkit::fuzz::websocket`.
#![no_main]

sockeye_fuzz::target!(sockeye_testkit::fuzz::websocket);
