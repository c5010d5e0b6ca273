//! The options of what this program does itself. (Programs that it starts have their own.)
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "made by the macro; what an option is stands above it"
)]

xflags::xflags! {
    /// The project's own tooling; `cargo xtask help` lists all of it.
    cmd xtask {
        /// Every test of the project; ends with `N passed, M failed`.
        cmd test {
            /// Lists the parts.
            optional --list
            /// Only this part, and others that are named so.
            repeated --part name: String
        }
        /// Format, clippy and docs, warnings denied.
        cmd lint {
            /// Lists the parts.
            optional --list
            /// Only this part, and others that are named so.
            repeated --part name: String
        }
        /// The manual pages of the command.
        cmd man {
            optional folder: String
        }
        /// Writes docs/api anew.
        cmd api {}
        /// Installs the packages of the scenario servers.
        cmd servers {}
    }
}
