//! New names and a new run path for a library, in new bytes.
//!
//! The strings that the loader reads lie packed, so longer ones need a place of their own:
//! a copy of all strings with the new ones behind it, in a segment at the end of the file.
//! One more segment needs one more program header, for which there is no room where they
//! are, so their table moves into the new segment too. The dynamic section stays in its
//! place (linkers leave spare slots in it): it is written to by the loader before glibc
//! 2.35 and protected after. Nothing else of the file changes, and no offset in it.
//!
//! An own edit rather than the program patchelf: the bytes of a layer must not depend on
//! which patchelf a machine or a base has, and versions of it have laid files out wrongly.

use std::collections::BTreeMap;

use object::LittleEndian as LE;
use object::elf::{self, Dyn64, FileHeader64, ProgramHeader64, SectionHeader64};
use object::endian::{I64, U16, U32, U64};
use object::pod::bytes_of;

use super::ElfError;
use super::read::{Dynamic, View, list, to_usize};

/// What is to be another. A field that is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edits<'a> {
    pub soname: Option<&'a str>,
    /// New names of needed libraries, by the names they have.
    pub needed: &'a BTreeMap<String, String>,
    /// The whole run path; none if empty.
    pub run_path: Option<&'a [String]>,
}

/// # Errors
///
/// Where the file is damaged, its dynamic section is full, or its memory is no image of it.
pub fn edit(bytes: &[u8], edits: &Edits<'_>) -> Result<Vec<u8>, ElfError> {
    let view = View::new(bytes)?;
    let dynamic =
        view.dynamic()?.filter(|dynamic| !dynamic.strings.is_empty()).ok_or(ElfError::NotDynamic)?;
    let mut strings = Strings(dynamic.strings.to_vec());
    let mut slots = edited_slots(&dynamic, edits, &mut strings)?;
    let mut edited = bytes.to_vec();
    for need in dynamic.version_needs()? {
        // The loader looks for versions in the library of this name.
        if let Some(name) = edits.needed.get(need.library) {
            let at = u32::try_from(strings.add(name)).ok().ok_or(ElfError::Outside("strings"))?;
            put(&mut edited, need.library_at, &at.to_le_bytes())?;
        }
    }
    let place = Place::behind(&view)?;
    edited.resize(place.offset, 0);
    let headers = program_headers(&view, place, strings.0.len());
    let strings_at = headers.len() * size_of::<ProgramHeader64<LE>>();
    for header in &headers {
        edited.extend(bytes_of(header));
    }
    edited.extend(&strings.0);

    let strings_address = place.address + strings_at as u64;
    for slot in &mut slots {
        match slot.d_tag.get(LE) {
            elf::DT_STRTAB => slot.d_val = U64::new(LE, strings_address),
            elf::DT_STRSZ => slot.d_val = U64::new(LE, strings.0.len() as u64),
            _ => {}
        }
    }
    for (at, slot) in slots.iter().enumerate() {
        put(&mut edited, dynamic.offset + at * size_of::<Dyn64<LE>>(), bytes_of(slot))?;
    }
    let mut header = *view.header;
    header.e_phoff = U64::new(LE, place.offset as u64);
    header.e_phnum = U16::new(LE, u16::try_from(headers.len()).ok().ok_or(ElfError::NoRoom)?);
    put(&mut edited, 0, bytes_of::<FileHeader64<LE>>(&header))?;
    move_strings_section(
        &view,
        &dynamic,
        (strings_address, place.offset + strings_at, strings.0.len()),
        &mut edited,
    );
    Ok(edited)
}

/// Strings that end with a zero byte each, behind those that were there.
struct Strings(Vec<u8>);

impl Strings {
    /// Where the string lies.
    fn add(&mut self, text: &str) -> u64 {
        let with_end = [text.as_bytes(), &[0]].concat();
        let known = self.0.windows(with_end.len()).position(|part| part == with_end);
        let at = known.unwrap_or(self.0.len());
        if known.is_none() {
            self.0.extend(with_end);
        }
        at as u64
    }
}

/// The dynamic section's slots, as many as before, with the new names.
fn edited_slots(
    dynamic: &Dynamic<'_>,
    edits: &Edits<'_>,
    strings: &mut Strings,
) -> Result<Vec<Dyn64<LE>>, ElfError> {
    let slot = |tag: elf::DynamicTag, value: u64| Dyn64::<LE> {
        d_tag: I64::new(LE, tag),
        d_val: U64::new(LE, value),
    };
    let mut slots = Vec::new();
    for entry in dynamic.entries() {
        let (tag, value) = (entry.d_tag.get(LE), entry.d_val.get(LE));
        match tag {
            elf::DT_NEEDED => match edits.needed.get(dynamic.string(value)?) {
                Some(name) => slots.push(slot(tag, strings.add(name))),
                None => slots.push(*entry),
            },
            elf::DT_SONAME if edits.soname.is_some() => {}
            elf::DT_RUNPATH | elf::DT_RPATH if edits.run_path.is_some() => {}
            _ => slots.push(*entry),
        }
    }
    if let Some(soname) = edits.soname {
        slots.push(slot(elf::DT_SONAME, strings.add(soname)));
    }
    if let Some(run_path) = edits.run_path.filter(|run_path| !run_path.is_empty()) {
        slots.push(slot(elf::DT_RUNPATH, strings.add(&run_path.join(":"))));
    }
    // At least one null entry must stay: it ends the section. Hints to the loader about how
    // many relocations are simple can make room.
    if slots.len() >= dynamic.slots.len() {
        slots.retain(|slot| !matches!(slot.d_tag.get(LE), elf::DT_RELACOUNT | elf::DT_RELCOUNT));
    }
    if slots.len() >= dynamic.slots.len() {
        return Err(ElfError::NoRoom);
    }
    slots.resize(dynamic.slots.len(), slot(elf::DT_NULL, 0));
    Ok(slots)
}

/// Programs have their data in memory within 2 MiB of where it is in the file, and seldom
/// more of it that is no part of the file.
const MOST_PADDING_BYTES: u64 = 64 << 20;

/// Where the new segment lies.
#[derive(Clone, Copy)]
struct Place {
    offset: usize,
    address: u64,
    alignment: u64,
}

impl Place {
    /// Behind everything, in the file and in memory. The loader maps whole pages, so offset
    /// and address must be equally far into one.
    fn behind(view: &View<'_>) -> Result<Self, ElfError> {
        let outside = ElfError::Outside("segments");
        let loaded = || view.segments.iter().filter(|segment| segment.p_type.get(LE) == elf::PT_LOAD);
        let first = loaded().next().ok_or(outside.clone())?;
        let mut ends = loaded().map(|segment| segment.p_vaddr.get(LE).checked_add(segment.p_memsz.get(LE)));
        let end = ends.try_fold(0, |last, end| Some(last.max(end?))).ok_or(outside.clone())?;
        let alignment = loaded().map(|segment| segment.p_align.get(LE)).max().unwrap_or(0).max(0x1000);
        if !alignment.is_power_of_two() || end > 1 << 47 || alignment > 1 << 30 {
            return Err(outside);
        }
        let page = end.next_multiple_of(alignment);
        let file_end = (view.bytes.len() as u64).next_multiple_of(16);
        if view.segment(elf::PT_INTERP).is_none() {
            let address = page + file_end % alignment;
            return Ok(Self { offset: to_usize(file_end), address, alignment });
        }
        // Kernels before 5.18 tell a program's loader the address of the program headers by
        // their offset in the file, so in programs the two must be the same distance apart
        // as in the first segment.
        let distance = first.p_vaddr.get(LE).checked_sub(first.p_offset.get(LE)).ok_or(ElfError::FarApart)?;
        let address = page.max((file_end + distance).next_multiple_of(alignment));
        let offset = address - distance;
        // What lies between is written as zeros.
        if offset > file_end + MOST_PADDING_BYTES {
            return Err(ElfError::FarApart);
        }
        Ok(Self { offset: to_usize(offset), address, alignment })
    }
}

/// The old headers and that of the new segment, behind the last that is loaded: they must
/// be in the order of their addresses.
fn program_headers(view: &View<'_>, place: Place, n_string_bytes: usize) -> Vec<ProgramHeader64<LE>> {
    let mut headers = view.segments.to_vec();
    let n_header_bytes = (headers.len() + 1) * size_of::<ProgramHeader64<LE>>();
    let mut new = ProgramHeader64::<LE> {
        p_type: U32::new(LE, elf::PT_LOAD),
        p_flags: U32::new(LE, elf::PF_R),
        p_offset: U64::new(LE, place.offset as u64),
        p_vaddr: U64::new(LE, place.address),
        p_paddr: U64::new(LE, place.address),
        p_filesz: U64::new(LE, (n_header_bytes + n_string_bytes) as u64),
        p_memsz: U64::new(LE, (n_header_bytes + n_string_bytes) as u64),
        p_align: U64::new(LE, place.alignment),
    };
    let last = headers.iter().rposition(|header| header.p_type.get(LE) == elf::PT_LOAD).unwrap_or(0);
    headers.insert(last + 1, new);
    new.p_type = U32::new(LE, elf::PT_PHDR);
    new.p_filesz = U64::new(LE, n_header_bytes as u64);
    new.p_memsz = new.p_filesz;
    new.p_align = U64::new(LE, 8);
    for header in headers.iter_mut().filter(|header| header.p_type.get(LE) == elf::PT_PHDR) {
        *header = new;
    }
    headers
}

/// Tells readers that go by section headers where the strings are. The loader does not, so
/// a file without them is fine.
fn move_strings_section(
    view: &View<'_>,
    dynamic: &Dynamic<'_>,
    (address, offset, n_bytes): (u64, usize, usize),
    edited: &mut [u8],
) {
    let (at, n) = (to_usize(view.header.e_shoff.get(LE)), view.header.e_shnum.get(LE).into());
    let Ok(headers) = list::<SectionHeader64<LE>>(view.bytes, at, n, "section headers") else { return };
    let old = dynamic.value(elf::DT_STRTAB);
    let is_strings = |header: &SectionHeader64<LE>| {
        header.sh_type.get(LE) == elf::SHT_STRTAB && Some(header.sh_addr.get(LE)) == old
    };
    if let Some(index) = headers.iter().position(is_strings) {
        let mut header = headers[index];
        header.sh_addr = U64::new(LE, address);
        header.sh_offset = U64::new(LE, offset as u64);
        header.sh_size = U64::new(LE, n_bytes as u64);
        _ = put(edited, at + index * size_of::<SectionHeader64<LE>>(), bytes_of(&header));
    }
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) -> Result<(), ElfError> {
    let place = at.checked_add(new.len()).and_then(|end| bytes.get_mut(at..end));
    place.ok_or(ElfError::Outside("parts"))?.copy_from_slice(new);
    Ok(())
}
