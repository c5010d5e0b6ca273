//! No file of the core looks up.

use std::fs;
use std::path::Path;

use sockeye_repository::{nothing_wrong, read, root};

/// The floors of the core, from the roof down. What lies on one may name what lies below it, and nothing above.
const FLOORS: &[&str] = &[
    "lib", "storage", "drive", "client", "engine", "outbox", "error", "wire", "id", "handle",
    "rng", "config", "packet", "memory", "short", "url", "message", "features", "limits", "time",
    "slices", "fmt",
];

#[test]
fn no_file_of_the_core_names_what_lies_above_it() -> Result<(), String> {
    let folder = root().join("crates/sockeye-core/src");
    let library = read(folder.join("lib.rs"))?;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let Some(floor) = FLOORS.iter().position(|floor| *floor == name) else {
            wrong.push(format!("{name}: say in {} on which floor it lies", file!()));
            continue;
        };
        if name != "lib" {
            visit(&path, floor, &library, &mut wrong)?;
        }
    }
    wrong.sort();
    nothing_wrong(&wrong);
    Ok(())
}

fn visit(path: &Path, floor: usize, library: &str, wrong: &mut Vec<String>) -> Result<(), String> {
    if path.file_stem().is_some_and(|name| name == "tests") {
        return Ok(()); // They may build whatever they need.
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            visit(&path, floor, library, wrong)?;
        }
        return Ok(());
    }
    let text = read(path)?;
    let file = path.strip_prefix(root()).unwrap_or(path).display();
    for name in named(&text) {
        let home = home(library, name);
        let above = FLOORS.iter().position(|known| *known == home);
        if let Some(above) = above.filter(|above| *above < floor) {
            wrong.push(format!(
                "{file}: names `{name}` of `{}`, which lies above",
                FLOORS[above]
            ));
        }
    }
    Ok(())
}

/// What the code of a file names behind `crate::`, up to its own tests.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let code = text
        .lines()
        .take_while(|line| !line.starts_with("mod tests"))
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .flat_map(|rest| {
            // `{a, b::c}` names both; else there is one name.
            let list = rest.strip_prefix('{').unwrap_or(rest);
            let end = if list.len() < rest.len() {
                list.find('}')
            } else {
                list.find(|c: char| !c.is_alphanumeric() && c != '_')
            };
            list[..end.unwrap_or(list.len())].split(',')
        })
        .map(|name| name.trim().split("::").next().unwrap_or_default())
        .filter(|name| !name.is_empty())
}

/// The module that a name at the root of the crate comes from: itself, if it is one.
fn home<'t>(library: &'t str, name: &'t str) -> &'t str {
    let exports = library.split("pub use ").skip(1);
    let mut exports = exports.filter_map(|export| export.split(';').next()?.split_once("::"));
    let exported = |names: &str| {
        let mut words = names.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| word == name)
    };
    exports
        .find(|(_, names)| exported(names))
        .map_or(name, |(module, _)| module)
}

#[test]
fn names_and_where_they_come_from() {
    let code = "use crate::{a, b::C};\n// crate::no\nlet x = crate::D::new(crate::e::F);\nmod tests {\ncrate::g";
    assert_eq!(named(code).collect::<Vec<_>>(), ["a", "b", "D", "e"]);
    let library = "pub use config::Config;\npub use client::{\n    Client, Event,\n};";
    assert_eq!(home(library, "Event"), "client");
    assert_eq!(home(library, "memory"), "memory");
}
