//! A program from Debian's packages, unpacked below `target/` instead of installed.
//!
//! For machines where apt-get cannot install it without removing a package (Debian's `qemu-system-misc` conflicts with a
//! newer `qemu-utils`), and for people who may not install anything: neither downloading nor unpacking changes the system.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::run;

/// Some dozens of packages from a mirror.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Where a package and what it needs are unpacked.
fn folder(package: &str) -> PathBuf {
    run::root().join("target/tools").join(package)
}

/// The program of an unpacked package, if it is there.
///
/// It finds its libraries in its own folder first, then in the system's. `data` are the folders, seen from the
/// package's root, that the program is to look for its files in, each behind the option that says so.
pub fn command(package: &str, program: &str, data: &[(&str, &str)]) -> Option<Command> {
    let root = folder(package);
    let path = root.join("usr/bin").join(program);
    // The mark is written last: a download that was cut off is begun again.
    if !path.is_file() || !mark(&root).is_file() {
        return None;
    }
    let mut command = Command::new(path);
    let libraries = library_folders(&root);
    if let Ok(libraries) = std::env::join_paths(libraries) {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    for (option, folder) in data {
        command.arg(option).arg(root.join(folder));
    }
    Some(command)
}

fn mark(root: &Path) -> PathBuf {
    root.join("complete")
}

/// `usr/lib`, `lib`, and the folder of each architecture in them (`x86_64-linux-gnu`).
fn library_folders(root: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for lib in [root.join("usr/lib"), root.join("lib")] {
        let inner = fs::read_dir(&lib).into_iter().flatten().flatten();
        folders.extend(
            inner
                .map(|entry| entry.path())
                .filter(|path| path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu")),
        );
        folders.push(lib);
    }
    folders.retain(|folder| folder.is_dir());
    folders
}

/// Downloads the package and what it needs beyond what is installed, and unpacks all of it.
pub(super) fn unpack(package: &str) -> Result<(), String> {
    let root = folder(package);
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    fs::remove_dir_all(&root).ok();
    let downloads = root.join("packages");
    fs::create_dir_all(&downloads)
        .map_err(|error| failed(&format!("cannot make {}", downloads.display()), &error))?;
    // A simulation: what apt-get would install. It changes nothing, and needs no rights.
    let plan = Command::new("apt-get")
        .args(["install", "--simulate", "--no-install-recommends", package])
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| failed("cannot start apt-get", &error))?;
    let plan = new_packages(&String::from_utf8_lossy(&plan.stdout));
    if plan.is_empty() {
        return Err(format!("apt-get does not know how to install {package}"));
    }
    println!(
        "Unpacking {package} and {} packages that it needs below target/tools: nothing is installed or removed.",
        plan.len() - 1
    );
    let mut download = Command::new("apt-get");
    download
        .args(["download", "-q"])
        .args(&plan)
        .current_dir(&downloads);
    if !run::run(&mut download, LIMIT)?.success() {
        return Err(format!("the packages of {package} could not be downloaded"));
    }
    let files = fs::read_dir(&downloads)
        .map_err(|error| failed("cannot read the downloads", &error))?
        .flatten();
    for file in files {
        let unpacked = Command::new("dpkg-deb")
            .arg("--extract")
            .args([file.path(), root.clone()])
            .status();
        if !unpacked.is_ok_and(|status| status.success()) {
            return Err(format!("cannot unpack {}", file.path().display()));
        }
    }
    fs::remove_dir_all(&downloads).ok();
    fs::write(mark(&root), "").map_err(|error| failed("cannot write below target/tools", &error))
}

/// The packages that a simulated installation names, `Inst name [old] (new …)`. What is installed already and would only
/// get a newer version is left alone: the installed one serves.
fn new_packages(simulation: &str) -> BTreeSet<String> {
    simulation
        .lines()
        .filter_map(|line| line.strip_prefix("Inst "))
        .filter_map(|rest| rest.split_once(' '))
        .filter(|(_, versions)| versions.starts_with('('))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_packages_are_taken_from_the_plan() {
        let plan = "NOTE: This is only a simulation!\n\
                    Remv qemu-utils [1:10.0.2]\n\
                    Inst libgbm1 [22.3.6-1] (22.3.7-1 Debian:12/oldstable [amd64])\n\
                    Inst libfdt1 (1.6.1-4+b1 Debian:12/oldstable [amd64])\n\
                    Inst qemu-system-misc (1:7.2+dfsg-7 Debian:12/oldstable [amd64]) []\n\
                    Conf libfdt1 (1.6.1-4+b1 Debian:12/oldstable [amd64])\n";
        let names: Vec<String> = new_packages(plan).into_iter().collect();
        assert_eq!(names, ["libfdt1", "qemu-system-misc"]);
    }

    #[test]
    fn a_package_that_is_not_unpacked_has_no_program() {
        assert!(command("no-such-package", "program", &[]).is_none());
    }
}
