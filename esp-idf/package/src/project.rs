//! Builds with ESP-IDF, for whoever has it. Nothing of ESP-IDF is in this repository: `IDF_PATH` says where it is, and its
//! `export.sh` puts its compiler and its Python into `PATH`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::riscv::{self, Target};
use crate::run;
use crate::tools::works;

/// A cold build of everything for a chip takes minutes on two cores.
const LIMIT: Duration = Duration::from_secs(40 * 60);
/// Shows whether the compiler for the ESP32-C3 is there.
pub const COMPILER: &[&str] = &["riscv32-esp-elf-gcc", "--version"];

/// The folder of ESP-IDF, if this machine has one.
pub fn path() -> Option<PathBuf> {
    std::env::var_os("IDF_PATH").map(PathBuf::from)
}

/// Whether ninja is there.
///
/// # Errors
/// It is not.
pub fn needs_ninja() -> Result<(), String> {
    if works(&["ninja", "--version"]) {
        Ok(())
    } else {
        Err("ninja is missing: ESP-IDF's install.sh brings it".to_owned())
    }
}

/// One build of one project.
#[derive(Debug)]
pub struct Project<'a> {
    /// The folder of ESP-IDF.
    pub idf: &'a Path,
    /// From the root of the repository, or absolute.
    pub folder: &'a str,
    /// A chip, or `linux`.
    pub target: &'a str,
    /// Where it is built.
    pub build: PathBuf,
    /// Lines of sdkconfig, above the project's own.
    pub options: &'a str,
    /// Beside what ESP-IDF itself wants.
    pub environment: &'a [(&'a str, &'a str)],
}

impl Project<'_> {
    /// With cmake itself, so that it also works where `idf.py` has not been set up.
    ///
    /// # Errors
    /// It does not build.
    pub fn build(&self, what: &str) -> Result<(), String> {
        let folder = run::root().join(self.folder);
        // What another ESP-IDF has left there names that one's files.
        let made_with = self.build.join("made-with");
        let idf = self.idf.display().to_string();
        if std::fs::read_to_string(&made_with).unwrap_or_default() != idf {
            let _ = std::fs::remove_dir_all(&self.build);
        }
        std::fs::create_dir_all(&self.build).map_err(|error| error.to_string())?;
        std::fs::write(&made_with, idf).map_err(|error| error.to_string())?;
        // Written anew, so that nothing of an earlier build's configuration is left.
        let sdkconfig = self.build.join("sdkconfig");
        let options = self.build.join("sdkconfig.options");
        let _ = std::fs::remove_file(&sdkconfig);
        std::fs::write(&options, self.options).map_err(|error| error.to_string())?;
        // Those of the environment too, as ESP-IDF itself would take them.
        let mut defaults = folder.join("sdkconfig.defaults").display().to_string();
        if let Ok(more) = std::env::var("SDKCONFIG_DEFAULTS") {
            defaults = format!("{defaults};{more}");
        }
        let mut configure = self.command("cmake")?;
        configure
            .args(["-G", "Ninja", "-DPYTHON_DEPS_CHECKED=1"])
            // For versions that do not know MINIMAL_BUILD.
            .arg("-DCOMPONENTS=main")
            .arg(format!("-DIDF_TARGET={}", self.target))
            .arg(format!("-DSDKCONFIG={}", sdkconfig.display()))
            .arg(format!(
                "-DSDKCONFIG_DEFAULTS={defaults};{}",
                options.display()
            ))
            .arg("-B")
            .arg(&self.build)
            .arg("-S")
            .arg(folder);
        if !run::run(&mut configure, LIMIT)?.success() {
            return Err("cmake exited with an error".to_owned());
        }
        let mut ninja = self.command("ninja")?;
        ninja.arg("-C").arg(&self.build).arg(what);
        if !run::run(&mut ninja, LIMIT)?.success() {
            return Err("ninja exited with an error".to_owned());
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Result<Command, String> {
        let mut command = Command::new(program);
        command
            .env("IDF_PATH", self.idf)
            .env("IDF_TARGET", self.target)
            .envs(self.environment.iter().copied());
        if self.target != "linux" {
            // A compiler without the target's library builds it from source.
            command.envs(riscv::component_environment(Target::Imc.triple())?);
        }
        Ok(command)
    }
}
