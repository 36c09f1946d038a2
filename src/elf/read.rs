//! Bytes to an [`Elf`]. Every offset is checked: the bytes may come from anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;

use object::LittleEndian as LE;
use object::elf::{self, Dyn64, FileHeader64, ProgramHeader64, Verdaux, Verdef, Vernaux, Verneed};
use object::pod::{Pod, from_bytes, slice_from_bytes};

use super::{Elf, ElfError};
use crate::model::Architecture;

/// Libraries, versions or segments that one file may name. Real ones have dozens.
const MAX_ENTRIES: usize = 4096;

/// Linux's `PATH_MAX`, which holds for a library's name; run paths are shorter as well.
const MAX_NAME_BYTES: usize = 4096;

/// Whether the bytes begin as every ELF file does.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(&elf::ELFMAG)
}

/// Reads a library or a program; `None` for what no loader loads: other files, and object
/// files that are for the linker.
///
/// # Errors
///
/// Where the file is damaged, or lies about where its parts are.
pub fn read(bytes: &[u8]) -> Result<Option<Elf>, ElfError> {
    if !is_elf(bytes) {
        return Ok(None);
    }
    let ident = part::<FileHeader64<LE>>(bytes, 0, "header")?.e_ident;
    if ident.class != elf::ELFCLASS64 || ident.data != elf::ELFDATA2LSB {
        return Ok(Some(foreign()));
    }
    let view = View::new(bytes)?;
    if !matches!(view.header.e_type.get(LE), elf::ET_DYN | elf::ET_EXEC) {
        return Ok(None);
    }
    let Some(dynamic) = view.dynamic()? else { return Ok(Some(view.without_dynamic()?)) };
    let mut found = view.without_dynamic()?;
    for entry in dynamic.entries() {
        let value = entry.d_val.get(LE);
        match entry.d_tag.get(LE) {
            elf::DT_NEEDED => found.needed.push(dynamic.string(value)?.to_owned()),
            elf::DT_SONAME => found.soname = Some(dynamic.string(value)?.to_owned()),
            elf::DT_TEXTREL => found.text_relocations = true,
            elf::DT_FLAGS => found.text_relocations |= value & elf::DF_TEXTREL.0 != 0,
            // The older tag counts only where there is none of the newer.
            elf::DT_RUNPATH => found.run_path = paths(dynamic.string(value)?),
            elf::DT_RPATH if found.run_path.is_empty() => found.run_path = paths(dynamic.string(value)?),
            _ => {}
        }
    }
    found.versions_needed = versions_needed(&dynamic)?;
    found.versions_defined = versions_defined(&dynamic)?;
    Ok(Some(found))
}

fn within(what: &'static str, value: usize) -> Result<(), ElfError> {
    if value > MAX_ENTRIES {
        return Err(ElfError::TooMany { what, value, limit: MAX_ENTRIES });
    }
    Ok(())
}

fn paths(text: &str) -> Vec<String> {
    text.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

/// For a processor of another word size or byte order: there is nothing more to say.
fn foreign() -> Elf {
    Elf {
        architecture: None,
        soname: None,
        needed: Vec::new(),
        run_path: Vec::new(),
        versions_needed: BTreeMap::new(),
        versions_defined: BTreeSet::new(),
        interpreter: None,
        executable_stack: false,
        text_relocations: false,
    }
}

/// The parts of a file for a 64-bit little-endian processor: both of Lambda's are.
pub(super) struct View<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) header: &'a FileHeader64<LE>,
    pub(super) segments: &'a [ProgramHeader64<LE>],
}

/// The dynamic section, and the strings its entries name.
pub(super) struct Dynamic<'a> {
    pub(super) view: &'a View<'a>,
    /// All slots of the section, those behind its end as well.
    pub(super) slots: &'a [Dyn64<LE>],
    /// Where the slots begin in the file.
    pub(super) offset: usize,
    pub(super) strings: &'a [u8],
}

impl<'a> View<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, ElfError> {
        let header = part::<FileHeader64<LE>>(bytes, 0, "header")?;
        let (at, n) = (to_usize(header.e_phoff.get(LE)), usize::from(header.e_phnum.get(LE)));
        within("segments", n)?;
        let segments = list::<ProgramHeader64<LE>>(bytes, at, n, "program headers")?;
        Ok(Self { bytes, header, segments })
    }

    pub(super) fn segment(&self, kind: elf::ProgramType) -> Option<&'a ProgramHeader64<LE>> {
        self.segments.iter().find(|segment| segment.p_type.get(LE) == kind)
    }

    /// Where in the file the byte lies that is at `address` in memory.
    pub(super) fn offset(&self, address: u64) -> Option<usize> {
        let loaded = self.segments.iter().filter(|segment| segment.p_type.get(LE) == elf::PT_LOAD);
        for segment in loaded {
            let start = segment.p_vaddr.get(LE);
            if let Some(inside) = address.checked_sub(start)
                && inside < segment.p_filesz.get(LE)
            {
                return segment.p_offset.get(LE).checked_add(inside).map(to_usize);
            }
        }
        None
    }

    pub(super) fn dynamic(&'a self) -> Result<Option<Dynamic<'a>>, ElfError> {
        let Some(segment) = self.segment(elf::PT_DYNAMIC) else { return Ok(None) };
        let offset = to_usize(segment.p_offset.get(LE));
        let n = to_usize(segment.p_filesz.get(LE)) / size_of::<Dyn64<LE>>();
        within("dynamic entries", n)?;
        let slots = list::<Dyn64<LE>>(self.bytes, offset, n, "dynamic section")?;
        let mut dynamic = Dynamic { view: self, slots, offset, strings: &[] };
        if let (Some(address), Some(length)) = (dynamic.value(elf::DT_STRTAB), dynamic.value(elf::DT_STRSZ)) {
            let outside = ElfError::Outside("strings");
            let at = self.offset(address).ok_or(outside.clone())?;
            let end = at.checked_add(to_usize(length)).ok_or(outside.clone())?;
            dynamic.strings = self.bytes.get(at..end).ok_or(outside)?;
        }
        Ok(Some(dynamic))
    }

    fn without_dynamic(&self) -> Result<Elf, ElfError> {
        let architecture = match self.header.e_machine.get(LE) {
            elf::EM_X86_64 => Some(Architecture::X86_64),
            elf::EM_AARCH64 => Some(Architecture::Arm64),
            _ => None,
        };
        let interpreter = match self.segment(elf::PT_INTERP) {
            Some(segment) => {
                let start = to_usize(segment.p_offset.get(LE));
                let bytes = self.bytes.get(start..).ok_or(ElfError::Outside("interpreter's name"))?;
                Some(text(bytes)?.to_owned())
            }
            None => None,
        };
        // Without the segment the kernel's default counts, which is no executable stack on
        // arm64 and an executable one on x86_64.
        let executable_stack = match self.segment(elf::PT_GNU_STACK) {
            Some(segment) => segment.p_flags.get(LE).0 & elf::PF_X.0 != 0,
            None => architecture == Some(Architecture::X86_64),
        };
        Ok(Elf { architecture, interpreter, executable_stack, ..foreign() })
    }
}

impl<'a> Dynamic<'a> {
    /// The slots in use: an entry of kind null ends them.
    pub(super) fn entries(&self) -> impl Iterator<Item = &'a Dyn64<LE>> {
        self.slots.iter().take_while(|entry| entry.d_tag.get(LE) != elf::DT_NULL)
    }

    pub(super) fn value(&self, tag: elf::DynamicTag) -> Option<u64> {
        self.entries().find(|entry| entry.d_tag.get(LE) == tag).map(|entry| entry.d_val.get(LE))
    }

    pub(super) fn string(&self, at: u64) -> Result<&'a str, ElfError> {
        text(self.strings.get(to_usize(at)..).ok_or(ElfError::Outside("strings"))?)
    }

    /// The tables of versions, each by its offset in the file: of what is needed
    /// (`DT_VERNEED`), or of what is offered (`DT_VERDEF`).
    fn table(&self, start: elf::DynamicTag, count: elf::DynamicTag) -> Result<(usize, usize), ElfError> {
        let Some(address) = self.value(start) else { return Ok((0, 0)) };
        let n = to_usize(self.value(count).unwrap_or(0));
        within("versions", n)?;
        Ok((self.view.offset(address).ok_or(ElfError::Outside("versions"))?, n))
    }

    /// Each version of each library that is asked for.
    pub(super) fn version_needs(&self) -> Result<Vec<VersionNeed<'a>>, ElfError> {
        let bytes = self.view.bytes;
        let (mut at, n) = self.table(elf::DT_VERNEED, elf::DT_VERNEEDNUM)?;
        let mut found = Vec::new();
        for _ in 0..n {
            let record = part::<Verneed<LE>>(bytes, at, "versions")?;
            let library = self.string(record.vn_file.get(LE).into())?;
            let mut version_at = at + record.vn_aux.get(LE) as usize;
            for _ in 0..record.vn_cnt.get(LE) {
                let version = part::<Vernaux<LE>>(bytes, version_at, "versions")?;
                found.push(VersionNeed {
                    library,
                    library_at: at + offset_of!(Verneed<LE>, vn_file),
                    version: self.string(version.vna_name.get(LE).into())?,
                    index: version.vna_other.get(LE).0,
                    is_weak: version.vna_flags.get(LE).0 & elf::VER_FLG_WEAK.0 != 0,
                });
                within("versions", found.len())?;
                match version.vna_next.get(LE) {
                    0 => break,
                    next => version_at += next as usize,
                }
            }
            match record.vn_next.get(LE) {
                0 => break,
                next => at += next as usize,
            }
        }
        Ok(found)
    }
}

/// A version of a library's symbols that a file asks for.
pub(super) struct VersionNeed<'a> {
    pub(super) library: &'a str,
    /// Where in the file the offset of the library's name is written.
    pub(super) library_at: usize,
    pub(super) version: &'a str,
    /// What the file's symbols of this version are marked with.
    pub(super) index: u16,
    /// Whether the loader does without it.
    pub(super) is_weak: bool,
}

fn versions_needed(dynamic: &Dynamic<'_>) -> Result<BTreeMap<String, BTreeSet<String>>, ElfError> {
    let mut needed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for need in dynamic.version_needs()?.into_iter().filter(|need| !need.is_weak) {
        needed.entry(need.library.to_owned()).or_default().insert(need.version.to_owned());
    }
    Ok(needed)
}

fn versions_defined(dynamic: &Dynamic<'_>) -> Result<BTreeSet<String>, ElfError> {
    let (mut at, n) = dynamic.table(elf::DT_VERDEF, elf::DT_VERDEFNUM)?;
    let mut defined = BTreeSet::new();
    for _ in 0..n {
        let record = part::<Verdef<LE>>(dynamic.view.bytes, at, "versions")?;
        // The first one is the library's own name.
        if record.vd_flags.get(LE).0 & elf::VER_FLG_BASE.0 == 0 {
            let name =
                part::<Verdaux<LE>>(dynamic.view.bytes, at + record.vd_aux.get(LE) as usize, "versions")?;
            defined.insert(dynamic.string(name.vda_name.get(LE).into())?.to_owned());
        }
        match record.vd_next.get(LE) {
            0 => break,
            next => at += next as usize,
        }
    }
    Ok(defined)
}

/// The text up to the first zero byte.
pub(super) fn text(bytes: &[u8]) -> Result<&str, ElfError> {
    let bytes = &bytes[..bytes.len().min(MAX_NAME_BYTES)];
    let end = bytes.iter().position(|byte| *byte == 0).ok_or(ElfError::Truncated("strings"))?;
    std::str::from_utf8(&bytes[..end]).map_err(|_not_utf8| ElfError::Name)
}

/// Offsets that no memory could hold are as far outside as any.
pub(super) fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

pub(super) fn part<'a, T: Pod>(bytes: &'a [u8], at: usize, what: &'static str) -> Result<&'a T, ElfError> {
    let rest = bytes.get(at..).ok_or(ElfError::Outside(what))?;
    from_bytes(rest).map(|(part, _)| part).map_err(|()| ElfError::Truncated(what))
}

pub(super) fn list<'a, T: Pod>(
    bytes: &'a [u8],
    at: usize,
    n: usize,
    what: &'static str,
) -> Result<&'a [T], ElfError> {
    let rest = bytes.get(at..).ok_or(ElfError::Outside(what))?;
    slice_from_bytes(rest, n).map(|(list, _)| list).map_err(|()| ElfError::Truncated(what))
}
