//! Bytes to deflated chunks, on all cores, in order, with bounded memory.
//!
//! A file is cut into chunks that are deflated by themselves; joined, they are one valid
//! deflate stream. Where it is cut depends on the bytes alone, so the result does not
//! depend on the number of threads.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Compress, Compression, FlushCompress, Status};

/// Long enough that what is lost at the cuts is below one in a hundred.
const CHUNK_BYTES: usize = 1 << 20;
/// Zlib's own default.
const LEVEL: u32 = 6;

/// A deflated part of a file.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Which file, as numbered by the reader.
    pub(super) file: usize,
    /// How many bytes of the file it stands for.
    pub(super) n_bytes: u64,
    pub(super) deflated: Vec<u8>,
    pub(super) crc: crc32fast::Hasher,
    pub(super) is_last: bool,
    /// The bytes as they were, where the chunk is all of the file and did not get smaller.
    pub(super) stored: Option<Vec<u8>>,
}

struct Work {
    file: usize,
    bytes: Vec<u8>,
    is_first: bool,
    is_last: bool,
    done: SyncSender<Chunk>,
}

/// Reads `n_files` files through `open` and hands their chunks to `write`, in order. At
/// most a few chunks a thread are in memory.
pub(super) fn deflate_files<R: Read, E: Send + From<io::Error>>(
    n_files: usize,
    open: impl Fn(usize) -> Result<R, E> + Send,
    read_error: impl Fn(usize, io::Error) -> E + Send,
    mut write: impl FnMut(Chunk) -> Result<(), E>,
) -> Result<(), E> {
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let (to_workers, work) = sync_channel::<Work>(n_threads);
        let work = Arc::new(Mutex::new(work));
        for _ in 0..n_threads {
            let work = Arc::clone(&work);
            scope.spawn(move || worker(&work));
        }
        drop(work);
        let (to_writer, in_order) = sync_channel::<Receiver<Chunk>>(2 * n_threads);
        let reader = scope.spawn(move || {
            for file in 0..n_files {
                let mut source = open(file)?;
                let read = cut(file, &mut source, &to_workers, &to_writer);
                if !read.map_err(|error| read_error(file, error))? {
                    break; // the writer has given up
                }
            }
            Ok(())
        });
        let mut written = Ok(());
        for chunk in &in_order {
            let Ok(chunk) = chunk.recv() else { break };
            written = write(chunk);
            if written.is_err() {
                break;
            }
        }
        drop(in_order);
        let read = reader.join().unwrap_or_else(|_| Err(io::Error::other("the reader panicked").into()));
        written.and(read)
    })
}

/// Cuts one file; `false` where nobody wants the rest.
fn cut(
    file: usize,
    source: &mut impl Read,
    to_workers: &SyncSender<Work>,
    to_writer: &SyncSender<Receiver<Chunk>>,
) -> io::Result<bool> {
    let mut bytes = read_chunk(source)?;
    let mut is_first = true;
    loop {
        let next = if bytes.len() < CHUNK_BYTES { Vec::new() } else { read_chunk(source)? };
        let is_last = next.is_empty();
        let (done, chunk) = sync_channel(1);
        let work = Work { file, bytes, is_first, is_last, done };
        if to_writer.send(chunk).is_err() || to_workers.send(work).is_err() {
            return Ok(false);
        }
        if is_last {
            return Ok(true);
        }
        (bytes, is_first) = (next, false);
    }
}

fn read_chunk(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(CHUNK_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn worker(work: &Mutex<Receiver<Work>>) {
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Work { file, bytes, is_first, is_last, done }) = next else { return };
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytes);
        let deflated = deflate(&bytes, is_last);
        let whole_and_no_smaller = is_first && is_last && deflated.len() >= bytes.len();
        let n_bytes = bytes.len() as u64;
        let stored = whole_and_no_smaller.then_some(bytes);
        _ = done.send(Chunk { file, n_bytes, deflated, crc, is_last, stored });
    }
}

/// One chunk as raw deflate data, ending at a byte; the last one ends the stream.
fn deflate(bytes: &[u8], is_last: bool) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    let mut deflated = Vec::with_capacity(bytes.len() / 2 + 64);
    let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
    loop {
        let consumed = usize::try_from(compress.total_in()).unwrap_or(bytes.len());
        let before = deflated.len();
        let status = compress.compress_vec(&bytes[consumed..], &mut deflated, flush);
        let ended = matches!(status, Ok(Status::StreamEnd));
        let all_in = compress.total_in() == bytes.len() as u64;
        // With room to spare, a flush that wrote all it had is complete.
        if ended || (!is_last && all_in && (deflated.len() < deflated.capacity() || deflated.len() == before))
        {
            return deflated;
        }
        deflated.reserve(bytes.len() / 4 + 1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random text, the same on every machine.
    fn sample(n_bytes: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..n_bytes).map(|_| if next() < 128 { b' ' } else { next() % 16 + b'a' }).collect()
    }

    #[test]
    fn the_joined_chunks_inflate_to_the_file_whatever_its_length() {
        for n_bytes in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 17] {
            let bytes = sample(n_bytes);
            let mut joined = Vec::new();
            let mut crc = crc32fast::Hasher::new();
            deflate_files::<_, io::Error>(
                1,
                |_| Ok(bytes.as_slice()),
                |_, e| e,
                |chunk| {
                    joined.extend(&chunk.deflated);
                    crc.combine(&chunk.crc);
                    Ok(())
                },
            )
            .unwrap();
            let mut inflated = Vec::new();
            flate2::read::DeflateDecoder::new(joined.as_slice()).read_to_end(&mut inflated).unwrap();
            assert_eq!(inflated, bytes, "{n_bytes}");
            assert_eq!(crc.finalize(), crc32fast::hash(&bytes));
        }
    }

    /// The bytes of our one deflate implementation: a new release of it that compresses
    /// differently would give every layer another archive digest.
    #[test]
    fn deflate_gives_the_bytes_it_always_gave() {
        let digest = crate::sys::hash::sha256(&deflate(&sample(300_000), true));
        assert_eq!(digest.to_hex(), "70ac397eafc6366491061baa389421f2a406c8a6d84ca5c0dbc51c01aa3b59e7");
    }

    #[test]
    fn an_error_of_either_side_ends_the_work() {
        let bytes = sample(10 * CHUNK_BYTES);
        let full = deflate_files::<_, io::Error>(
            4,
            |_| Ok(bytes.as_slice()),
            |_, e| e,
            |_| Err(io::ErrorKind::StorageFull.into()),
        );
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        let missing = deflate_files::<io::Empty, io::Error>(
            1,
            |_| Err(io::ErrorKind::NotFound.into()),
            |_, e| e,
            |_| Ok(()),
        );
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
