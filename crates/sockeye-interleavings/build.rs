//! Has the sources of `sockeye` compiled with loom's primitives: `crates/sockeye/src/sync.rs` says how.

fn main() {
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rerun-if-changed=build.rs");
}
