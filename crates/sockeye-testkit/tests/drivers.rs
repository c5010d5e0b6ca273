//! Every driver plays the list of scenarios, and holds the contract.

use std::path::Path;

/// Where each driver has it. One that is added to the project belongs here.
const DRIVERS: [(&str, &str); 4] = [
    (
        "sockeye_testkit::scenarios!(Tokio);",
        "sockeye/tests/scenarios/main.rs",
    ),
    (
        "sockeye_testkit::scenarios!(Threads);",
        "sockeye/tests/scenarios/main.rs",
    ),
    (
        "sockeye_testkit::scenarios!(Embedded);",
        "sockeye-embedded/tests/scenarios.rs",
    ),
    (
        "sockeye_testkit::scenarios!(C);",
        "sockeye-c/tests/suite/scenarios.rs",
    ),
];

#[test]
fn every_driver_plays_the_scenarios() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (call, file) in DRIVERS {
        let text = std::fs::read_to_string(crates.join(file)).expect(file);
        for call in [call.to_owned(), call.replace("scenarios!", "contract!")] {
            let lines = text.lines().map(str::trim);
            assert_eq!(
                lines.filter(|line| *line == call).count(),
                1,
                "{call} in {file}"
            );
        }
    }
}
