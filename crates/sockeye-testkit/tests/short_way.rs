//! What a client tells and writes does not depend on whether it takes the short way for packets on a settled connection.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_testkit::fuzz;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn in_a_conversation(script in vec(any::<u8>(), 0..600)) {
        fuzz::dialogue(&script);
    }

    #[test]
    fn whatever_happens(script in vec(any::<u8>(), 0..600)) {
        fuzz::client(&script);
    }
}
