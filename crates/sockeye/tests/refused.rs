//! What does not compile, and what the compiler says to people then: each file of `refused/` begins with what has to be
//! among it. (What may compile is in `refused/fine.rs`: so nothing is refused because of the tests' own fault.)

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The manifest of a crate whose programs are the cases.
fn manifest(root: &Path, cases: &BTreeMap<String, String>) -> String {
    let crates = root.join("crates");
    let crates = crates.display();
    let mut text = format!(
        r#"[package]
name = "refused"
version = "0.0.0"
edition = "2024"
autobins = false

[workspace]

[dependencies]
serde = {{ version = "1", features = ["derive"] }}
serde_json = "1"
sockeye = {{ path = '{crates}/sockeye', default-features = false, features = ["blocking", "derive"] }}
sockeye-embedded = {{ path = '{crates}/sockeye-embedded', default-features = false, features = ["derive"] }}
"#
    );
    for name in cases.keys() {
        let path = root
            .join("crates/sockeye/tests/refused")
            .join(format!("{name}.rs"));
        text += &format!(
            "\n[[bin]]\nname = \"{name}\"\npath = '{}'\n",
            path.display()
        );
    }
    text
}

/// What the compiler says about each program.
fn check(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--bins", "--keep-going", "--quiet"])
        .args(["--message-format", "json"])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(folder.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo");
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).expect("a message of cargo");
        if message["reason"] == "compiler-message" && message["message"]["level"] == "error" {
            let name = message["target"]["name"].as_str().unwrap_or_default();
            let rendered = message["message"]["rendered"].as_str().unwrap_or_default();
            said.entry(name.to_owned())
                .or_default()
                .push(rendered.to_owned());
        }
    }
    assert!(
        !said.is_empty(),
        "nothing was refused: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

#[test]
fn what_does_not_compile_says_why() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().expect("the repository");
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(root.join("crates/sockeye/tests/refused")).expect("cases") {
        let path = entry.expect("a case").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        cases.insert(name, fs::read_to_string(&path).expect("a text"));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refused");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest(&root, &cases)).expect("written");
    // The versions that the workspace has: nothing is looked for in a registry.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("copied");
    let said = check(&folder);
    let mut wrong = String::new();
    for (name, text) in &cases {
        let wanted: Vec<&str> = text
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .filter_map(|line| line.trim().strip_prefix("error: "))
            .collect();
        let errors = said.get(name).map(Vec::as_slice).unwrap_or_default();
        let all = errors.join("\n");
        if wanted.is_empty() != errors.is_empty() {
            wrong += &format!("-- {name}: {} errors\n{all}\n", errors.len());
        }
        for wanted in wanted.iter().filter(|wanted| !all.contains(**wanted)) {
            wrong += &format!("-- {name} does not say: {wanted}\n{all}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
