//! The project's own tooling: `cargo xtask test`, `bench`, `device`, `size`.
fn main() {}
