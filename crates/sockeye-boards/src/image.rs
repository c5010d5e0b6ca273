//! What an image of a chip is made of: the sizes of its parts, its symbols and its machine code.

use std::fs;
use std::ops::Range;
use std::path::Path;

use object::read::archive::ArchiveFile;
use object::{
    Architecture, File, Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags,
    SymbolKind, elf,
};

/// Where the board's RAM begins.
const FLASH_END: u64 = 0x8020_0000;

/// What an image takes of a chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Code, constants and initial values.
    pub flash: u32,
    /// Static data, without stack and heap areas.
    pub ram: u32,
}

fn bytes_of(image: &Path) -> Result<Vec<u8>, String> {
    fs::read(image).map_err(|error| format!("cannot read {}: {error}", image.display()))
}

/// The named pieces of flash and their sizes, as the compiler calls them.
pub fn symbols(image: &Path) -> Result<Vec<(String, u32)>, String> {
    let bytes = bytes_of(image)?;
    let file = File::parse(&*bytes)
        .map_err(|error| format!("cannot read {}: {error}", image.display()))?;
    let in_flash = file
        .symbols()
        .filter(|one| one.size() > 0 && one.address() < FLASH_END);
    let named = in_flash.map(|one| {
        let name = String::from_utf8_lossy(one.name_bytes().unwrap_or_default()).into_owned();
        (name, one.size() as u32)
    });
    Ok(named.collect())
}

/// Reads the sizes from the section table of an image.
pub fn sizes(image: &Path) -> Result<Sizes, String> {
    let bytes = bytes_of(image)?;
    let wrong = |error| format!("cannot read {}: {error}", image.display());
    let file = File::parse(&*bytes).map_err(wrong)?;
    let mut flash = 0;
    let mut writable = Vec::new();
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            return Err(format!("{} is not an ELF file", image.display()));
        };
        let name = section.name_bytes().map_err(wrong)?;
        if !sh_flags.contains(elf::SHF_ALLOC) || [&b".stack"[..], b".heap"].contains(&name) {
            continue;
        }
        // (What is zero from the start takes nothing of the file.)
        if section.file_range().is_some() {
            flash += section.size();
        }
        if sh_flags.contains(elf::SHF_WRITE) {
            // Where statics may lie, for those that have a symbol.
            writable.push(section.address()..section.address() + section.size());
        }
    }
    // By the statics themselves: in the size of a section gaps count too, and one before a page's beginning would hide
    // up to 4 KB.
    let statics = file.symbols().filter(|one| {
        let inside = |range: &Range<u64>| range.contains(&one.address());
        one.size() > 0 && writable.iter().any(inside)
    });
    let ram = covered(
        statics
            .map(|one| one.address()..one.address() + one.size())
            .collect(),
    );
    let size = |bytes: u64| u32::try_from(bytes).map_err(|error| error.to_string());
    Ok(Sizes {
        flash: size(flash)?,
        ram: size(ram)?,
    })
}

/// Bytes that lie in at least one of the ranges: LLVM merges small statics into one with a symbol of its own, and keeps theirs.
fn covered(mut ranges: Vec<Range<u64>>) -> u64 {
    ranges.sort_by_key(|range| range.start);
    let mut end = 0;
    ranges.into_iter().fold(0, |sum, range| {
        let begin = range.start.max(end);
        end = end.max(range.end);
        sum + range.end.saturating_sub(begin)
    })
}

/// Gives `each` the name and the machine code of every function of an ELF file for RISC-V, or of all such files in an archive.
pub fn functions(bytes: &[u8], each: &mut dyn FnMut(&str, &[u8])) -> Result<(), String> {
    let wrong = |error: object::Error| error.to_string();
    if !bytes.starts_with(&object::archive::MAGIC) {
        let file = File::parse(bytes).map_err(wrong)?;
        if file.architecture() != Architecture::Riscv32 {
            return Err(format!("it is for {:?}", file.architecture()));
        }
        return functions_of(&file, each).map_err(wrong);
    }
    let archive = ArchiveFile::parse(bytes).map_err(wrong)?;
    for member in archive.members() {
        let data = member
            .and_then(|member| member.data(bytes))
            .map_err(wrong)?;
        if data.starts_with(&elf::ELFMAG) {
            functions(data, each)?;
        }
    }
    Ok(())
}

fn functions_of(file: &File<'_>, each: &mut dyn FnMut(&str, &[u8])) -> object::Result<()> {
    for symbol in file.symbols() {
        if symbol.kind() != SymbolKind::Text || symbol.size() == 0 {
            continue;
        }
        if let Some(section) = symbol.section_index() {
            let section = file.section_by_index(section)?;
            if let Some(code) = section.data_range(symbol.address(), symbol.size())? {
                each(&String::from_utf8_lossy(symbol.name_bytes()?), code);
            }
        }
    }
    Ok(())
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
