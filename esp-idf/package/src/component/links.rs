//! Links of the documents that go into the package: to files that are in it too, or to the repository of that version.

use std::path::{Component, Path, PathBuf};

use super::COMPONENT;
use crate::run::root;

const REPOSITORY: &str = "https://github.com/sockeye-rs/sockeye";
/// Folders of the repository that are in the package under another name.
const MOVED: &[(&str, &str)] = &[
    ("crates/sockeye-c/include", "rust/crates/sockeye-c/include"),
    ("crates/sockeye-c/port", "rust/crates/sockeye-c/port"),
    ("crates/sockeye-c/src", "rust/crates/sockeye-c/src"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    (COMPONENT, ""),
];

/// The text of the document at `path`, from the root of the repository, with links as they are right in the package.
pub(super) fn inside(text: &str, path: &str, version: &str) -> Result<String, String> {
    let mut pieces = text.split("](");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (link, rest) = piece
            .split_once(')')
            .ok_or_else(|| format!("{path}: a link has no end"))?;
        out += &format!("]({}){rest}", moved(link, path, version)?);
    }
    Ok(out)
}

fn moved(link: &str, document: &str, version: &str) -> Result<String, String> {
    if link.contains("://") || link.starts_with(['#', '<']) || link.starts_with("mailto:") {
        return Ok(link.to_owned());
    }
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, format!("#{anchor}")),
        None => (link, String::new()),
    };
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let target = normal(&folder.join(file));
    if !root().join(&target).exists() {
        return Err(format!("{document}: there is no {}", target.display()));
    }
    for (from, to) in MOVED {
        if let Ok(below) = target.strip_prefix(from) {
            let target = if below.as_os_str().is_empty() {
                PathBuf::from(to)
            } else {
                Path::new(to).join(below)
            };
            let here = folder.strip_prefix(COMPONENT).unwrap_or(Path::new(""));
            let up = "../".repeat(here.components().count());
            let target = target.display().to_string();
            return Ok(match format!("{up}{target}{anchor}") {
                empty if empty.is_empty() => ".".to_owned(),
                link => link,
            });
        }
    }
    let kind = if root().join(&target).is_dir() {
        "tree"
    } else {
        "blob"
    };
    let target = target.display();
    Ok(format!("{REPOSITORY}/{kind}/v{version}/{target}{anchor}"))
}

/// Without `..`, which stands only before names of this repository.
fn normal(path: &Path) -> PathBuf {
    path.components()
        .fold(PathBuf::new(), |mut out, part| match part {
            Component::ParentDir => {
                out.pop();
                out
            }
            Component::CurDir => out,
            part => {
                out.push(part);
                out
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_the_package() {
        let readme = "esp-idf/sockeye/README.md";
        let header = moved("../../crates/sockeye-c/include/sockeye.h", readme, "1.2.3");
        assert_eq!(
            header.as_deref(),
            Ok("rust/crates/sockeye-c/include/sockeye.h")
        );
        let outside = moved("../../CONTRIBUTING.md#reporting", readme, "1.2.3");
        assert_eq!(
            outside,
            Ok(format!(
                "{REPOSITORY}/blob/v1.2.3/CONTRIBUTING.md#reporting"
            ))
        );
        let example = "esp-idf/sockeye/examples/chat/README.md";
        assert_eq!(
            moved("../../README.md#tls", example, "1").as_deref(),
            Ok("../../README.md#tls")
        );
        assert_eq!(moved("#here", readme, "1").as_deref(), Ok("#here"));
        assert!(moved("nothing.md", readme, "1").is_err());
        assert!(inside("[a](b", readme, "1").is_err());
    }
}
