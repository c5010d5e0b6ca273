//! Says what the RustSec advisory database, in the folder given first, knows about the lock files given after it.
//! `cargo xtask lint --part advisories` runs it.

use std::path::Path;
use std::process::ExitCode;

use rustsec::{Database, Lockfile};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((folder, locks)) = args.split_first() else {
        eprintln!("it needs the folder of the database, and lock files");
        return ExitCode::FAILURE;
    };
    match found(Path::new(folder), locks) {
        Ok(found) if found.is_empty() => ExitCode::SUCCESS,
        Ok(found) => {
            found.iter().for_each(|line| println!("{line}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// One line for each advisory that a version in a lock file is affected by: vulnerabilities, and crates that are unsound or
/// not maintained any more.
fn found(folder: &Path, locks: &[String]) -> Result<Vec<String>, String> {
    let database = Database::open(folder)
        .map_err(|error| format!("cannot read the database {}: {error}", folder.display()))?;
    if database.iter().next().is_none() {
        return Err(format!("there is no advisory in {}", folder.display()));
    }
    let mut lines = Vec::new();
    for lock in locks {
        let lockfile =
            Lockfile::load(lock).map_err(|error| format!("cannot read {lock}: {error}"))?;
        for package in &lockfile.packages {
            for advisory in database.iter() {
                let ours = advisory.metadata.package == package.name
                    && advisory.metadata.withdrawn.is_none()
                    && advisory.versions.is_vulnerable(&package.version)
                    && package
                        .source
                        .as_ref()
                        .is_some_and(|source| source.is_default_registry());
                if ours {
                    let kind = advisory
                        .metadata
                        .informational
                        .as_ref()
                        .map_or("vulnerable", |kind| kind.as_str());
                    lines.push(format!(
                        "{lock}: {} {} ({kind}): {}: {}",
                        package.name,
                        package.version,
                        advisory.id(),
                        advisory.title()
                    ));
                }
            }
        }
    }
    Ok(lines)
}
