//! The options.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "made by the macro; what an option is stands above it"
)]

xflags::xflags! {
    /// Emulated boards.
    cmd sockeye-boards {
        /// `cargo xtask device`: attaches an emulated RISC-V board to a demo that runs, or to one that is started for it, as
        /// one more device beside the simulated ones.
        cmd device {
            /// The demo that runs: http://127.0.0.1:7625
            optional --connect url: String
            /// How long, in seconds; until Ctrl-C if it is not given.
            optional --duration seconds: String
            /// The instruction set: that of the ESP32-C3 (`c3`) or of the ESP32-C6 (`c6`).
            optional --chip name: String
        }
        /// `cargo xtask size`: flash, RAM, stack and instructions of the client on a chip, held against budgets.
        cmd size {
            /// Shows what takes the flash, too.
            optional --symbols
            /// What each feature and each profile takes instead, as a table for the board's README.
            optional --matrix
        }
    }
}
