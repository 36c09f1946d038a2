//! What is read and edited, held against what compilers and the loader say.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests run compilers, touch the disk, and say what they skip"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// A folder of small libraries, compiled in the test that needs them.
struct Workbench(tempfile::TempDir);

impl Workbench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn compile(&self, name: &str, source: &str, flags: &[&str]) -> Vec<u8> {
        self.compile_with(Command::new("cc").args(flags), name, source).unwrap()
    }

    /// `None` where there is no such compiler.
    fn compile_with(&self, compiler: &mut Command, name: &str, source: &str) -> Option<Vec<u8>> {
        std::fs::write(self.path("source.c"), source).unwrap();
        // Libraries behind the source: linkers take of them what was asked for before.
        let flags: Vec<_> = compiler.get_args().map(ToOwned::to_owned).collect();
        let mut command = Command::new(compiler.get_program());
        let output = command.current_dir(&self.0).args(["-o", name, "source.c"]).args(flags).output().ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(std::fs::read(self.path(name)).unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn run(&self, program: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(self.path(program), std::fs::Permissions::from_mode(0o755)).unwrap();
        let output = Command::new(self.path(program)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

const INNER: &str = "int inner(void) { return 40; }";
const VERSIONED: &str = "__asm__(\".symver inner_1, inner@@INNER_1.0\"); int inner_1(void) { return 40; }";
const OUTER: &str = "int inner(void); int outer(void) { return inner() + 2; }";
const PROGRAM: &str =
    "#include <stdio.h>\nint outer(void); int main(void) { printf(\"%d\", outer()); return 0; }";

fn read_library(bytes: &[u8]) -> Elf {
    read(bytes).unwrap().unwrap()
}

#[test]
fn a_library_says_what_it_needs_and_offers() {
    let bench = Workbench::new();
    bench.write("versions", b"INNER_1.0 { global: inner; };");
    let shared = ["-shared", "-fPIC"];
    let flags = [&shared[..], &["-Wl,-soname,libinner.so.1", "-Wl,--version-script=versions"]].concat();
    let inner = read_library(&bench.compile("libinner.so", VERSIONED, &flags));
    assert_eq!(inner.soname.as_deref(), Some("libinner.so.1"));
    assert_eq!(inner.versions_defined, BTreeSet::from(["INNER_1.0".to_owned()]));

    let flags = [&shared[..], &["libinner.so", "-Wl,-rpath,$ORIGIN:/opt/lib", "-Wl,-z,execstack"]].concat();
    let bytes = bench.compile("libouter.so", OUTER, &flags);
    let outer = read_library(&bytes);
    assert_eq!(outer.architecture, std::env::consts::ARCH.parse().ok());
    assert!(outer.needed.contains(&"libinner.so.1".to_owned()), "{outer:?}");
    assert_eq!(outer.run_path, ["$ORIGIN", "/opt/lib"]);
    assert_eq!(outer.versions_needed["libinner.so.1"], BTreeSet::from(["INNER_1.0".to_owned()]));
    assert!(outer.executable_stack && outer.interpreter.is_none());
    assert_eq!(symbols_of_version(&bytes, "libinner.so.1", "INNER_1.0", 9), Ok(vec!["inner".to_owned()]));
}

#[test]
fn what_no_loader_loads_is_none() {
    let bench = Workbench::new();
    assert_eq!(read(b"#!/bin/sh\n"), Ok(None));
    assert_eq!(read(&bench.compile("x.o", INNER, &["-c"])), Ok(None));
}

/// Two libraries of one name that differ: after the edit each program finds its own, by
/// its folder, and the versions that the loader checks are looked for under the new name.
#[test]
fn a_renamed_library_is_found_by_its_new_name_beside_the_one_that_needs_it() {
    let bench = Workbench::new();
    bench.write("versions", b"INNER_1.0 { global: inner; };");
    let shared = ["-shared", "-fPIC"];
    let flags = [&shared[..], &["-Wl,-soname,libinner.so.1", "-Wl,--version-script=versions"]].concat();
    let inner = bench.compile("libinner.so.1", VERSIONED, &flags);
    let flags = [&shared[..], &["libinner.so.1", "-Wl,-soname,libouter.so"]].concat();
    let outer = bench.compile("libouter.so", OUTER, &flags);
    let program = bench.compile("program", PROGRAM, &["libouter.so", "libinner.so.1"]);

    let renamed = BTreeMap::from([("libinner.so.1".to_owned(), "libinner-0123456789ab.so.1".to_owned())]);
    let none = BTreeMap::new();
    let run_path = |path: &str| vec![path.to_owned()];
    let edits = Edits { soname: Some(&renamed["libinner.so.1"]), needed: &none, run_path: None };
    bench.write("moved/libs/libinner-0123456789ab.so.1", &edit(&inner, &edits).unwrap());
    let libs = run_path("$ORIGIN/libs");
    let edited = edit(&outer, &Edits { soname: None, needed: &renamed, run_path: Some(&libs) }).unwrap();
    let read_back = read_library(&edited);
    assert_eq!(read_back.run_path, libs);
    assert!(read_back.needed.contains(&renamed["libinner.so.1"]) && read_back.soname.is_some());
    assert!(read_back.versions_needed.contains_key(&renamed["libinner.so.1"]));
    bench.write("moved/libouter.so", &edited);
    let here = run_path("$ORIGIN");
    let edited = edit(&program, &Edits { soname: None, needed: &renamed, run_path: Some(&here) }).unwrap();
    // The program looks for the library too, and finds it by name, as loaded already.
    let both = vec!["$ORIGIN".to_owned(), "$ORIGIN/libs".to_owned()];
    let edited = edit(&edited, &Edits { soname: None, needed: &none, run_path: Some(&both) }).unwrap();
    bench.write("moved/program", &edited);
    assert_eq!(bench.run("moved/program"), "42");
}

#[test]
fn the_same_edit_gives_the_same_bytes_and_no_edit_keeps_all_that_is_read() {
    let bench = Workbench::new();
    let library = bench.compile("libinner.so", INNER, &["-shared", "-fPIC", "-Wl,-soname,libinner.so"]);
    let none = BTreeMap::new();
    let run_path = vec!["$ORIGIN/../../.libs".to_owned()];
    let edits = Edits { soname: None, needed: &none, run_path: Some(&run_path) };
    let edited = edit(&library, &edits).unwrap();
    assert_eq!(edited, edit(&library, &edits).unwrap());
    let expected = Elf { run_path, ..read_library(&library) };
    assert_eq!(read_library(&edited), expected);
    let edits = Edits { soname: None, needed: &none, run_path: Some(&[]) };
    assert_eq!(read_library(&edit(&edited, &edits).unwrap()), read_library(&library));
}

/// The loader of arm64 maps pages of 64 kB.
#[test]
fn arm64_files_are_read_and_edited_too() {
    let bench = Workbench::new();
    let mut compiler = Command::new("aarch64-linux-gnu-gcc");
    compiler.args(["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libinner.so"]);
    let Some(library) = bench.compile_with(&mut compiler, "libinner.so", INNER) else {
        eprintln!("SKIPPED: aarch64-linux-gnu-gcc is not here; `cargo xtask test` installs it");
        return;
    };
    let before = read_library(&library);
    assert_eq!(before.architecture, Some(Architecture::Arm64));
    let run_path = vec!["$ORIGIN".to_owned()];
    let edits = Edits { soname: None, needed: &BTreeMap::new(), run_path: Some(&run_path) };
    assert_eq!(read_library(&edit(&library, &edits).unwrap()), Elf { run_path, ..before });
}

/// Damaged and lying files, from a generator with a fixed seed: an error or a value, never
/// a panic, and never longer than a moment.
#[test]
fn whatever_the_bytes_are_reading_and_editing_end() {
    let bench = Workbench::new();
    let library = bench.compile("libinner.so", INNER, &["-shared", "-fPIC", "-Wl,-soname,libinner.so"]);
    let program = bench.compile("program", "int main(void) { return 0; }", &[]);
    let needed = BTreeMap::from([("libc.so.6".to_owned(), "libother.so.6".to_owned())]);
    let run_path = vec!["$ORIGIN".to_owned()];
    let edits = Edits { soname: Some("libnew.so"), needed: &needed, run_path: Some(&run_path) };
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for round in 0..20_000 {
        let whole = [&library, &program][round % 2];
        let mut bytes = whole.clone();
        // The header, the program headers and the dynamic section are where lies matter.
        let dynamic = read::View::new(whole).unwrap().dynamic().unwrap().unwrap().offset;
        for _ in 0..=random(4) {
            let near = [0, 64, 0x200, dynamic][random(4)];
            let at = (near + random(0x300)).min(bytes.len() - 8);
            let value = [0, 1, 0x7f, 0x80, 0xff, u8::try_from(random(256)).unwrap()][random(6)];
            let n = [1, 2, 4, 8][random(4)];
            bytes[at..at + n].fill(value);
        }
        if round % 3 == 0 {
            bytes.truncate(random(bytes.len()));
        }
        if let Ok(Some(_)) = read(&bytes) {
            if let Ok(edited) = edit(&bytes, &edits) {
                _ = read(&edited);
            }
            _ = symbols_of_version(&bytes, "libc.so.6", "GLIBC_2.2.5", 9);
        }
    }
}

#[test]
fn a_program_whose_memory_is_no_image_of_its_file_is_refused() {
    let bench = Workbench::new();
    let program = bench.compile("program", "int main(void) { return 0; }", &[]);
    let view = read::View::new(&program).unwrap();
    let is_loaded = |at: &usize| view.segments[*at].p_type.get(object::LittleEndian) == object::elf::PT_LOAD;
    let loaded: Vec<usize> = (0..view.segments.len()).filter(is_loaded).collect();
    let needed = BTreeMap::new();
    let edits = Edits { soname: None, needed: &needed, run_path: Some(&["$ORIGIN".to_owned()]) };
    assert!(edit(&program, &edits).is_ok());
    let with_memory = |n_bytes: u64| {
        let mut bytes = program.clone();
        let at = 64 + 56 * loaded.last().unwrap() + 40; // its p_memsz
        bytes[at..at + 8].copy_from_slice(&n_bytes.to_le_bytes());
        edit(&bytes, &edits).map(|edited| edited.len())
    };
    assert_eq!(with_memory(1 << 46), Err(ElfError::FarApart)); // 64 TiB of zeros
    assert_eq!(with_memory(u64::MAX), Err(ElfError::Outside("segments")));
}

#[test]
fn a_file_that_needs_too_much_is_refused_by_number() {
    let bench = Workbench::new();
    let library = bench.compile("libinner.so", INNER, &["-shared", "-fPIC"]);
    let view = read::View::new(&library).unwrap();
    let at = view
        .segments
        .iter()
        .position(|segment| segment.p_type.get(object::LittleEndian) == object::elf::PT_DYNAMIC);
    let header = 64 + 56 * at.unwrap();
    let mut bytes = library.clone();
    let (offset, size) = (library.len().next_multiple_of(16), 10_000 * 16);
    bytes.resize(offset + size, 1); // tag 0x0101…: nothing, but not the end
    bytes[header + 8..header + 16].copy_from_slice(&(offset as u64).to_le_bytes());
    bytes[header + 32..header + 40].copy_from_slice(&(size as u64).to_le_bytes());
    let error = read(&bytes).unwrap_err();
    assert_eq!(error, ElfError::TooMany { what: "dynamic entries", value: 10_000, limit: 4096 });
}

/// Everything on this machine's own search path, which compilers other than ours made.
#[test]
fn the_libraries_of_this_machine_survive_an_edit() {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/lib64"];
    let run_path = vec!["$ORIGIN".to_owned()];
    let edits = Edits { soname: None, needed: &BTreeMap::new(), run_path: Some(&run_path) };
    let mut n_edited = 0;
    for folder in folders.iter().map(Path::new).filter(|folder| folder.is_dir()) {
        for entry in std::fs::read_dir(folder).unwrap().take(200) {
            let path = entry.unwrap().path();
            let small = path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() < 4 << 20);
            let Some(bytes) = small.then(|| std::fs::read(&path).ok()).flatten() else { continue };
            let Ok(Some(before)) = read(&bytes) else { continue };
            match edit(&bytes, &edits) {
                Ok(edited) => {
                    let expected = Elf { run_path: run_path.clone(), ..before };
                    assert_eq!(read_library(&edited), expected, "{}", path.display());
                    n_edited += 1;
                }
                Err(error) => assert_eq!(error, ElfError::NotDynamic, "{}", path.display()),
            }
        }
    }
    assert!(n_edited > 0 || !cfg!(target_os = "linux"), "no library was found to try");
}
