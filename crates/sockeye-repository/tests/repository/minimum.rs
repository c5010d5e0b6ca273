//! Every manifest states the same minimum version of Rust. (`cargo xtask lint --part minimum` also builds with it.)

use sockeye_repository::{nothing_wrong, read, tracked};

#[test]
fn every_manifest_states_the_same_minimum() -> Result<(), String> {
    let workspace = read("Cargo.toml")?;
    let minimum = stated(&workspace).ok_or("Cargo.toml states no rust-version")?;
    let mut wrong = Vec::new();
    for path in tracked("Cargo.toml") {
        let text = read(&path)?;
        let inherits = text.contains("rust-version.workspace = true");
        if text.contains("[package]") && !inherits && stated(&text) != Some(minimum) {
            wrong.push(format!("{path} does not state {minimum}"));
        }
    }
    nothing_wrong(&wrong);
    Ok(())
}

/// What a manifest states.
fn stated(manifest: &str) -> Option<&str> {
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""))?;
    line.split('"').next()
}

#[test]
fn what_a_manifest_states() {
    assert_eq!(stated("[package]\nrust-version = \"1.95\"\n"), Some("1.95"));
    assert_eq!(stated("rust-version.workspace = true"), None);
}
