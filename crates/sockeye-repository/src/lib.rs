//! What has to hold of the repository itself. The tests are in `tests/repository`, and belong to the whole as others do;
//! `cargo xtask lint --part guide`, `parity`, `floors`, `supply`, `advisories` and `minimum` run one file of them each.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .ancestors()
        .nth(2)
        .unwrap_or(manifest)
        .to_path_buf()
}

/// The text of a file: absolute, or from the root.
///
/// # Errors
/// It cannot be read.
pub fn read(file: impl AsRef<Path>) -> Result<String, String> {
    let file = root().join(file);
    std::fs::read_to_string(&file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// The files of this name that git tracks, in any folder: paths from the root.
///
/// # Panics
/// Git cannot be asked, or knows none: nothing would be checked.
pub fn tracked(name: &str) -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", name, &format!("**/{name}")])
        .current_dir(root())
        .output()
        .expect("git starts");
    let listed = String::from_utf8_lossy(&listed.stdout);
    let paths: Vec<String> = listed.lines().map(str::to_owned).collect();
    assert!(!paths.is_empty(), "git lists no {name}");
    paths
}

/// `cargo` in the root, with the arguments split at spaces.
pub fn cargo(args: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args.split_whitespace()).current_dir(root());
    command
}

/// Fails with all that is wrong, if anything is.
///
/// # Panics
/// Something is.
pub fn nothing_wrong(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
