//! Libraries of the package for chips: built from the sources in the package, as its CMake would build them.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::sources;
use crate::riscv;
use crate::run::{self, root};
use crate::tools::works;

/// With `core` from source on two cores.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// A chip, as ESP-IDF calls it, and the target of Rust, as `CMakeLists.txt` of the component has them.
const CHIPS: &[(&str, &str)] = &[
    ("esp32", "xtensa-esp32-none-elf"),
    ("esp32s2", "xtensa-esp32s2-none-elf"),
    ("esp32s3", "xtensa-esp32s3-none-elf"),
    ("esp32c2", "riscv32imc-unknown-none-elf"),
    ("esp32c3", "riscv32imc-unknown-none-elf"),
    ("esp32c5", "riscv32imac-unknown-none-elf"),
    ("esp32c6", "riscv32imac-unknown-none-elf"),
    ("esp32h2", "riscv32imac-unknown-none-elf"),
    ("esp32p4", "riscv32imafc-unknown-none-elf"),
];

/// What a library is built for, and how this machine can do it.
#[derive(Debug)]
pub(super) struct Chip {
    name: &'static str,
    triple: &'static str,
    environment: Vec<(&'static str, OsString)>,
}

/// The chips of a list, or all that can be built here.
pub(super) fn chips(list: &str) -> Result<Vec<Chip>, String> {
    let all = list == "all";
    if !all {
        for name in list.split(',') {
            if name == "linux" {
                return Err(
                    "no library for `linux`: that is whatever computer builds it, which has cargo"
                        .to_owned(),
                );
            }
            if !CHIPS.iter().any(|(known, _)| *known == name) {
                let known: Vec<&str> = CHIPS.iter().map(|(name, _)| *name).collect();
                return Err(format!("no chip `{name}`; there are {}", known.join(", ")));
            }
        }
    }
    let wanted = |name: &str| all || list.split(',').any(|one| one == name);
    let mut chips = Vec::new();
    for &(name, triple) in CHIPS.iter().filter(|(name, _)| wanted(name)) {
        match environment(triple) {
            Ok(environment) => chips.push(Chip {
                name,
                triple,
                environment,
            }),
            Err(why) if all => println!("left out: {name}: {why}"),
            Err(why) => return Err(format!("{name}: {why}")),
        }
    }
    Ok(chips)
}

/// The compiler, in the environment of cargo.
fn environment(triple: &str) -> Result<Vec<(&'static str, OsString)>, String> {
    if !triple.starts_with("xtensa") {
        return riscv::component_environment(triple);
    }
    if !works(&["rustup", "which", "--toolchain", "esp", "rustc"]) {
        return Err(
            "the compiler for Xtensa is not installed: cargo install espup && espup install"
                .to_owned(),
        );
    }
    let found = Command::new("rustup")
        .args(["which", "--toolchain", "esp", "rustc"])
        .output()
        .map_err(|error| format!("rustup: {error}"))?;
    let rustc = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    Ok(vec![
        ("RUSTC", rustc.into()),
        ("RUSTC_BOOTSTRAP", "1".into()),
        (riscv::CARGO_ARGS, "-Z;build-std=core,alloc".into()),
    ])
}

/// Puts `lib/CHIP/libsockeye_c.a` into the package.
pub(super) fn build(package: &Path, chip: &Chip) -> Result<(), String> {
    let rust = package.join("rust");
    let output = root().join("target/component-libraries");
    // With what "Compiled in" of menuconfig has from the start.
    let mut cargo = sources::cargo(
        &rust,
        &[
            "rustc",
            "--quiet",
            "--release",
            "--locked",
            "-p",
            "sockeye-c",
        ],
    );
    cargo.args(["--lib", "--crate-type", "staticlib"]);
    cargo.args(["--no-default-features", "--features", "polling,recovery"]);
    cargo
        .args(["--target", chip.triple, "--target-dir"])
        .arg(&output);
    for (name, value) in &chip.environment {
        if *name == riscv::CARGO_ARGS {
            cargo.args(value.to_string_lossy().split(';'));
        } else {
            cargo.env(name, value);
        }
    }
    cargo.env("CARGO_PROFILE_RELEASE_PANIC", "abort");
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "fat");
    cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s");
    // Messages of panics name source files: without the folders of whoever packs, which would make the bytes others.
    let flags: Vec<String> = [
        Some((rust.clone(), "sockeye")),
        home("CARGO_HOME", ".cargo").map(|path| (path, "cargo")),
        sysroot(&chip.environment).map(|path| (path, "rust")),
    ]
    .into_iter()
    .flatten()
    .map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display()))
    .collect();
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    cargo.env_remove("RUSTFLAGS");
    cargo.env_remove("CARGO_BUILD_TARGET");
    if !run::run(&mut cargo, LIMIT)?.success() {
        return Err(format!("the library for {} could not be built", chip.name));
    }
    let library = output.join(chip.triple).join("release/libsockeye_c.a");
    let to = package.join("lib").join(chip.name).join("libsockeye_c.a");
    super::copy(&library, &to)?;
    let size = fs::metadata(&to).map_or(0, |data| data.len());
    println!("lib/{}/libsockeye_c.a: {size} bytes", chip.name);
    Ok(())
}

fn home(variable: &str, folder: &str) -> Option<std::path::PathBuf> {
    std::env::var_os(variable).map(Into::into).or_else(|| {
        let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"))?;
        Some(Path::new(&home).join(folder))
    })
}

fn sysroot(environment: &[(&'static str, OsString)]) -> Option<std::path::PathBuf> {
    let rustc = environment.iter().find(|(name, _)| *name == "RUSTC");
    let rustc = rustc.map_or_else(|| "rustc".into(), |(_, path)| path.clone());
    let printed = Command::new(rustc).args(["--print", "sysroot"]).output();
    let path = String::from_utf8(printed.ok()?.stdout).ok()?;
    Some(path.trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The package's own build file has this table too.
    #[test]
    fn chips_are_those_of_cmake() {
        let path = root().join("esp-idf/sockeye/CMakeLists.txt");
        let cmake = fs::read_to_string(path).expect("the component's CMakeLists.txt");
        let manifest = root().join("esp-idf/sockeye/idf_component.yml");
        let manifest = fs::read_to_string(manifest).expect("the component's manifest");
        for (chip, triple) in CHIPS {
            assert!(manifest.contains(&format!("- {chip}\n")), "{chip}");
            // Xtensa triples are put together there, and imac is what is left.
            if triple.starts_with("riscv32imc-") || triple.starts_with("riscv32imafc-") {
                let (condition, _) = cmake.split_once(triple).expect("a triple of CMake");
                let condition = condition.rsplit("if(").next().expect("a condition");
                assert!(
                    condition.contains(&format!("\"{chip}\"")),
                    "{chip}: {condition}"
                );
            }
        }
    }

    #[test]
    fn a_chip_that_does_not_exist_is_an_error() {
        assert!(chips("esp32c3,esp33").is_err_and(|why| why.contains("esp33")));
        assert!(chips("linux").is_err());
    }
}
