//! `cargo xtask component`: the ESP-IDF component as a package that needs nothing of this repository, for the component
//! registry and for a project's `components/`. It has the Rust sources that the library is made of, and on request the
//! libraries themselves. The same commit gives the same bytes.

mod library;
mod links;
mod sources;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::root;
use crate::tools::{self, Tool};

/// Where the component is in the repository.
const COMPONENT: &str = "esp-idf/sockeye";
const NAME: &str = "sockeye";
/// What the registry will call it; examples name their component so.
const REGISTRY_NAME: &str = "sockeye-rs/sockeye";
/// Beside the component's own files.
const FROM_ROOT: &[&str] = &["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];

const TOOLS: &[Tool] = &[
    Tool {
        what: "git",
        probe: &["git", "--version"],
        packages: &["git"],
    },
    Tool {
        what: "GNU tar",
        probe: &["sh", "-c", "tar --version | grep -q GNU"],
        packages: &["tar"],
    },
];

/// Makes the package in `out`, with the libraries for the chips of the list `prebuilt`, and the archive beside it.
///
/// # Errors
/// A chip is unknown or has no compiler here; git, tar or cargo failed; or something else lies where the package would.
pub fn run(out: Option<&Path>, prebuilt: Option<&str>) -> Result<(), String> {
    let out = match out {
        Some(folder) => std::path::absolute(folder).map_err(|error| error.to_string())?,
        None => root().join("target/component"),
    };
    let chips = prebuilt.map_or_else(|| Ok(Vec::new()), library::chips)?;
    tools::need(TOOLS)?;
    let package = out.join(NAME);
    make(&package)?;
    for chip in &chips {
        library::build(&package, chip)?;
    }
    let version = version()?;
    let archive = out.join(format!("{NAME}_{version}.tgz"));
    pack(&package, &archive)?;
    let (files, bytes) = weigh(&package)?;
    println!("{}: {files} files, {bytes} bytes", package.display());
    println!("{}: {} bytes", archive.display(), size(&archive)?);
    Ok(())
}

/// Writes the component anew, with its Rust sources.
///
/// # Errors
/// What of it cannot be read, written or understood; or something else lies there.
pub fn make(package: &Path) -> Result<(), String> {
    clear(package)?;
    let version = version()?;
    for path in tracked(COMPONENT)? {
        let inside = path.strip_prefix(COMPONENT).unwrap_or(&path);
        let inside = inside.trim_start_matches('/');
        let from = root().join(&path);
        let text = || fs::read_to_string(&from).map_err(|error| format!("{path}: {error}"));
        let to = package.join(inside);
        match inside {
            "idf_component.yml" => write(&to, &with_version(&text()?, &version)?)?,
            _ if inside.ends_with(".md") => {
                write(&to, &links::inside(&text()?, &path, &version)?)?;
            }
            _ if is_example_root(inside, "CMakeLists.txt") => {
                write(&to, &without_repository(&text()?, &path)?)?;
            }
            // Written below, for examples without one too.
            _ if inside.starts_with("examples/") && inside.ends_with("main/idf_component.yml") => {}
            _ => copy(&from, &to)?,
        }
        if is_example_root(inside, "CMakeLists.txt") {
            let example = Path::new(inside).parent().unwrap_or(Path::new(""));
            let manifest = example.join("main/idf_component.yml");
            let own = fs::read_to_string(root().join(COMPONENT).join(&manifest));
            let text = with_component(&own.unwrap_or_default(), &version)?;
            write(&package.join(manifest), &text)?;
        }
    }
    for name in FROM_ROOT {
        let from = root().join(name);
        if name.ends_with(".md") {
            let text = fs::read_to_string(&from).map_err(|error| format!("{name}: {error}"))?;
            write(&package.join(name), &links::inside(&text, name, &version)?)?;
        } else {
            copy(&from, &package.join(name))?;
        }
    }
    sources::copy_trimmed(&package.join("rust"))
}

/// Only what this command has made is ever removed.
fn clear(package: &Path) -> Result<(), String> {
    let ours =
        package.join("rust/Cargo.lock").is_file() && package.join("idf_component.yml").is_file();
    let empty = fs::read_dir(package).map_or(true, |mut inside| inside.next().is_none());
    if !ours && !empty {
        return Err(format!(
            "{} is there already and is not a package of this command: remove it, or name another folder by --out",
            package.display()
        ));
    }
    if ours {
        fs::remove_dir_all(package)
            .map_err(|error| format!("cannot remove {}: {error}", package.display()))?;
    }
    Ok(())
}

/// The version of the workspace, which the component has too.
fn version() -> Result<String, String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).map_err(|e| e.to_string())?;
    let package = sources::section(&manifest, "workspace.package")
        .ok_or("Cargo.toml has no [workspace.package]")?;
    let line = package.lines().find(|line| line.starts_with("version"));
    let value = line.and_then(|line| line.split('"').nth(1));
    value
        .map(str::to_owned)
        .ok_or_else(|| "Cargo.toml has no version of the workspace".to_owned())
}

fn with_version(manifest: &str, version: &str) -> Result<String, String> {
    let mut lines: Vec<String> = manifest.lines().map(str::to_owned).collect();
    let line = lines.iter_mut().find(|line| line.starts_with("version:"));
    let line = line.ok_or("idf_component.yml has no version")?;
    *line = format!("version: \"{version}\"");
    Ok(lines.join("\n") + "\n")
}

/// `examples/NAME/FILE`.
fn is_example_root(inside: &str, file: &str) -> bool {
    let mut parts = inside.split('/');
    parts.next() == Some("examples") && parts.nth(1) == Some(file) && parts.next().is_none()
}

/// An example of the repository names its component by a folder above it; one of the registry by its manifest.
fn without_repository(cmake: &str, path: &str) -> Result<String, String> {
    const COMMENT: &str = "# The component from this repository";
    const FOLDER: &str = "set(EXTRA_COMPONENT_DIRS \"${CMAKE_CURRENT_LIST_DIR}/../..\")";
    if !cmake.lines().any(|line| line == FOLDER) {
        return Err(format!("{path} has no line `{FOLDER}`"));
    }
    let kept = cmake
        .lines()
        .filter(|line| *line != FOLDER && !line.starts_with(COMMENT));
    let mut text = String::new();
    for line in kept {
        // Of the empty lines on both sides one is enough.
        if !(line.is_empty() && text.ends_with("\n\n")) {
            text += line;
            text.push('\n');
        }
    }
    Ok(text)
}

/// The manifest of an example, with the component it is an example of. `override_path` is how the registry's documentation
/// has examples find their component while they lie beside it.
fn with_component(manifest: &str, version: &str) -> Result<String, String> {
    let own = format!(
        "dependencies:\n  {REGISTRY_NAME}:\n    version: \"^{version}\"\n    \
         # While the example lies in its component. Remove this line from a copy elsewhere.\n    \
         override_path: \"../../..\"\n"
    );
    match manifest.strip_prefix("dependencies:\n") {
        Some(rest) => Ok(own + rest),
        None if manifest.is_empty() => Ok(own),
        None => Err("the manifest of an example does not begin with `dependencies:`".to_owned()),
    }
}

/// Paths of files that git knows below a folder, from the root, in order.
fn tracked(folder: &str) -> Result<Vec<String>, String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--", folder])
        .current_dir(root())
        .output()
        .map_err(|error| format!("git: {error}"))?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let paths = text.split('\0').filter(|path| !path.is_empty());
    // A file that is removed and not yet committed is still listed.
    let mut paths: Vec<String> = paths
        .filter(|path| root().join(path).is_file())
        .map(str::to_owned)
        .collect();
    if !listed.status.success() || paths.is_empty() {
        return Err(format!(
            "git knows no files in {folder}: packages are made in a checkout"
        ));
    }
    paths.sort();
    Ok(paths)
}

/// One file, in the layout that `compote component pack` gives it. Names are sorted, owners and times are the same
/// everywhere: that of the commit, or SOURCE_DATE_EPOCH.
fn pack(package: &Path, archive: &Path) -> Result<(), String> {
    let time = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(time) => time,
        Err(_) => {
            let shown = Command::new("git")
                .args(["log", "-1", "--format=%ct"])
                .current_dir(root())
                .output()
                .map_err(|error| format!("git: {error}"))?;
            String::from_utf8_lossy(&shown.stdout).trim().to_owned()
        }
    };
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--format=ustar", "--mode=u=rwX,go=rX"])
        .arg(format!("--mtime=@{time}"))
        // Without the name and the time of the file in the head of gzip.
        .arg("--use-compress-program=gzip -n -9")
        .arg("-cf")
        .arg(archive)
        .arg("-C")
        .arg(package)
        .arg(".");
    let status = tar.status().map_err(|error| format!("tar: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("tar could not write {}", archive.display()))
    }
}

/// Files and bytes below a folder.
fn weigh(folder: &Path) -> Result<(u64, u64), String> {
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let (mut files, mut bytes) = (0, 0);
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let (more, size) = if path.is_dir() {
            weigh(&path)?
        } else {
            (1, size(&path)?)
        };
        files += more;
        bytes += size;
    }
    Ok((files, bytes))
}

fn size(path: &Path) -> Result<u64, String> {
    fs::metadata(path)
        .map(|data| data.len())
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    folder_of(path)?;
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    folder_of(to)?;
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| format!("cannot copy {}: {error}", from.display()))
}

fn folder_of(path: &Path) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_of_examples() {
        let alone = with_component("", "1.2.3").expect("an example without dependencies");
        assert!(alone.contains("\"^1.2.3\"") && alone.contains("override_path"));
        let more = with_component("dependencies:\n  other: \"1\"\n", "1.2.3");
        assert_eq!(more, Ok(alone + "  other: \"1\"\n"));
        assert!(with_component("# x\ndependencies:\n", "1.2.3").is_err());
    }

    #[test]
    fn an_example_that_names_no_folder_is_an_error() {
        let text = "a\n\n# The component from this repository; x\nset(EXTRA_COMPONENT_DIRS \"${CMAKE_CURRENT_LIST_DIR}/../..\")\n\nb\n";
        assert_eq!(without_repository(text, "x").as_deref(), Ok("a\n\nb\n"));
        assert!(without_repository("a\n", "x").is_err());
    }

    #[test]
    fn the_component_has_the_version_of_the_workspace() {
        let manifest = fs::read_to_string(root().join(COMPONENT).join("idf_component.yml"));
        let manifest = manifest.expect("the component's manifest");
        let version = version().expect("the workspace's version");
        assert_eq!(with_version(&manifest, &version), Ok(manifest.clone()));
    }
}
