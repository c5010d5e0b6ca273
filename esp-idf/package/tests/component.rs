//! The package of the ESP-IDF component: what is in it, that it stands alone, and that it is the same each time. (Building
//! it with ESP-IDF is in `cargo xtask test --part esp-idf`.)

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of the workspace, which the component has too.
fn version() -> String {
    let manifest = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"));
    let line = manifest.lines().find(|line| line.starts_with("version"));
    let value = line.and_then(|line| line.split('"').nth(1));
    value.expect("a version in Cargo.toml").to_owned()
}

/// Packs into a folder of this name, which is empty before.
fn pack(name: &str) -> PathBuf {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if out.exists() {
        fs::remove_dir_all(&out).expect("the folder of an earlier run is removed");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye-component"));
    let status = command.arg("component").arg("--out").arg(&out).status();
    assert!(status.expect("it starts").success());
    out
}

fn files(folder: &Path, below: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, below, found);
        } else {
            let name = path.strip_prefix(below).expect("a path below it");
            found.insert(name.display().to_string().replace('\\', "/"));
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `cargo` in the packed workspace, which must find everything there and in what has been fetched already.
fn cargo(package: &Path, args: &[&str]) {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(package.join("rust"));
    command.args(["--offline", "--locked"]);
    // As the component's CMake has it for every target: the library is without `std`.
    command.env("CARGO_PROFILE_DEV_PANIC", "abort");
    let output = command.output().expect("cargo starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {args:?}: {complaint}");
}

#[test]
fn a_package_has_what_it_needs_and_is_the_same_each_time() {
    let out = pack("component");
    let package = out.join("sockeye");

    let mut found = BTreeSet::new();
    files(&package, &package, &mut found);
    for wanted in [
        "CHANGELOG.md",
        "CMakeLists.txt",
        "Kconfig",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "idf_component.yml",
        "include/sockeye_esp.h",
        "src/port_esp_idf.c",
        "src/port_esp_tls.c",
        "src/sockeye_esp.c",
        "rust/Cargo.lock",
        "rust/Cargo.toml",
        "rust/crates/sockeye-c/include/sockeye.h",
        "rust/crates/sockeye-c/port/port_sockets.c",
        "rust/crates/sockeye-c/port/port_sockets.h",
        "rust/crates/sockeye-c/src/lib.rs",
        "rust/crates/sockeye-core/src/lib.rs",
        "rust/crates/sockeye-derive/src/lib.rs",
    ] {
        assert!(found.contains(wanted), "{wanted} is missing");
    }
    // The three crates of the library, and nothing that only tests need.
    let crates: BTreeSet<&str> = found
        .iter()
        .filter_map(|file| file.strip_prefix("rust/crates/")?.split('/').next())
        .collect();
    let expected = ["sockeye-c", "sockeye-core", "sockeye-derive"];
    assert!(crates.iter().eq(expected.iter()), "{crates:?}");
    let lock = read(&package.join("rust/Cargo.lock"));
    for left_out in ["proptest", "sockeye-testkit", "tokio", "cbindgen"] {
        assert!(!lock.contains(&format!("\"{left_out}\"")), "{left_out}");
    }
    // The registry's tool leaves folders of these names out.
    let lost = |part: &str| part == "build" || part == "dist" || part.starts_with("build_");
    for file in &found {
        let folders = file.rsplit_once('/').map_or("", |(folders, _)| folders);
        assert!(
            !folders.split('/').any(lost),
            "{file} would not be uploaded"
        );
    }

    manifests(&package, &found);
    links(&package, &found);

    cargo(&package, &["metadata", "--format-version", "1"]);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("component-check");
    let target = target.display().to_string();
    let features = [
        "--no-default-features",
        "--features",
        "polling,recovery,eio3",
    ];
    let mut check = vec!["check", "--quiet", "-p", "sockeye-c", "--lib"];
    check.extend(["--target-dir", &target]);
    check.extend(features);
    cargo(&package, &check);

    let archive = format!("sockeye_{}.tgz", version());
    let first = fs::read(out.join(&archive)).expect("the archive");
    let second = fs::read(pack("component-again").join(&archive)).expect("the archive again");
    assert!(first == second, "two archives of the same commit differ");
    // Sources alone: what is too much here is something that does not belong into it.
    assert!(first.len() < 1_000_000, "{} bytes", first.len());
}

fn manifests(package: &Path, found: &BTreeSet<String>) {
    let manifest = read(&package.join("idf_component.yml"));
    assert!(manifest.contains(&format!("version: \"{}\"\n", version())));
    let examples: BTreeSet<&str> = found
        .iter()
        .filter_map(|file| file.strip_prefix("examples/")?.split('/').next())
        .collect();
    assert!(examples.len() >= 3, "{examples:?}");
    for example in examples {
        let folder = package.join("examples").join(example);
        let manifest = read(&folder.join("main/idf_component.yml"));
        let component = format!("  sockeye-rs/sockeye:\n    version: \"^{}\"\n", version());
        assert!(manifest.contains(&component), "{example}: {manifest}");
        let (_, above) = manifest.split_once("override_path: \"").expect("a path");
        let above = above.split('"').next().expect("the end of the path");
        let same = folder.join("main").join(above).canonicalize();
        let same = same.expect("the folder of the component");
        assert_eq!(same, package.canonicalize().expect("the package"));
        let cmake = read(&folder.join("CMakeLists.txt"));
        assert!(!cmake.contains("EXTRA_COMPONENT_DIRS"), "{example}");
    }
}

/// No document points to where the package has nothing.
fn links(package: &Path, found: &BTreeSet<String>) {
    let mut count = 0;
    for file in found.iter().filter(|file| file.ends_with(".md")) {
        if file.starts_with("rust/") {
            continue;
        }
        let folder = package.join(file);
        let folder = folder.parent().expect("a folder");
        for link in read(&package.join(file)).split("](").skip(1) {
            let link = link.split([')', '#']).next().unwrap_or_default();
            if !link.is_empty() && !link.contains("://") {
                count += 1;
                assert!(folder.join(link).exists(), "{file}: {link}");
            }
        }
    }
    assert!(count > 0, "no link of the package was looked at");
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("component-taken");
    let taken = out.join("sockeye/mine.txt");
    fs::create_dir_all(out.join("sockeye")).expect("a folder");
    fs::write(&taken, "mine").expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye-component"));
    let output = command.arg("component").arg("--out").arg(&out).output();
    let output = output.expect("it starts");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("remove it"));
    assert_eq!(read(&taken), "mine");
}
