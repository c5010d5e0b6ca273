//! `cargo xtask size --matrix`: what each feature takes of a chip, and what profiles and flags save. Each row is a build of
//! the same program, with and without the client.
//!
//! The table is written into the board's README, between its two marks.

use std::fs;

use super::BUFFERS;
use crate::riscv::{Firmware, Target};
use crate::{FIRMWARE, image, run};

/// The features that a device may leave out: those of the board's `default`.
const FEATURES: &[&str] = &["retries", "recovery", "offline", "binary", "messages"];
const SMALL: &str = "profile.release.opt-level=\"z\"";
/// What nightly compilers have against the last bytes.
const SIZE_FLAGS: &[&str] = &[
    "--config",
    SMALL,
    "--config",
    "target.riscv32imc-unknown-none-elf.rustflags=[\"-Zunstable-options\",\"-Cpanic=immediate-abort\",\"-Zlocation-detail=none\",\"-Zfmt-debug=none\"]",
    "-Z",
    "build-std-features=optimize_for_size",
];
/// The flags of the folder's `.cargo/config.toml`, for the rows that leave one out. The first two name the linker's scripts.
const FLAGS: &[&str] = &[
    "-Clink-arg=-Tmemory.x",
    "-Clink-arg=-Tlink.x",
    RELAX,
    OUTLINER,
    INLINE,
    JUMP_TABLES,
    ADDRESSES,
    LOADS,
];
const RELAX: &str = "-Ctarget-feature=+relax";
const OUTLINER: &str = "-Cllvm-args=-enable-machine-outliner";
const INLINE: &str = "-Cllvm-args=-inlinehint-threshold=50";
const JUMP_TABLES: &str = "-Cllvm-args=-riscv-min-jump-table-entries=8";
const ADDRESSES: &str = "-Cllvm-args=-riscv-use-rematerializable-movimm";
const LOADS: &str = "-Cllvm-args=-enable-load-pre=false";
const LEFT_OUT: &[(&str, &[&str])] = &[
    ("the linker's relaxation", &[RELAX]),
    ("the outliner", &[OUTLINER]),
    ("the limit of inlining", &[INLINE]),
    (
        "the three flags for jump tables, addresses and loads",
        &[JUMP_TABLES, ADDRESSES, LOADS],
    ),
    (
        "all these flags",
        &[RELAX, OUTLINER, INLINE, JUMP_TABLES, ADDRESSES, LOADS],
    ),
];
const BEGIN: &str = "<!-- made by `cargo xtask size --matrix` -->";
const END: &str = "<!-- end -->";

/// A row: its name, the features that are on, the rest of cargo's arguments.
struct Build {
    name: String,
    features: Vec<&'static str>,
    args: &'static [&'static str],
    /// Flags for the compiler in place of the folder's own, if there are any.
    flags: Vec<&'static str>,
}

/// Builds every row, prints the table, and writes it into the README.
pub fn run() -> Result<(), String> {
    let mut rows = Vec::new();
    let mut all = None;
    for build in builds() {
        let Some((flash, ram)) = measure(&build)? else {
            println!(
                "{}: not measured, the compiler of this machine has no sources of its library",
                build.name
            );
            continue;
        };
        let (all_flash, all_ram) = *all.get_or_insert((flash, ram));
        let less = |figure: u32, from: u32| match i64::from(figure) - i64::from(from) {
            0 => String::new(),
            difference => format!("{difference:+}"),
        };
        rows.push(format!(
            "| {} | {flash} | {} | {ram} | {} |",
            build.name,
            less(flash, all_flash),
            less(ram, all_ram)
        ));
    }
    let table = format!(
        "| build | flash, B | | static RAM, B | |\n| --- | --: | --: | --: | --: |\n{}\n",
        rows.join("\n")
    );
    println!("\n{table}");
    write(&table)
}

fn builds() -> Vec<Build> {
    let mut builds = vec![Build {
        name: "all features, \"s\"".to_owned(),
        features: FEATURES.to_vec(),
        args: &[],
        flags: Vec::new(),
    }];
    for left_out in FEATURES {
        builds.push(Build {
            name: format!("without `{left_out}`"),
            features: FEATURES
                .iter()
                .copied()
                .filter(|feature| feature != left_out)
                .collect(),
            args: &[],
            flags: Vec::new(),
        });
    }
    for (what, args) in [
        ("\"s\"", &[][..]),
        ("\"z\"", &["--config", SMALL]),
        ("size flags", SIZE_FLAGS),
    ] {
        for (which, features) in [("all features", FEATURES), ("lean: none of these", &[])] {
            if !(args.is_empty() && features.len() == FEATURES.len()) {
                builds.push(Build {
                    name: format!("{which}, {what}"),
                    features: features.to_vec(),
                    args,
                    flags: Vec::new(),
                });
            }
        }
    }
    builds.push(Build {
        name: "lean with `binary`, size flags".to_owned(),
        features: vec!["binary"],
        args: SIZE_FLAGS,
        flags: Vec::new(),
    });
    let mut polling = FEATURES.to_vec();
    polling.push("polling");
    builds.push(Build {
        name: "with `polling`, \"s\"".to_owned(),
        features: polling,
        args: &[],
        flags: Vec::new(),
    });
    for (what, left_out) in LEFT_OUT {
        let flags = FLAGS.iter().copied();
        builds.push(Build {
            name: format!("all features, \"s\", without {what}"),
            features: FEATURES.to_vec(),
            args: &[],
            flags: flags.filter(|flag| !left_out.contains(flag)).collect(),
        });
    }
    builds
}

/// Flash and static RAM of the client alone.
fn measure(build: &Build) -> Result<Option<(u32, u32)>, String> {
    let firmware = Firmware {
        folder: FIRMWARE,
        target: Target::Imc,
        features: &build.features,
        images: &["client", "no-client"],
    };
    let mut args = vec!["--no-default-features"];
    args.extend(build.args);
    let Some(images) = firmware.build_with(&args, &build.flags)? else {
        return Ok(None);
    };
    let with = image::sizes(&images.join("client"))?;
    let without = image::sizes(&images.join("no-client"))?;
    let ram = (with.ram - without.ram).saturating_sub(BUFFERS);
    Ok(Some((with.flash - without.flash, ram)))
}

/// Puts the table between the marks.
fn write(table: &str) -> Result<(), String> {
    let path = run::root().join(FIRMWARE).join("README.md");
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let around = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = around.ok_or_else(|| format!("README.md has no `{BEGIN}` … `{END}`"))?;
    fs::write(&path, format!("{before}{BEGIN}\n{table}{END}{after}"))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else the rows that leave out a flag would differ by more than that.
    #[test]
    fn the_flags_are_those_of_the_folder() {
        let path = run::root().join(FIRMWARE).join(".cargo/config.toml");
        let text = fs::read_to_string(path).expect("the folder's configuration");
        let (_, list) = text.split_once("rustflags = [").expect("flags");
        let (list, _) = list.split_once("\n]").expect("the end of the list");
        let lines = list.lines().map(str::trim);
        let flags = lines.filter_map(|line| line.strip_prefix("\"-C\", \""));
        let flags: Vec<_> = flags
            .filter_map(|rest| Some(format!("-C{}", rest.split_once('"')?.0)))
            .collect();
        assert_eq!(flags, FLAGS);
    }
}
