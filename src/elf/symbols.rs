//! Which symbols a file needs in a given version: what makes an error about a version one
//! that a developer can act on.

use object::LittleEndian as LE;
use object::elf::{self, SectionHeader64, Sym64};

use super::ElfError;
use super::read::{View, list, to_usize};

/// Up to `limit` names of symbols that the file needs in `version` of `library`.
///
/// # Errors
///
/// Where the file is damaged. Its section headers have to be there: only they say how many
/// symbols it has.
pub fn symbols_of_version(
    bytes: &[u8],
    library: &str,
    version: &str,
    limit: usize,
) -> Result<Vec<String>, ElfError> {
    let view = View::new(bytes)?;
    let Some(dynamic) = view.dynamic()? else { return Ok(Vec::new()) };
    let needs = dynamic.version_needs()?;
    let Some(need) = needs.iter().find(|need| need.library == library && need.version == version) else {
        return Ok(Vec::new());
    };
    let headers = list::<SectionHeader64<LE>>(
        bytes,
        to_usize(view.header.e_shoff.get(LE)),
        view.header.e_shnum.get(LE).into(),
        "section headers",
    )?;
    let section = |kind| headers.iter().find(|header| header.sh_type.get(LE) == kind);
    let (Some(symbols), Some(marks)) = (section(elf::SHT_DYNSYM), section(elf::SHT_GNU_VERSYM)) else {
        return Ok(Vec::new());
    };
    let n = to_usize(marks.sh_size.get(LE)) / size_of::<u16>();
    let marks = list::<[u8; 2]>(bytes, to_usize(marks.sh_offset.get(LE)), n, "symbol versions")?;
    let symbols = list::<Sym64<LE>>(bytes, to_usize(symbols.sh_offset.get(LE)), n, "symbols")?;
    let marked =
        symbols.iter().zip(marks).filter(|(_, mark)| u16::from_le_bytes(**mark) & 0x7fff == need.index);
    let names = marked.map(|(symbol, _)| dynamic.string(symbol.st_name.get(LE).into()));
    let mut names: Vec<String> =
        names.take(limit).map(|name| Ok(name?.to_owned())).collect::<Result<_, _>>()?;
    names.sort();
    Ok(names)
}
