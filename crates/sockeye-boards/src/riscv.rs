//! Builds the firmware of emulated boards: with rustup's RISC-V target where it is installed, else with Debian's
//! compiler and library sources. Also reads what an image takes of flash and RAM.

use std::ffi::OsString;
use std::fs;
use std::io::IsTerminal as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::run;
use crate::tools::{self, Tool, works};

/// A cold build with C code takes three minutes on two cores.
const LIMIT: Duration = Duration::from_secs(20 * 60);

pub const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/core";

pub const DEBIAN_COMPILER: Tool = Tool {
    what: "a Rust compiler with RISC-V targets (`rustup target add riscv32imc-unknown-none-elf riscv32imac-unknown-none-elf`)",
    probe: &[DEBIAN_RUSTC, "--version"],
    packages: &["rustc-web"],
};
pub const DEBIAN_LIBRARY: Tool = Tool {
    what: "the sources of Rust's library",
    probe: &["test", "-d", DEBIAN_SOURCES],
    packages: &["rust-web-src"],
};
const DEBIAN_CLIPPY: Tool = Tool {
    what: "clippy for Debian's compiler",
    probe: &["/usr/bin/clippy-driver", "--version"],
    packages: &["rust-web-clippy"],
};
/// Mbed TLS is compiled where its wall clock is switched on.
pub const C_TOOLS: &[Tool] = &[
    Tool {
        what: "clang",
        probe: &["clang", "--version"],
        packages: &["clang"],
    },
    Tool {
        what: "CMake",
        probe: &["cmake", "--version"],
        packages: &["cmake"],
    },
    Tool {
        what: "Ninja",
        probe: &["ninja", "--version"],
        packages: &["ninja-build"],
    },
];

/// An instruction set that chips of the ESP32 family have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// No atomic instructions: ESP32-C2, C3.
    Imc,
    /// With atomic instructions: ESP32-C6, H2.
    Imac,
}

impl Target {
    pub const ALL: [Self; 2] = [Self::Imc, Self::Imac];

    pub fn triple(self) -> &'static str {
        match self {
            Self::Imc => "riscv32imc-unknown-none-elf",
            Self::Imac => "riscv32imac-unknown-none-elf",
        }
    }

    /// For people: the instruction set and a chip that has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imc => "imc (as ESP32-C3)",
            Self::Imac => "imac (as ESP32-C6)",
        }
    }
}

/// How this machine builds for RISC-V.
enum Compiler {
    /// `rustup target add` has been here.
    Rustup,
    /// Another compiler, or the same one with library sources: builds `core` along with the image.
    Sources { rustc: PathBuf, linker: PathBuf },
}

/// Images of one firmware folder, in release mode.
pub struct Firmware<'a> {
    /// The folder with its `Cargo.toml`, from the root of the repository.
    pub folder: &'a str,
    pub target: Target,
    pub features: &'a [&'a str],
    pub images: &'a [&'a str],
}

impl Firmware<'_> {
    /// The folder where the images lie under their names; they are built, unless `cargo xtask test` has done that.
    pub fn built(&self) -> Result<PathBuf, String> {
        if std::env::var_os(crate::PREPARED).is_none() {
            return self.build();
        }
        let output = run::root().join(self.folder).join("target");
        Ok(output.join(self.target.triple()).join("release"))
    }

    /// Builds the images. Gives the folder where they lie under their names.
    pub fn build(&self) -> Result<PathBuf, String> {
        let compiler = compiler(self.target.triple())?;
        let output = run::root().join(self.folder).join("target");
        self.run(self.cargo("build --release", &compiler), "build")?;
        Ok(output.join(self.target.triple()).join("release"))
    }

    /// Runs clippy on the images and what they share; warnings are errors.
    pub fn lint(&self) -> Result<(), String> {
        let compiler = compiler(self.target.triple())?;
        let driver = match &compiler {
            Compiler::Sources { rustc, .. } if rustc == Path::new(DEBIAN_RUSTC) => {
                tools::need(&[DEBIAN_CLIPPY])?;
                DEBIAN_CLIPPY.probe[0]
            }
            _ => "clippy-driver",
        };
        // What `cargo clippy -- -D warnings` does; it would take the driver of another compiler. In release mode, so that
        // the C library is not compiled a second time.
        let mut cargo = self.cargo("check --release", &compiler);
        cargo.env("RUSTC_WORKSPACE_WRAPPER", driver);
        cargo.env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__");
        self.run(cargo, "pass clippy")
    }

    /// Builds the images with other settings than those of the folder: `args` for cargo, and `flags` for the compiler
    /// in place of the folder's own, if there are any. Gives the folder of the images, which the next build writes over;
    /// nothing if this machine's compiler cannot do it.
    pub fn build_with(&self, args: &[&str], flags: &[&str]) -> Result<Option<PathBuf>, String> {
        let compiler = compiler(self.target.triple())?;
        let own_library = args.iter().any(|arg| arg.starts_with("build-std"));
        if own_library && matches!(compiler, Compiler::Rustup) {
            return Ok(None);
        }
        let output = run::root().join(self.folder).join("target");
        let mut cargo = self.cargo("build --release", &compiler);
        cargo.args(args);
        if !flags.is_empty() {
            cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        }
        self.run(cargo, "build")?;
        Ok(Some(output.join(self.target.triple()).join("release")))
    }

    fn cargo(&self, verb: &str, compiler: &Compiler) -> Command {
        let folder = run::root().join(self.folder);
        let mut cargo = run::cargo(verb);
        cargo.args(["--locked", "--target", self.target.triple()]);
        // A person who waits for minutes sees that it goes on.
        if !std::io::stdout().is_terminal() {
            cargo.arg("--quiet");
        }
        cargo.arg("--target-dir").arg(folder.join("target"));
        cargo.current_dir(folder);
        // Flags from outside would replace those of the folder's own configuration, which name the linker scripts.
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
            cargo.env_remove(name);
        }
        if let Compiler::Sources { rustc, linker } = compiler {
            let triple = self.target.triple().to_uppercase().replace('-', "_");
            cargo.args(["-Z", "build-std=core,alloc"]);
            cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
            cargo.env(format!("CARGO_TARGET_{triple}_LINKER"), linker);
        }
        for image in self.images {
            cargo.args(["--bin", image]);
        }
        if !self.features.is_empty() {
            cargo.args(["--features", &self.features.join(",")]);
        }
        cargo
    }

    fn run(&self, mut cargo: Command, what: &str) -> Result<(), String> {
        if self.features.contains(&"tls") {
            tools::need(C_TOOLS)?;
        }
        if run::run(&mut cargo, LIMIT)?.success() {
            return Ok(());
        }
        let images = if self.images.is_empty() {
            "all".to_owned()
        } else {
            self.images.join(", ")
        };
        Err(format!(
            "the images of {} ({images}) do not {what} for {}",
            self.folder,
            self.target.triple()
        ))
    }
}

/// Sees to it that this machine can build for the target.
pub fn need(target: Target) -> Result<(), String> {
    compiler(target.triple()).map(drop)
}

/// Whether images get the library that rustup has for the target: compiled beforehand, without the flags of the firmware.
pub fn has_foreign_library(target: Target) -> Result<bool, String> {
    Ok(matches!(compiler(target.triple())?, Compiler::Rustup))
}

fn compiler(triple: &str) -> Result<Compiler, String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let libraries = print(&rustc, &["--print", "target-libdir", "--target", triple]);
    if libraries.is_some_and(|folder| has_core(Path::new(&folder))) {
        return Ok(Compiler::Rustup);
    }
    let sysroot = print(&rustc, &["--print", "sysroot"]).map(PathBuf::from);
    let own_sources = sysroot
        .as_ref()
        .is_some_and(|root| root.join("lib/rustlib/src/rust/library/core").is_dir());
    let rustc = if own_sources {
        rustc
    } else {
        tools::need(&[DEBIAN_COMPILER, DEBIAN_LIBRARY])?;
        DEBIAN_RUSTC.to_owned()
    };
    Ok(Compiler::Sources {
        rustc: rustc.into(),
        linker: linker(sysroot.as_deref())?,
    })
}

/// The variable by which the CMake of the ESP-IDF component is told of more arguments for cargo, with semicolons between.
pub const CARGO_ARGS: &str = "SOCKEYE_CARGO_ARGS";

/// What the CMake of the ESP-IDF component takes of this machine's compiler, in the environment: nothing where rustup has the
/// target, which is one of RISC-V without a system.
pub fn component_environment(triple: &str) -> Result<Vec<(&'static str, OsString)>, String> {
    Ok(match compiler(triple)? {
        Compiler::Rustup => Vec::new(),
        Compiler::Sources { rustc, .. } => vec![
            ("RUSTC", rustc.into_os_string()),
            ("RUSTC_BOOTSTRAP", "1".into()),
            (CARGO_ARGS, "-Z;build-std=core,alloc".into()),
        ],
    })
}

fn has_core(libraries: &Path) -> bool {
    fs::read_dir(libraries).is_ok_and(|files| {
        files
            .flatten()
            .any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

/// The linker that comes with rustup's compiler; Debian's compiler does not find one by itself.
fn linker(sysroot: Option<&Path>) -> Result<PathBuf, String> {
    let hosts = sysroot.and_then(|root| fs::read_dir(root.join("lib/rustlib")).ok());
    let bundled = hosts
        .into_iter()
        .flatten()
        .flatten()
        .map(|host| host.path().join("bin/rust-lld"))
        .find(|path| path.is_file());
    match bundled {
        Some(linker) => Ok(linker),
        None if works(&["ld.lld", "--version"]) => Ok("ld.lld".into()),
        None => {
            tools::need(&[Tool {
                what: "LLVM's linker",
                probe: &["ld.lld", "--version"],
                packages: &["lld"],
            }])?;
            Ok("ld.lld".into())
        }
    }
}

fn print(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// What an image takes of a chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Code, constants and initial values.
    pub flash: u32,
    /// Static data, without stack and heap areas.
    pub ram: u32,
}

/// The named pieces of flash and their sizes, as the compiler calls them.
pub fn symbols(image: &Path) -> Result<Vec<(String, u32)>, String> {
    let bytes =
        fs::read(image).map_err(|error| format!("cannot read {}: {error}", image.display()))?;
    let symbols = elf_symbols(&bytes)
        .ok_or_else(|| format!("{} has no table of symbols", image.display()))?;
    let in_flash = symbols.into_iter().filter(|one| one.at < FLASH_END);
    Ok(in_flash.map(|one| (one.name, one.size)).collect())
}

/// Where the board's RAM begins.
const FLASH_END: u32 = 0x8020_0000;

struct Symbol {
    name: String,
    at: u32,
    size: u32,
}

fn elf_symbols(elf: &[u8]) -> Option<Vec<Symbol>> {
    const TABLE: u32 = 2;
    let word = |at: usize| Some(u32::from_le_bytes(elf.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?));
    let sections = word(0x20)? as usize;
    let (entry, count) = (half(0x2e)? as usize, half(0x30)? as usize);
    let section = |index: usize| sections + index * entry;
    let table = (0..count)
        .map(section)
        .find(|at| word(at + 4) == Some(TABLE))?;
    let (at, len) = (word(table + 0x10)? as usize, word(table + 0x14)? as usize);
    let names = word(section(word(table + 0x18)? as usize) + 0x10)? as usize;
    let mut symbols = Vec::new();
    for symbol in (at..at + len).step_by(16) {
        let (name, value, size) = (word(symbol)?, word(symbol + 4)?, word(symbol + 8)?);
        if size > 0 {
            let name = elf.get(names + name as usize..)?.split(|byte| *byte == 0);
            let name = String::from_utf8_lossy(name.into_iter().next()?).into_owned();
            symbols.push(Symbol {
                name,
                at: value,
                size,
            });
        }
    }
    Some(symbols)
}

/// Reads the sizes from the section table of an image.
pub fn sizes(image: &Path) -> Result<Sizes, String> {
    let bytes =
        fs::read(image).map_err(|error| format!("cannot read {}: {error}", image.display()))?;
    elf_sizes(&bytes)
        .ok_or_else(|| format!("{} is not a 32-bit little-endian ELF file", image.display()))
}

fn elf_sizes(elf: &[u8]) -> Option<Sizes> {
    const NO_BITS: u32 = 8;
    const WRITE: u32 = 1;
    const ALLOC: u32 = 2;
    let word = |at: usize| Some(u32::from_le_bytes(elf.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?));
    if elf.get(..6)? != b"\x7fELF\x01\x01" {
        return None;
    }
    let table = word(0x20)? as usize;
    let (entry, count, names) = (
        half(0x2e)? as usize,
        half(0x30)? as usize,
        half(0x32)? as usize,
    );
    let names = word(table + names * entry + 0x10)? as usize;
    let mut sizes = Sizes::default();
    let mut writable = Vec::new();
    for section in (0..count).map(|index| table + index * entry) {
        let (name, kind, flags, at, size) = (
            word(section)?,
            word(section + 4)?,
            word(section + 8)?,
            word(section + 12)?,
            word(section + 20)?,
        );
        let name = elf
            .get(names + name as usize..)?
            .split(|byte| *byte == 0)
            .next()?;
        if flags & ALLOC == 0 || [&b".stack"[..], b".heap"].contains(&name) {
            continue;
        }
        if kind != NO_BITS {
            sizes.flash += size;
        }
        if flags & WRITE != 0 {
            // Where statics may lie, for those that have a symbol.
            writable.push(at..at + size);
        }
    }
    // By the statics themselves: in the size of a section gaps count too, and one before a page's beginning would hide
    // up to 4 KB.
    let statics = elf_symbols(elf)?.into_iter();
    let statics = statics.filter(|one| writable.iter().any(|range| range.contains(&one.at)));
    sizes.ram = covered(statics.map(|one| one.at..one.at + one.size).collect());
    Some(sizes)
}

/// Bytes that lie in at least one of the ranges: LLVM merges small statics into one with a symbol of its own, and keeps theirs.
fn covered(mut ranges: Vec<Range<u32>>) -> u32 {
    ranges.sort_by_key(|range| range.start);
    let mut end = 0;
    ranges.into_iter().fold(0, |sum, range| {
        let begin = range.start.max(end);
        end = end.max(range.end);
        sum + range.end.saturating_sub(begin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statics_within_others_count_once() {
        let merged = vec![100..200, 0..10, 100..104, 104..150, 150..200, 300..301];
        assert_eq!(covered(merged), 10 + 100 + 1);
        assert_eq!(covered(vec![0..10, 5..20, 5..8]), 20);
    }
}
