//! Archives made by hand, block for block: no library would write most of them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// One entry as it is to be written, right or wrong.
pub(super) struct Raw<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: u8,
    pub(super) mode: u32,
    /// What the header says of the size.
    pub(super) size: u64,
    pub(super) link: &'a [u8],
    /// Whether `ustar` stands in the header, as it does since 1988.
    pub(super) is_ustar: bool,
}

impl<'a> Raw<'a> {
    pub(super) fn new(name: &'a [u8], kind: u8) -> Self {
        Self { name, kind, mode: 0o644, size: 0, link: b"", is_ustar: true }
    }
}

/// A tar archive under construction.
#[derive(Clone, Default)]
pub(super) struct Tar(pub(super) Vec<u8>);

impl Tar {
    pub(super) fn entry(mut self, raw: &Raw<'_>, body: &[u8]) -> Self {
        let mut header = [0_u8; 512];
        header[..raw.name.len()].copy_from_slice(raw.name);
        header[100..107].copy_from_slice(format!("{:07o}", raw.mode).as_bytes());
        header[108..115].copy_from_slice(b"0001750");
        header[116..123].copy_from_slice(b"0001750");
        header[124..135].copy_from_slice(format!("{:011o}", raw.size).as_bytes());
        header[136..147].copy_from_slice(b"14000000000");
        header[156] = raw.kind;
        header[157..157 + raw.link.len()].copy_from_slice(raw.link);
        if raw.is_ustar {
            header[257..265].copy_from_slice(b"ustar\x0000");
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn file(self, name: &str, body: &[u8]) -> Self {
        self.entry(&Raw { size: body.len() as u64, ..Raw::new(name.as_bytes(), b'0') }, body)
    }

    /// An entry without a body.
    pub(super) fn empty(self, name: &str, kind: u8) -> Self {
        self.entry(&Raw::new(name.as_bytes(), kind), b"")
    }

    pub(super) fn link(self, name: &str, kind: u8, to: &str) -> Self {
        self.entry(&Raw { link: to.as_bytes(), ..Raw::new(name.as_bytes(), kind) }, b"")
    }

    /// A header that describes the next entry: `x`, `g` or `L`.
    pub(super) fn header(self, kind: u8, body: &[u8]) -> Self {
        self.entry(&Raw { size: body.len() as u64, ..Raw::new(b"header", kind) }, body)
    }

    /// With the two empty blocks that end an archive.
    pub(super) fn end(mut self) -> Self {
        self.0.resize(self.0.len() + 1024, 0);
        self
    }

    pub(super) fn gz(&self) -> Vec<u8> {
        gz(&self.0)
    }
}

pub(super) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The beginning of a sane archive of `x1 1.0`.
pub(super) fn x1() -> Tar {
    Tar::default().empty("x1/", b'5').file("x1/DESCRIPTION", b"Package: x1\nVersion: 1.0\nImports: y1\n")
}

/// A sane source tarball of `x1 1.0` with more than one packet of content, which does not
/// compress.
pub(super) fn x1_tarball() -> Vec<u8> {
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(100_000)
    .collect();
    x1().file("x1/data/noise", &noise).end().gz()
}
