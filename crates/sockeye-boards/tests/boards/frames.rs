//! No function that runs on a chip has a large stack frame: tasks there have a few KB of stack, and one that writes beyond
//! it overwrites other memory without a word. (`sockeye_client_init` once had a frame of 98 KB.)
//!
//! Frames are read from the machine code of the release builds for riscv32imc: what a function takes off `sp`.

use std::fs;

use sockeye_boards::FIRMWARE;
use sockeye_boards::image::functions;
use sockeye_boards::riscv::{Firmware, Target};

/// What one function of the C library may take, in bytes: half of the smallest stack that ESP-IDF's menuconfig allows for the
/// client's task. The largest takes 2 816.
const LIBRARY: u32 = 3072;
/// The same for the board's images. Their largest frame by far is that of the main task, which builds the network and the
/// client and lends them to others: 9 264.
const BOARD: u32 = 9600;

/// The C library as ESP-IDF builds it, with everything that a device may switch on.
const C_LIBRARY: &[&str] = &[
    "--no-default-features",
    "--features",
    "polling,recovery,eio3",
    "--config",
    "profile.release.lto=\"fat\"",
    "--config",
    "profile.release.opt-level=\"s\"",
    "--config",
    "profile.release.panic=\"abort\"",
];

/// As ESP-IDF builds it.
#[test]
#[ignore = "builds images: cargo xtask test --part frames"]
fn no_function_of_the_c_library_has_a_large_frame() {
    let library = Firmware {
        folder: "crates/sockeye-c",
        target: Target::Imc,
        features: &[],
        images: &[],
    };
    check_built(&library, C_LIBRARY, &["libsockeye_c.a"], LIBRARY);
}

#[test]
#[ignore = "builds images: cargo xtask test --part frames"]
fn no_function_of_the_board_has_a_large_frame() {
    let images = &["client", "scenarios"];
    let firmware = Firmware {
        folder: FIRMWARE,
        target: Target::Imc,
        features: &["polling"],
        images,
    };
    check_built(&firmware, &[], images, BOARD);
}

/// Builds it, and looks through these files.
fn check_built(firmware: &Firmware<'_>, args: &[&str], files: &[&str], most: u32) {
    crate::one_build(|| {
        let output = firmware.build_with(args, &[])?;
        let output = output.ok_or("this machine's compiler cannot build that")?;
        for file in files {
            let path = output.join(file);
            let bytes = fs::read(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            check(&bytes, most).map_err(|error| format!("{file}: {error}"))?;
        }
        Ok(())
    });
}

/// Prints the largest frames; an error names those that are too large.
fn check(bytes: &[u8], most: u32) -> Result<(), String> {
    let mut found = Vec::new();
    functions(bytes, &mut |name, code| {
        found.push((frame(code), name.to_owned()));
    })?;
    if found.len() < 100 {
        return Err(format!("only {} functions were found", found.len()));
    }
    found.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    for (bytes, name) in found.iter().take(5) {
        println!("{bytes:>6} B  {name}");
    }
    let large = found.iter().take_while(|(bytes, _)| *bytes > most);
    let large: Vec<_> = large
        .map(|(bytes, name)| format!("{name} ({bytes} B)"))
        .collect();
    if large.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "more than {most} B of stack in one function: {}",
            large.join(", ")
        ))
    }
}

const SP: usize = 2;

/// What the code takes off `sp` in all, in bytes; `u32::MAX` if it is computed at run time. Large frames are taken in two steps, the second one by a register that was loaded
/// with a constant.
fn frame(code: &[u8]) -> u32 {
    let mut taken = 0_u32;
    let mut constants: [Option<i32>; 32] = [None; 32];
    let mut at = 0;
    let half = |at: usize| Some(u16::from_le_bytes(code.get(at..at + 2)?.try_into().ok()?));
    while let Some(low) = half(at) {
        let step = if low & 3 == 3 {
            let Some(high) = half(at + 2) else { break };
            at += 4;
            wide(u32::from(low) | u32::from(high) << 16)
        } else {
            at += 2;
            compressed(low)
        };
        match step {
            Step::Other { writes } => constants[writes] = None,
            Step::Load { into, value } => constants[into] = Some(value),
            Step::Add { into, from, value } if (into, from) != (SP, SP) => {
                constants[into] = constants[from].map(|from| from.wrapping_add(value));
            }
            Step::Add { value, .. } => taken = taken.saturating_add(value.min(0).unsigned_abs()),
            Step::MoveSp { by, negative } => match constants[by] {
                Some(value) => {
                    let value = if negative {
                        value.wrapping_neg()
                    } else {
                        value
                    };
                    taken = taken.saturating_add(value.min(0).unsigned_abs());
                }
                // Code that gives the frame back may have loaded its size before a jump; what takes it may not.
                None if negative => return u32::MAX,
                None => {}
            },
        }
    }
    taken
}

/// What an instruction has to do with it.
enum Step {
    /// Nothing; what was known of the register `writes` is gone.
    Other {
        writes: usize,
    },
    Load {
        into: usize,
        value: i32,
    },
    Add {
        into: usize,
        from: usize,
        value: i32,
    },
    /// The register `by` is added to `sp`, or taken off it.
    MoveSp {
        by: usize,
        negative: bool,
    },
}

fn wide(word: u32) -> Step {
    let register = |shift: u32| (word >> shift & 31) as usize;
    let (into, left, right) = (register(7), register(15), register(20));
    match (word & 0x7f, word >> 12 & 7, word >> 25) {
        (0x37, ..) => Step::Load {
            into,
            value: (word & 0xffff_f000).cast_signed(),
        },
        (0x13, 0, _) => {
            let value = word.cast_signed() >> 20;
            if left == 0 {
                Step::Load { into, value }
            } else {
                Step::Add {
                    into,
                    from: left,
                    value,
                }
            }
        }
        (0x33, 0, 0x20) if (into, left) == (SP, SP) => Step::MoveSp {
            by: right,
            negative: true,
        },
        (0x33, 0, 0) if into == SP && left == SP => Step::MoveSp {
            by: right,
            negative: false,
        },
        // Stores and branches write no register: those bits are part of their constant.
        (0x23 | 0x63, ..) => Step::Other { writes: 0 },
        _ => Step::Other { writes: into },
    }
}

fn compressed(half: u16) -> Step {
    let bit = |from: u32, to: u32| i32::from(half >> from & 1) << to;
    let into = usize::from(half >> 7 & 31);
    let short = usize::from(half >> 2 & 7) + 8;
    // Six bits with a sign.
    let value = i32::from(half >> 2 & 31) - (bit(12, 0) << 5);
    match (half & 3, half >> 13) {
        (1, 0) => Step::Add {
            into,
            from: into,
            value,
        },
        (1, 2) => Step::Load { into, value },
        (1, 3) if into == SP => Step::Add {
            into,
            from: into,
            value: bit(6, 4) + bit(2, 5) + bit(5, 6) + (bit(3, 0) + bit(4, 1)) * 128 - bit(12, 9),
        },
        (1, 3) => Step::Load {
            into,
            value: value << 12,
        },
        (2, 4) if half >> 12 & 1 == 1 && into == SP && half >> 2 & 31 != 0 => Step::MoveSp {
            by: usize::from(half >> 2 & 31),
            negative: false,
        },
        (1, 4) => Step::Other {
            writes: usize::from(half >> 7 & 7) + 8,
        },
        (0, 0..=3) => Step::Other { writes: short },
        (2, 0..=4) => Step::Other { writes: into },
        // Jumps and stores.
        _ => Step::Other { writes: 0 },
    }
}

fn halves(code: &[u16]) -> Vec<u8> {
    code.iter().flat_map(|half| half.to_le_bytes()).collect()
}

fn words(code: &[u32]) -> Vec<u8> {
    code.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn a_frame_in_one_step() {
    // addi sp, sp, -464; …; addi sp, sp, 464
    assert_eq!(frame(&words(&[0xe301_0113, 0x1d01_0113])), 464);
    // c.addi sp, -16; c.addi16sp sp, -112; c.addi16sp sp, -496; c.addi16sp sp, 112
    assert_eq!(
        frame(&halves(&[0x1141, 0x7159, 0x7101, 0x6165])),
        16 + 112 + 512
    );
    // c.li a0, -3; addi a1, a0, -3
    assert_eq!(frame(&halves(&[0x5575, 0x0593, 0xffd5])), 0);
}

#[test]
fn a_large_frame() {
    // addi sp, sp, -2032; lui a0, 24; addi a0, a0, 48; sub sp, sp, a0
    let code = [0x8101_0113, 0x0001_8537, 0x0305_0513, 0x40a1_0133];
    assert_eq!(frame(&words(&code)), 2032 + 24 * 4096 + 48);
    // c.lui a0, 2; sub sp, sp, a0; c.lui a0, 2; c.add sp, a0
    let code = [0x6509, 0x0133, 0x40a1, 0x6509, 0x912a];
    assert_eq!(frame(&halves(&code)), 2 * 4096);
    // lui a0, 0xffffe; add sp, sp, a0
    assert_eq!(frame(&words(&[0xffff_e537, 0x00a1_0133])), 2 * 4096);
}

#[test]
fn a_frame_whose_size_is_not_known() {
    // sub sp, sp, a0; lui a0, 24; lw a0, 0(a1); sub sp, sp, a0
    assert_eq!(frame(&words(&[0x40a1_0133])), u32::MAX);
    let code = [0x0001_8537, 0x0005_a503, 0x40a1_0133];
    assert_eq!(frame(&words(&code)), u32::MAX);
}

#[test]
fn what_is_no_image_is_told() {
    assert!(check(b"text", BOARD).is_err());
    assert!(check(b"!<arch>\n", BOARD).is_err());
}
