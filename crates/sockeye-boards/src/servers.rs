//! The packages of the scenario servers, installed by lock file into ignored folders beside it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::run;
use crate::tools::{self, NODE, NPM, PYTHON};

const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Installs what is not there yet, or is there from another lock file.
pub fn install() -> Result<(), String> {
    tools::need(&[NODE, NPM, PYTHON])?;
    let servers = run::root().join("crates/sockeye-testkit/servers");
    for version in ["v4", "v3", "v2", "v1"] {
        let folder = servers.join("node").join(version);
        npm(&folder)?;
    }
    npm(&servers.join("differential"))?;
    for folder in ["python", "python4", "flask4"] {
        python(&servers.join(folder))?;
    }
    Ok(())
}

/// Whether the official server is there, without installing it.
pub fn official_is_installed() -> Result<(), String> {
    let folder = run::root().join("crates/sockeye-testkit/servers/node/v4");
    if folder.join("node_modules/.installed-from").is_file() {
        return Ok(());
    }
    Err(
        "missing: the packages of the official server; `cargo xtask servers` installs them"
            .to_owned(),
    )
}

/// Installs the packages that a folder's `requirements.txt` lists into a virtual environment there.
pub fn python(folder: &Path) -> Result<(), String> {
    once(
        &folder.join("requirements.txt"),
        &folder.join(".venv"),
        &|venv| {
            run_in(folder, "python3", &["-m", "venv", "--clear", ".venv"])?;
            let python = venv.join("bin/python").to_string_lossy().into_owned();
            run_in(
                folder,
                &python,
                &[
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--require-hashes",
                    "-r",
                    "requirements.txt",
                ],
            )
        },
    )
}

/// Installs the packages of a folder with a lock file.
pub fn npm(folder: &Path) -> Result<(), String> {
    once(
        &folder.join("package-lock.json"),
        &folder.join("node_modules"),
        &|_| {
            let ci = ["ci", "--no-fund", "--no-audit", "--ignore-scripts"];
            run_in(folder, "npm", &ci)
        },
    )
}

/// Fills `folder` from `lock`, and leaves a copy of the lock file in it to tell that it is complete.
fn once(
    lock: &Path,
    folder: &Path,
    fill: &dyn Fn(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let wanted =
        fs::read(lock).map_err(|error| format!("cannot read {}: {error}", lock.display()))?;
    let stamp = folder.join(".installed-from");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    fill(folder)?;
    fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

/// Package registries fail now and then; a second try is cheap.
fn run_in(folder: &Path, program: &str, args: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder);
    for _ in 0..2 {
        if run::run(&mut command, LIMIT)?.success() {
            return Ok(());
        }
    }
    Err(format!(
        "`{}` failed twice in {}",
        run::shown(&command),
        folder.display()
    ))
}
