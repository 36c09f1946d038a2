//! Small bases and trees, compiled here, loaded by this machine's own loader.

#![expect(clippy::disallowed_methods, reason = "tests run compilers and set the scene on the disk")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::model::{Architecture, TreeDigest};
use crate::store::Store;

/// A base, a store and a tree that is being made.
struct Scene {
    home: tempfile::TempDir,
    store: Store,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["base/usr/lib64", "base/etc", "tree/libs"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let store = Store::open(&home.path().join("store")).unwrap();
        Self { home, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Compiles to a path in the scene; libraries are named by paths in it too.
    fn compile(&self, to: &str, source: &str, flags: &[&str]) {
        std::fs::write(self.path("source.c"), source).unwrap();
        let mut command = Command::new("cc");
        command.current_dir(&self.home).args(["-o", to, "source.c"]).args(flags);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn library(&self, to: &str, source: &str, flags: &[&str]) {
        let soname = format!("-Wl,-soname,{}", to.rsplit('/').next().unwrap());
        self.compile(to, source, &[&["-shared", "-fPIC", &soname], flags].concat());
    }

    fn base(&self) -> RootFs {
        RootFs::open(&self.path("base"), arch()).unwrap()
    }

    fn tree(&self) -> TreeDigest {
        self.store.keep_folder(&self.path("tree")).unwrap()
    }

    /// The tree, made to fit a target that has this machine's glibc and nothing else.
    fn repaired(&self) -> (Repaired, Closure) {
        let (tree, base) = (self.tree(), self.base());
        let (policy, provided) = (glibc(), BTreeSet::new());
        let members = members(tree, "R/library/p1", &self.store).unwrap();
        let closure =
            closure(&members, System { policy: &policy, base: &base, provided: &provided }).unwrap();
        let repaired = repair((tree, "R/library/p1"), (&members, &closure), LIBRARIES, &self.store).unwrap();
        (repaired, closure)
    }

    /// Puts a repaired tree and its libraries below `/opt` of a place where nothing else is.
    fn unpack(&self, repaired: &Repaired, opt: &Path) {
        let put = |tree: TreeDigest, at: String| {
            let folder = self.store.materialise(tree).unwrap();
            let to = opt.join(at);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            assert!(Command::new("cp").arg("-r").args([folder, to]).status().unwrap().success());
        };
        put(repaired.tree, "R/library/p1".to_owned());
        for library in &repaired.libraries {
            put(library.tree, format!("{LIBRARIES}/{}", library.name));
        }
    }
}

fn arch() -> Architecture {
    std::env::consts::ARCH.parse().unwrap()
}

/// This machine's glibc, whichever it is.
fn glibc() -> Policy {
    RootFs::open(Path::new("/"), arch()).unwrap().glibc_policy("this machine").unwrap()
}

const INNER: &str = "int inner(void) { return 40; }";
const OUTER: &str = "int inner(void); int outer(void) { return inner() + 2; }";
const PACKAGE: &str = "int outer(void); int package(void) { return outer(); }";
const LOADER: &str = "#include <dlfcn.h>\n#include <stdio.h>\n\
    int main(int n, char **a) { void *l = dlopen(a[1], RTLD_NOW); if (!l) { puts(dlerror()); return 1; }\n\
    int (*f)(void) = (int (*)(void)) dlsym(l, \"package\"); printf(\"%d\", f()); return 0; }";

/// The whole way: a library that is found through a link into another folder, which needs
/// another by its own run path; both come along and are found from their new place.
#[test]
fn a_repaired_tree_loads_where_nothing_of_the_base_is() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("base/usr/lib64/deep")).unwrap();
    scene.library("base/usr/lib64/deep/libinner.so.1", INNER, &[]);
    let origin = ["base/usr/lib64/deep/libinner.so.1", "-Wl,-rpath,$ORIGIN"];
    scene.library("base/usr/lib64/deep/libouter.so.2", OUTER, &origin);
    std::os::unix::fs::symlink("/usr/lib64/deep/libouter.so.2", scene.path("base/etc/libouter.so.2"))
        .unwrap();
    std::os::unix::fs::symlink("../../etc/libouter.so.2", scene.path("base/usr/lib64/libouter.so.2"))
        .unwrap();
    scene.library("tree/libs/p1.so", PACKAGE, &["base/usr/lib64/deep/libouter.so.2", "-Wl,-rpath,/tmp/x"]);

    let (repaired, closure) = scene.repaired();
    assert!(closure.problems.is_empty(), "{:?}", closure.problems);
    let sonames: Vec<_> = repaired.libraries.iter().map(|library| library.soname.as_str()).collect();
    assert_eq!(sonames, ["libinner.so.1", "libouter.so.2"]);
    assert_eq!(closure.libraries["libouter.so.2"].system.path, "usr/lib64/deep/libouter.so.2");
    let opt = scene.path("elsewhere/opt");
    scene.unpack(&repaired, &opt);
    scene.compile("loader", LOADER, &["-ldl", "-Wl,--allow-shlib-undefined"]);
    std::fs::rename(scene.path("base"), scene.path("gone")).unwrap();
    let output =
        Command::new(scene.path("loader")).arg(opt.join("R/library/p1/libs/p1.so")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "42");
    let edited = std::fs::read(opt.join("R/library/p1/libs/p1.so")).unwrap();
    let run_path = crate::elf::read(&edited).unwrap().unwrap().run_path;
    assert!(run_path.iter().all(|path| path.starts_with("$ORIGIN")), "/tmp is not searched: {run_path:?}");
}

#[test]
fn a_name_changes_with_the_library_and_with_all_that_it_brings() {
    let scene = Scene::new();
    let name = |inner: &str| {
        scene.library("base/usr/lib64/libinner.so.1", inner, &[]);
        scene.library("base/usr/lib64/libouter.so.2", OUTER, &["base/usr/lib64/libinner.so.1"]);
        scene.library("tree/libs/p1.so", PACKAGE, &["base/usr/lib64/libouter.so.2", "-Lbase/usr/lib64"]);
        scene.repaired().1.libraries["libouter.so.2"].file.clone()
    };
    let (first, again, other) = (name(INNER), name(INNER), name("int inner(void) { return 41; }"));
    assert!(first.starts_with("libouter-") && first.ends_with(".so.2"), "{first}");
    assert_eq!(first, again);
    assert_ne!(first, other, "what it needs has changed");
}

#[test]
fn libraries_that_need_one_another_come_along_once_each() {
    let scene = Scene::new();
    scene.library("base/usr/lib64/liba.so.1", "int b(void); int a(void) { return b(); }", &[]);
    scene.library(
        "base/usr/lib64/libb.so.1",
        "int a(void); int b(void) { return 1; }",
        &["base/usr/lib64/liba.so.1"],
    );
    scene.library(
        "base/usr/lib64/liba.so.1",
        "int b(void); int a(void) { return b(); }",
        &["base/usr/lib64/libb.so.1"],
    );
    scene.library(
        "tree/libs/p1.so",
        "int a(void); int package(void) { return a(); }",
        &["base/usr/lib64/liba.so.1"],
    );
    let (repaired, closure) = scene.repaired();
    assert_eq!(repaired.libraries.len(), 2);
    assert_eq!(closure.libraries["liba.so.1"].needs, BTreeSet::from(["libb.so.1".to_owned()]));
}

#[test]
fn what_cannot_be_repaired_names_file_symbol_version_and_what_the_target_has() {
    let scene = Scene::new();
    scene.library("tree/libs/p1.so", "#include <stdlib.h>\nvoid *package(void) { return malloc(1); }", &[]);
    scene.library("away.so.1", INNER, &[]);
    scene.library("tree/libs/p2.so", "int inner(void); int p2(void) { return inner(); }", &["away.so.1"]);
    std::fs::write(scene.path("tree/libs/damaged.so"), [b"\x7fELF\x02\x01".as_slice(), &[1; 80]].concat())
        .unwrap();
    let mut policy = glibc();
    let wanted = crate::elf::read(&std::fs::read(scene.path("tree/libs/p1.so")).unwrap()).unwrap().unwrap();
    let version = wanted.versions_needed["libc.so.6"].iter().next().unwrap().clone();
    policy.libraries.insert("libc.so.6".to_owned(), BTreeSet::from(["GLIBC_2.1".to_owned()]));
    policy.name = "an old one".to_owned();
    let (base, provided) = (scene.base(), BTreeSet::new());
    let members = members(scene.tree(), "R/library/p1", &scene.store).unwrap();
    let closure = closure(&members, System { policy: &policy, base: &base, provided: &provided }).unwrap();
    let texts: Vec<String> = closure.problems.iter().map(ToString::to_string).collect();
    let text = texts.join("\n");
    for part in [
        &format!("`malloc` of version {version} of `libc.so.6`"),
        "`R/library/p1/libs/p1.so` needs `",
        "but target an old one has it up to GLIBC_2.1",
        "`R/library/p1/libs/p2.so` needs `away.so.1`, which neither the target nor the base has",
        "`R/library/p1/libs/damaged.so` is a damaged library: ",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn what_others_bring_or_the_tree_has_itself_is_left_alone() {
    let scene = Scene::new();
    scene.library("tree/libs/libouter.so", OUTER, &[]);
    scene.library("libR.so", INNER, &[]);
    scene.library("tree/libs/p1.so", PACKAGE, &["tree/libs/libouter.so", "libR.so", "-Wl,-rpath,$ORIGIN"]);
    let (tree, base, policy) = (scene.tree(), scene.base(), glibc());
    let provided = BTreeSet::from(["libR.so".to_owned()]);
    let members = members(tree, "R/library/p1", &scene.store).unwrap();
    let closure = closure(&members, System { policy: &policy, base: &base, provided: &provided }).unwrap();
    assert!(closure.problems.is_empty() && closure.libraries.is_empty(), "{closure:?}");
    let repaired = repair((tree, "R/library/p1"), (&members, &closure), LIBRARIES, &scene.store).unwrap();
    assert_eq!(repaired.tree, tree);
}

#[test]
fn links_in_a_circle_and_closed_files_are_errors_that_name_them() {
    let scene = Scene::new();
    std::os::unix::fs::symlink("libb.so", scene.path("base/usr/lib64/liba.so")).unwrap();
    std::os::unix::fs::symlink("liba.so", scene.path("base/usr/lib64/libb.so")).unwrap();
    let error = scene.base().find("liba.so", &[]).unwrap_err();
    assert!(error.to_string().contains("usr/lib64/liba.so"), "{error}");
    assert!(RootFs::open(&scene.path("nowhere"), arch()).is_err());
}

#[test]
fn a_policy_is_made_of_any_root_file_system() {
    let scene = Scene::new();
    std::fs::write(scene.path("versions"), "INNER_1.0 { global: inner; };\nINNER_1.2 { } INNER_1.0;")
        .unwrap();
    scene.library("base/usr/lib64/libinner.so.1", INNER, &["-Wl,--version-script=versions"]);
    std::fs::create_dir_all(scene.path("base/opt/more")).unwrap();
    std::fs::create_dir_all(scene.path("base/etc/ld.so.conf.d")).unwrap();
    std::fs::write(scene.path("base/etc/ld.so.conf"), "include ld.so.conf.d/*.conf\n").unwrap();
    std::fs::write(scene.path("base/etc/ld.so.conf.d/x.conf"), "# more\n/opt/more\n").unwrap();
    scene.library("base/opt/more/libmore.so.3", OUTER, &[]);
    let policy = scene.base().policy("mine").unwrap();
    assert_eq!(policy.libraries.keys().collect::<Vec<_>>(), ["libinner.so.1", "libmore.so.3"]);
    assert!(policy.has_version("libinner.so.1", "INNER_1.0"));
    assert!(!policy.has_version("libinner.so.1", "INNER_1.3"));
    assert_eq!(Policy::parse(&policy.render()).unwrap(), policy);
}
