//! A tree's entries to a zip whose bytes depend on the content alone: sorted, no times but
//! 1980-01-01, modes 0755 and 0644, no extra fields. Its own writer, since the `zip` crate
//! deflates on one thread; format: PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.4.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use super::PackError;
use super::chunks::{Chunk, deflate_files};
use crate::model::Sha256Digest;
use crate::report::{Event, Report};
use crate::store::{BlobReader, Entry, EntryKind, Store, StoreError};

/// 1980-01-01 00:00:00 as MS-DOS has it, the first moment that zips can tell.
const DOS_DATE: u16 = 0x0021;
const DOS_TIME: u16 = 0;
/// Made by version 2.0 on Unix, so that the modes count.
const MADE_BY: u16 = 0x0314;
const VERSION_NEEDED: u16 = 20;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
const METHOD_STORED: u16 = 0;
const METHOD_DEFLATED: u16 = 8;

const S_IFREG: u32 = 0o100_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFLNK: u32 = 0o120_000;

/// Where an entry is and what is known of it once it is written.
#[derive(Debug, Clone)]
struct Header {
    name: String,
    mode: u32,
    method: u16,
    crc: u32,
    compressed: u32,
    uncompressed: u32,
    offset: u32,
}

struct Writer<'a> {
    file: BufWriter<&'a File>,
    at: u64,
    headers: Vec<Header>,
}

/// What a write can fail with inside the parallel part.
enum Failure {
    Pack(PackError),
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<PackError> for Failure {
    fn from(error: PackError) -> Self {
        Self::Pack(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Pack(error.into())
    }
}

/// Writes all entries, which are sorted and hold folders before what is in them.
pub(super) fn write(
    entries: &[Entry],
    file: &File,
    store: &Store,
    report: &dyn Report,
) -> Result<(), PackError> {
    check_names(entries)?;
    let is_file = |entry: &&Entry| matches!(entry.kind, EntryKind::File { .. });
    let files: Vec<&Entry> = entries.iter().filter(is_file).collect();
    let digest_of = |at: usize| match &files[at].kind {
        EntryKind::File { digest, .. } => *digest,
        EntryKind::Directory | EntryKind::Symlink { .. } => Sha256Digest([0; 32]), // filtered out above
    };
    let mut writer = Writer { file: BufWriter::with_capacity(1 << 20, file), at: 0, headers: Vec::new() };
    let mut left = entries.iter();
    let mut open: Option<OpenFile> = None;
    let written = deflate_files(
        files.len(),
        |at| -> Result<BlobReader, Failure> { Ok(store.open_blob(digest_of(at))?) },
        |at, error| Failure::Pack(store.read_error(digest_of(at), error).into()),
        |chunk| {
            if open.is_none() {
                // Folders and links that come before this file.
                for entry in left.by_ref().take_while(|entry| entry.path != files[chunk.file].path) {
                    writer.small_entry(entry)?;
                }
                open = Some(writer.begin(files[chunk.file])?);
            }
            let is_last = chunk.is_last;
            if let Some(open) = &mut open {
                report.report(&Event::Packed { n_bytes: chunk.n_bytes });
                writer.append(open, chunk)?;
            }
            if let (true, Some(open)) = (is_last, open.take_if(|_| is_last)) {
                writer.end(open)?;
            }
            Ok(())
        },
    );
    match written {
        Ok(()) => {}
        Err(Failure::Pack(error)) => return Err(error),
        Err(Failure::Io(error)) => return Err(PackError::Zip(error)),
    }
    for entry in left {
        writer.small_entry(entry)?;
    }
    writer.finish()
}

/// A file whose chunks are being written.
struct OpenFile {
    header: Header,
    crc: crc32fast::Hasher,
    compressed: u64,
    uncompressed: u64,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.file.write_all(bytes).map_err(PackError::Zip)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// A folder, or a link, whose data is its target.
    fn small_entry(&mut self, entry: &Entry) -> Result<(), PackError> {
        let (name, mode, data) = match &entry.kind {
            EntryKind::Directory => (format!("{}/", entry.path), S_IFDIR | 0o755, ""),
            EntryKind::Symlink { target } => (entry.path.clone(), S_IFLNK | 0o777, target.as_str()),
            EntryKind::File { .. } => return Ok(()), // written by its chunks
        };
        let n_bytes = to_u32("a link's target", data.len() as u64)?;
        let header = Header {
            name,
            mode,
            method: METHOD_STORED,
            crc: crc32fast::hash(data.as_bytes()),
            compressed: n_bytes,
            uncompressed: n_bytes,
            offset: to_u32("the zip's size", self.at)?,
        };
        self.put(&local_header(&header)?)?;
        self.put(data.as_bytes())?;
        self.headers.push(header);
        Ok(())
    }

    /// Leaves room for the header, which is known only when the data is written.
    fn begin(&mut self, entry: &Entry) -> Result<OpenFile, PackError> {
        let executable = matches!(entry.kind, EntryKind::File { executable: true, .. });
        let header = Header {
            name: entry.path.clone(),
            mode: S_IFREG | if executable { 0o755 } else { 0o644 },
            method: METHOD_DEFLATED,
            crc: 0,
            compressed: 0,
            uncompressed: 0,
            offset: to_u32("the zip's size", self.at)?,
        };
        self.put(&local_header(&header)?)?;
        Ok(OpenFile { header, crc: crc32fast::Hasher::new(), compressed: 0, uncompressed: 0 })
    }

    fn append(&mut self, open: &mut OpenFile, chunk: Chunk) -> Result<(), PackError> {
        open.crc.combine(&chunk.crc);
        open.uncompressed += chunk.n_bytes;
        let data = match chunk.stored {
            Some(bytes) => {
                open.header.method = METHOD_STORED;
                bytes
            }
            None => chunk.deflated,
        };
        open.compressed += data.len() as u64;
        self.put(&data)
    }

    fn end(&mut self, open: OpenFile) -> Result<(), PackError> {
        let mut header = open.header;
        header.crc = open.crc.finalize();
        header.compressed = to_u32("a file's size", open.compressed)?;
        header.uncompressed = to_u32("a file's size", open.uncompressed)?;
        let bytes = local_header(&header)?;
        self.file.seek(SeekFrom::Start(header.offset.into())).map_err(PackError::Zip)?;
        self.file.write_all(&bytes).map_err(PackError::Zip)?;
        self.file.seek(SeekFrom::Start(self.at)).map_err(PackError::Zip)?;
        self.headers.push(header);
        Ok(())
    }

    /// The central directory and the record that ends the zip.
    fn finish(mut self) -> Result<(), PackError> {
        let n_entries = self.headers.len() as u64;
        let n_entries = u16::try_from(n_entries)
            .ok()
            .ok_or_else(|| limit("the number of files", n_entries, u16::MAX.into()))?;
        let start = to_u32("the zip's size", self.at)?;
        for header in std::mem::take(&mut self.headers) {
            let bytes = central_header(&header)?;
            self.put(&bytes)?;
        }
        let size = to_u32("the zip's directory", self.at - u64::from(start))?;
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend(n_entries.to_le_bytes());
        end.extend(n_entries.to_le_bytes());
        end.extend(size.to_le_bytes());
        end.extend(start.to_le_bytes());
        end.extend([0, 0]);
        self.put(&end)?;
        self.file.flush().map_err(PackError::Zip)
    }
}

/// What both headers have in common.
fn shared_fields(header: &Header) -> Result<Vec<u8>, PackError> {
    let mut bytes = Vec::with_capacity(30);
    for field in [VERSION_NEEDED, UTF8, header.method, DOS_TIME, DOS_DATE] {
        bytes.extend(field.to_le_bytes());
    }
    for field in [header.crc, header.compressed, header.uncompressed] {
        bytes.extend(field.to_le_bytes());
    }
    let length = u16::try_from(header.name.len())
        .ok()
        .ok_or_else(|| limit("a path's length", header.name.len() as u64, u16::MAX.into()))?;
    bytes.extend(length.to_le_bytes());
    bytes.extend([0, 0]); // no extra fields
    Ok(bytes)
}

fn local_header(header: &Header) -> Result<Vec<u8>, PackError> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend(shared_fields(header)?);
    bytes.extend(header.name.as_bytes());
    Ok(bytes)
}

fn central_header(header: &Header) -> Result<Vec<u8>, PackError> {
    let mut bytes = b"PK\x01\x02".to_vec();
    bytes.extend(MADE_BY.to_le_bytes());
    bytes.extend(shared_fields(header)?);
    bytes.extend([0; 6]); // no comment, first disk, no internal attributes
    bytes.extend((header.mode << 16).to_le_bytes());
    bytes.extend(header.offset.to_le_bytes());
    bytes.extend(header.name.as_bytes());
    Ok(bytes)
}

fn limit(what: &'static str, value: u64, limit: u64) -> PackError {
    PackError::ZipLimit { what, value, limit }
}

fn to_u32(what: &'static str, value: u64) -> Result<u32, PackError> {
    u32::try_from(value).ok().ok_or_else(|| limit(what, value, u32::MAX.into()))
}

/// The store only gives safe names, but readers of zips differ on a few that it allows.
fn check_names(entries: &[Entry]) -> Result<(), PackError> {
    for entry in entries {
        let reason = match &entry.path {
            path if path.contains('\\') => "a backslash, which some take for a slash",
            path if path.chars().any(char::is_control) => "a control character",
            _ => continue,
        };
        return Err(PackError::Name { path: entry.path.escape_debug().to_string(), reason });
    }
    Ok(())
}
