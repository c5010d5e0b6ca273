//! Builds the firmware of emulated boards: with rustup's RISC-V target where it is installed, else with Debian's
//! compiler and library sources.

use std::ffi::OsString;
use std::fs;
use std::io::IsTerminal as _;
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
