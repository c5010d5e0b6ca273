//! Checks of documents, manifests and sources: one file for each part of `cargo xtask lint` that is made of tests.

mod advisories;
mod floors;
mod guide;
mod licences;
mod minimum;
mod parity;
