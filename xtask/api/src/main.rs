//! Prints the public interface of a crate, one item a line, from what `rustdoc --output-format json` wrote.
//! `cargo xtask lint --part api` runs it.
//!
//! It is rustdoc, too, for that: JSON is an unstable output, which `RUSTC_BOOTSTRAP` allows. Set for the whole of cargo, it
//! would make every crate compile anew, because build scripts look at it; so cargo is given this program as its rustdoc,
//! which sets it for the real one alone.

use std::path::Path;
use std::process::{Command, ExitCode};

/// What public-api can read.
const FORMAT: u64 = 57;

/// The exit code for a file in another format.
const OTHER_FORMAT: u8 = 3;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if let Some(rustdoc) = std::env::var_os("SOCKEYE_API_RUSTDOC") {
        let mut rustdoc = Command::new(rustdoc);
        let status = rustdoc.args(args).env("RUSTC_BOOTSTRAP", "1").status();
        let code = status.ok().and_then(|status| status.code());
        return code
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from);
    }
    let Some(path) = args.next() else {
        eprintln!("it needs the JSON file of a crate");
        return ExitCode::FAILURE;
    };
    match api(Path::new(&path)) {
        Ok(Ok(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Err(format)) => {
            eprintln!(
                "rustdoc writes JSON in format {format}, and only {FORMAT} (Rust 1.95) can be read"
            );
            ExitCode::from(OTHER_FORMAT)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The interface, or the format of a file that cannot be read.
fn api(path: &Path) -> Result<Result<String, u64>, String> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let format = format_of(&text).ok_or_else(|| format!("{shown} does not name its format"))?;
    if format != FORMAT {
        return Ok(Err(format));
    }
    let api = public_api::Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .build()
        .map_err(|error| format!("{shown}: {error}"))?;
    let mut text = String::new();
    for item in api.items().map(ToString::to_string) {
        if is_told(&item) {
            text.push_str(&item);
            text.push('\n');
        }
    }
    Ok(Ok(text))
}

/// Of what the compiler implements by itself, only what is missing is worth a line: that a type cannot cross threads. Of what
/// is derived, the trait is; its methods are the same everywhere.
fn is_told(item: &str) -> bool {
    const DERIVED: &[&str] = &[
        "::clone(&self) -> ",
        "::eq(&self, &",
        "::fmt(&self, &mut core::fmt::Formatter<'_>)",
        "::hash<__H: core::hash::Hasher>(&self, &mut __H)",
        "core::marker::StructuralPartialEq for",
    ];
    const BY_ITSELF: &[&str] = &[
        "core::marker::Freeze for",
        "core::marker::Send for",
        "core::marker::Sync for",
        "core::marker::Unpin for",
        "core::marker::UnsafeUnpin for",
        "core::panic::unwind_safe::RefUnwindSafe for",
        "core::panic::unwind_safe::UnwindSafe for",
    ];
    if item.starts_with("impl !") || item.contains("> !core::marker::") {
        return item.contains("core::marker::Send for") || item.contains("core::marker::Sync for");
    }
    if DERIVED.iter().any(|name| item.contains(name)) {
        return false;
    }
    !(item.starts_with("impl") && BY_ITSELF.iter().any(|name| item.contains(name)))
}

/// The number that rustdoc writes at the end of the file, as a field of the outermost object.
fn format_of(text: &str) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.get("format_version")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_cross_threads_is_told() {
        for (item, told) in [
            ("pub struct a::B", true),
            ("impl core::clone::Clone for a::B", true),
            ("pub fn a::B::clone(&self) -> a::B", false),
            ("pub fn a::B::clone_all(&self) -> a::B", true),
            ("impl core::marker::Send for a::B", false),
            (
                "impl<T> core::marker::Sync for a::B<T> where T: core::marker::Sync",
                false,
            ),
            ("impl !core::marker::Send for a::B", true),
            ("impl<T> !core::marker::Sync for a::B<T>", true),
            ("impl !core::panic::unwind_safe::UnwindSafe for a::B", false),
        ] {
            assert_eq!(is_told(item), told, "{item}");
        }
    }

    #[test]
    fn the_format_is_found() {
        assert_eq!(format_of(r#"{"index":{},"format_version":57}"#), Some(57));
        assert_eq!(format_of(r#"{"index":{}}"#), None);
        assert_eq!(format_of("no"), None);
    }
}
