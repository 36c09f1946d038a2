//! Whether the kernel runs programs of another processor: what it was told in
//! `/proc/sys/fs/binfmt_misc`, which `qemu-user-static` does.

use std::path::Path;

use super::BaseError;
use super::image::host_architecture;
use crate::model::Architecture;
use crate::sys::fs;

const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// The first bytes of an ELF file of 64 bits, little-endian, and where its processor is named.
const MAGIC: &str = "7f454c460201";
const MACHINE_AT: usize = 18;

/// Holds that what is in base `name` can be run here.
pub(super) fn check(name: &str, arch: Architecture) -> Result<(), BaseError> {
    let host = host_architecture()?;
    if arch == host || is_there(arch) {
        return Ok(());
    }
    Err(BaseError::NoEmulator { base: name.to_owned(), arch, host })
}

fn is_there(arch: Architecture) -> bool {
    let Ok(entries) = fs::sorted_entries(Path::new(HANDLERS)) else { return false };
    let texts = entries.iter().filter_map(|entry| fs::read(&entry.path()).ok());
    texts.into_iter().any(|text| is_for(&String::from_utf8_lossy(&text), arch))
}

/// Whether a handler's description, `enabled`, `flags: …` and `magic …` on lines of their
/// own, is of programs for `arch`.
///
/// A handler without the flag F is looked for inside a sandbox, where it is not.
fn is_for(description: &str, arch: Architecture) -> bool {
    let field = |name: &str| description.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let is_open = field("flags:").is_some_and(|flags| flags.contains('F'));
    let magic = field("magic").unwrap_or_default();
    let machine = magic.get(2 * MACHINE_AT..2 * MACHINE_AT + 4);
    let wanted = match arch {
        Architecture::X86_64 => "3e00",
        Architecture::Arm64 => "b700",
    };
    description.starts_with("enabled") && is_open && magic.starts_with(MAGIC) && machine == Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QEMU: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: PF\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn a_handler_is_of_one_processor_and_has_to_be_open() {
        assert!(is_for(QEMU, Architecture::Arm64));
        assert!(!is_for(QEMU, Architecture::X86_64));
        assert!(!is_for(&QEMU.replace("PF", "P"), Architecture::Arm64));
        assert!(!is_for(&QEMU.replace("enabled", "disabled"), Architecture::Arm64));
        assert!(!is_for("enabled\n", Architecture::Arm64));
    }
}
