//! Where two builds of one library differ.

use std::collections::{BTreeMap, BTreeSet};

use object::LittleEndian as LE;
use object::elf::{self, SectionHeader64};

use super::ElfError;
use super::read::{View, list, text, to_usize};

/// The names of the sections whose bytes are not the same in both files, or that only one
/// of them has; and the bytes of the first of them in each.
///
/// # Errors
///
/// Where one of the files is damaged.
pub fn differing_sections<'a>(one: &'a [u8], other: &'a [u8]) -> Result<Vec<Difference<'a>>, ElfError> {
    let (one, other) = (sections(one)?, sections(other)?);
    let names: BTreeSet<&str> = one.keys().chain(other.keys()).copied().collect();
    let pairs = names.into_iter().map(|name| {
        let bytes = |sections: &BTreeMap<&str, &'a [u8]>| sections.get(name).copied().unwrap_or_default();
        Difference { section: name.to_owned(), one: bytes(&one), other: bytes(&other) }
    });
    Ok(pairs.filter(|pair| pair.one != pair.other).collect())
}

/// A section as two files have it; empty where one has it not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<'a> {
    pub section: String,
    pub one: &'a [u8],
    pub other: &'a [u8],
}

fn sections(bytes: &[u8]) -> Result<BTreeMap<&str, &[u8]>, ElfError> {
    let view = View::new(bytes)?;
    let at = to_usize(view.header.e_shoff.get(LE));
    let headers =
        list::<SectionHeader64<LE>>(bytes, at, view.header.e_shnum.get(LE).into(), "section headers")?;
    let content = |header: &SectionHeader64<LE>| {
        if header.sh_type.get(LE) == elf::SHT_NOBITS {
            return Some(&bytes[..0]);
        }
        let start = to_usize(header.sh_offset.get(LE));
        bytes.get(start..start.checked_add(to_usize(header.sh_size.get(LE)))?)
    };
    let outside = ElfError::Outside("sections");
    let Some(names) = headers.get(usize::from(view.header.e_shstrndx.get(LE).0)) else {
        return Ok(BTreeMap::new());
    };
    let names = content(names).ok_or(outside.clone())?;
    let mut sections = BTreeMap::new();
    for header in headers {
        let name = names.get(header.sh_name.get(LE) as usize..).ok_or(outside.clone())?;
        sections.insert(text(name)?, content(header).ok_or(outside.clone())?);
    }
    Ok(sections)
}
