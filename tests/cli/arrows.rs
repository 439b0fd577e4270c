//! The arrows between the crates, and the lines that hold them: what ARCHITECTURE.md draws is what Cargo sees.

mod rooms;

use rooms::{Crate, floors};
use sigtool_tests::tests_folder;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What opens sockets, or is there to.
const NETWORK: &[&str] = &[
    "curl",
    "h2",
    "hyper",
    "mio",
    "native-tls",
    "openssl",
    "openssl-sys",
    "quinn",
    "reqwest",
    "rustls",
    "socket2",
    "tokio",
    "ureq",
];

fn root() -> PathBuf {
    tests_folder().join("..")
}

/// The names of all crates that a crate is built with, itself included; the development dependencies left out.
fn tree(krate: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "tree",
            "--locked",
            "--offline",
            "-e",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}", "-p", krate])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("names in UTF-8")
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

fn ours(krate: &str) -> Vec<String> {
    tree(krate)
        .into_iter()
        .filter(|name| name.starts_with("sigtool"))
        .collect()
}

/// The Rust files below a folder.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)
            .expect("a folder of the project")
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let name = path.strip_prefix(root()).expect("below the root");
                found.push((name.display().to_string(), text));
            }
        }
    }
    found.sort();
    found
}

fn production() -> Vec<(String, String)> {
    ["cli/src", "cli/core/src", "plugins-sdk/src", "backends"]
        .into_iter()
        .flat_map(sources)
        .collect()
}

#[test]
fn each_crate_depends_on_those_below_it_and_on_no_other_of_ours() {
    assert_eq!(ours("sigtool-sdk"), ["sigtool-sdk"]);
    assert_eq!(ours("sigtool-core"), ["sigtool-core", "sigtool-sdk"]);
    assert_eq!(ours("sigtool"), ["sigtool", "sigtool-core", "sigtool-sdk"]);
    for backend in backends() {
        let krate = format!("sigtool-backend-{backend}");
        let mut below = vec![krate.as_str(), "sigtool-sdk"];
        if declares_network(&backend) {
            below.push("sigtool-sdk-http");
        }
        assert_eq!(ours(&krate), below);
    }
}

/// Whether a backend's manifest says that it opens sockets.
fn declares_network(backend: &str) -> bool {
    let file = root()
        .join("backends")
        .join(backend)
        .join("sigtool-backend.toml");
    let text = fs::read_to_string(file).expect("a manifest");
    let manifest = sigtool_sdk::Manifest::parse(&text).expect("a manifest");
    manifest.permissions.network
}

#[test]
fn no_crate_that_signs_files_holds_network_code() {
    let backends = backends()
        .into_iter()
        .filter(|id| !declares_network(id))
        .map(|id| format!("sigtool-backend-{id}"));
    let crates = ["sigtool", "sigtool-core", "sigtool-sdk"].map(str::to_owned);
    for krate in crates.into_iter().chain(backends) {
        let tree = tree(&krate);
        let found: Vec<_> = NETWORK
            .iter()
            .filter(|name| tree.contains(**name))
            .collect();
        assert!(found.is_empty(), "`{krate}` is built with {found:?}");
    }
}

#[test]
fn the_core_asks_neither_the_environment_nor_the_terminal() {
    let core = sources("cli/core/src");
    assert!(!core.is_empty());
    for (file, text) in core {
        for word in [
            "std::env",
            "std::io::stdin",
            "std::io::stdout",
            "TcpStream",
            "UdpSocket",
            "ToSocketAddrs",
            "std::process",
        ] {
            assert!(!text.contains(word), "`{file}` uses `{word}`");
        }
    }
}

/// The table of a crate's layers, as ARCHITECTURE.md has it.
fn layers(folder: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    let begin = format!("```layers {folder}\n");
    let table = page
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once("```"));
    let (table, _) = table.unwrap_or_else(|| panic!("no layers of {folder} in ARCHITECTURE.md"));
    floors(table)
}

#[test]
fn no_arrow_runs_up_and_no_files_go_in_circles() {
    for folder in ["cli/src", "cli/core/src"] {
        let sources = sources(folder);
        let below = |name: &'_ str| name[folder.len() + 1..].to_owned();
        let sources: Vec<_> = sources
            .iter()
            .map(|(name, text)| (below(name), text))
            .collect();
        let files = Crate::read(sources.iter().map(|(name, text)| (&**name, text.as_str())));
        let floors = layers(folder);
        let placed: BTreeSet<&str> = floors.iter().flatten().map(String::as_str).collect();
        assert_eq!(
            files.rooms(),
            placed,
            "{folder}: each room has one floor in ARCHITECTURE.md"
        );
        let nothing: [String; 0] = [];
        assert_eq!(files.up(&floors), nothing, "{folder}: arrows that run up");
        assert_eq!(files.circles(), nothing, "{folder}: files in circles");
        assert_eq!(files.hidden(), nothing, "{folder}: names that are hidden");
        let commands = files.between("commands");
        assert_eq!(commands, nothing, "{folder}: commands that name another");
    }
}

#[test]
fn an_arrow_up_and_a_circle_are_found_however_they_are_written() {
    let floors = floors("above over   what is above\n    below\n");
    let read = |above: &str, below: &str| {
        let files = Crate::read([
            (
                "main.rs",
                "mod above; mod below; fn main() { above::run() }",
            ),
            ("above/mod.rs", above),
            ("above/inner.rs", "pub(crate) struct Inner;"),
            ("over.rs", "pub(crate) fn over() {}"),
            ("below.rs", below),
        ]);
        (files.up(&floors), files.circles())
    };
    let above = "pub(crate) mod inner; pub(crate) use inner::Inner as Other; use crate::below::x;";
    for (below, up) in [
        ("use crate::above;", "below → above"),
        (
            "use {std::fmt, crate::{over::over, above::{self, inner as i}}};",
            "below → above",
        ),
        (
            "fn f() { let x = super::above::inner::y(); }",
            "below → above::inner::y",
        ),
        (
            "fn f() { format!(\"{}\", crate::above::X) }",
            "below → above::X",
        ),
        ("fn f() -> crate::above::X { todo!() }", "below → above::X"),
        ("fn f(x: crate::above::X) {}", "below → above::X"),
        ("struct S { x: crate::above::X }", "below → above::X"),
        ("struct S(pub (crate::above::X));", "below → above::X"),
        ("fn f<T: crate::above::X>() {}", "below → above::X"),
        ("fn f() { let x: crate::above::X; }", "below → above::X"),
        ("const X: S = S { x: crate::above::X };", "below → above::X"),
        ("fn f() { 0..crate::above::X }", "below → above::X"),
        ("use self::super::above::X;", "below → above::X"),
        ("use super::{self as root, above::X};", "below → above::X"),
        ("mod m { use super::super::above::X; }", "below → above::X"),
        (
            "#[arg(value_parser = crate::above::parse)] struct S;",
            "below → above::parse",
        ),
        (
            "#[serde(default = \"crate::above::x\")] struct S;",
            "below → above::x",
        ),
        (
            "#[cfg(test = \"x\")] use crate::above::X;",
            "below → above::X",
        ),
        (
            "#[cfg(any(test, unix))] use crate::above::X;",
            "below → above::X",
        ),
        (
            "#[cfg(test)] mod t {} use crate::above::X;",
            "below → above::X",
        ),
    ] {
        let (found, circles) = read(above, below);
        assert!(found.contains(&up.to_owned()), "{below}: {found:?}");
        let is_of_inner = up.contains("inner");
        assert_eq!(circles.is_empty(), is_of_inner, "{below}: {circles:?}");
    }
    // What is exported again counts as its origin.
    let (found, circles) = read(above, "use crate::above::Other;");
    assert_eq!(found, ["below → above::Other"]);
    assert!(circles.is_empty(), "{circles:?}");
    // What another module of the file exports again is another thing.
    let of_two = "mod p { pub use crate::below::X; } pub use crate::below::Y::*; pub struct X; pub struct Y;";
    for name in ["X", "Y"] {
        let (found, _) = read(of_two, &format!("use crate::above::{name};"));
        assert_eq!(found, [format!("below → above::{name}")]);
    }
    // Where they lie beside each other in one room, each stands for itself.
    let files = Crate::read([
        ("above/mod.rs", "mod one; mod two;"),
        ("above/one.rs", "use super::two::x;"),
        ("above/two/mod.rs", "mod inner; use inner::y;"),
        ("above/two/inner.rs", ""),
    ]);
    assert_eq!(files.between("above"), ["above::one → above::two::x"]);
    // Rooms of one floor do not know each other.
    let (found, _) = read("use crate::over::over;", "");
    assert_eq!(found, ["above → over::over"]);
    for allowed in [
        "",
        "// use crate::above;\nconst X: &str = \"crate::above\";",
        "#[cfg(test)]\nmod tests { use crate::above; }",
        "#[cfg(all(test, unix))]\nuse crate::above;",
        "pub(crate) struct Above { above: u8 } fn f(x: Above) -> u8 { x.above }",
    ] {
        let (found, circles) = read(above, allowed);
        assert!(
            found.is_empty() && circles.is_empty(),
            "{allowed}: {found:?} {circles:?}"
        );
    }
}

#[test]
fn what_hides_the_names_that_it_uses_is_found() {
    for (hiding, what) in [
        ("extern crate self as me;", "extern crate"),
        ("include!(\"x.rs\");", "include"),
        ("#[path = \"x.rs\"] mod x;", "path"),
        ("macro_rules! m { () => {} }", "macro_rules"),
        ("#[macro_use] mod x;", "macro_use"),
        (
            "fn f<#[cfg(test)] T>() {}",
            "cfg(test) on a part of an item",
        ),
    ] {
        let files = Crate::read([("main.rs", "mod below;"), ("below.rs", hiding)]);
        assert_eq!(files.hidden(), [format!("below: {what}")], "{hiding}");
    }
}

#[test]
fn a_file_is_for_tests_only_if_nothing_else_declares_it() {
    let floors = floors("above\nbelow\n");
    let up = |declares: &str| {
        let files = Crate::read([
            ("main.rs", "mod above; mod below;"),
            ("above.rs", ""),
            ("below.rs", declares),
            ("below/x.rs", "use crate::above::X;"),
        ]);
        files.up(&floors)
    };
    assert!(up("#[cfg(test)] mod x;").is_empty());
    let found = ["below::x → above::X"];
    assert_eq!(up("#[cfg(test)] mod x; #[cfg(not(test))] mod x;"), found);
    assert_eq!(up("mod y { #[cfg(test)] mod x {} } mod x;"), found);
}

#[test]
fn nothing_here_opens_a_connection() {
    // Backends that need the network reach it through `sigtool-sdk-http`, and their tests may be servers.
    let code = production().into_iter();
    for (file, text) in code.filter(|(file, _)| !file.ends_with("/testing.rs")) {
        for word in ["TcpStream", "ToSocketAddrs", "UdpSocket", "UnixStream"] {
            assert!(!text.contains(word), "`{file}` uses `{word}`");
        }
    }
}

#[test]
fn unsafe_code_is_in_two_files() {
    let allowed = ["cli/src/host/load.rs", "plugins-sdk/src/abi.rs"];
    let found: Vec<_> = production()
        .into_iter()
        .filter(|(_, text)| {
            text.lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
                .any(|word| word == "unsafe")
        })
        .map(|(file, _)| file)
        .collect();
    assert_eq!(found, allowed);
}

#[test]
fn only_the_output_module_prints() {
    for (file, text) in production() {
        // A module of tests may print why it skips.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["println!", "eprintln!", "print!(", "eprint!("] {
            let prints = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .any(|line| line.contains(word));
            assert!(!prints, "`{file}` has `{word}`");
        }
    }
}

/// The ids of the backends, by their folders.
fn backends() -> Vec<String> {
    let mut ids: Vec<String> = fs::read_dir(root().join("backends"))
        .expect("the backends")
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("a plain name"))
        .collect();
    ids.sort();
    assert!(ids.len() >= 2, "{ids:?}");
    ids
}

#[test]
fn backends_are_alike_file_for_file() {
    for id in backends() {
        let folder = root().join("backends").join(&id);
        for file in [
            "Cargo.toml",
            "README.md",
            "sigtool-backend.toml",
            "src/backend.rs",
            "src/config.rs",
            "src/failure.rs",
            "src/lib.rs",
        ] {
            assert!(folder.join(file).is_file(), "`{id}` has no `{file}`");
        }
        let table_of_contents = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        assert!(
            table_of_contents.contains("sigtool_sdk::export_backend!("),
            "`{id}` exports nothing"
        );
        assert!(
            table_of_contents.lines().count() <= 60,
            "`{id}`: lib.rs is a table of contents"
        );
    }
}

#[test]
fn a_manifest_says_what_cargo_says() {
    for id in backends() {
        let folder = root().join("backends").join(&id);
        let text = fs::read_to_string(folder.join("sigtool-backend.toml")).unwrap();
        let manifest = sigtool_sdk::Manifest::parse(&text).unwrap();
        assert_eq!(manifest.id, id);
        assert_eq!(
            manifest.version,
            env!("CARGO_PKG_VERSION"),
            "all crates have one version"
        );
        let cargo = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(
            cargo.contains("version.workspace = true"),
            "`{id}` has a version of its own"
        );
        assert!(
            cargo.contains("crate-type = [\"cdylib\"]"),
            "`{id}` is a cdylib alone"
        );
    }
}

#[test]
fn no_test_file_is_forgotten() {
    for folder in [
        tests_folder().join("cli"),
        tests_folder().join("cli/images"),
        tests_folder().join("cli/rogues"),
    ] {
        let is_root = folder.ends_with("cli");
        let list = if is_root {
            folder.join("main.rs")
        } else {
            folder.with_extension("rs")
        };
        let declared = fs::read_to_string(&list).unwrap();
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let name = stem(&path);
            if path.extension().is_some_and(|e| e == "rs") && name != "main" {
                assert!(
                    declared.contains(&format!("mod {name};")),
                    "`{name}` is not declared"
                );
            }
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn the_tree_speaks_of_the_project_alone() {
    let output = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard"])
        .current_dir(root())
        .output();
    let Ok(output) = output else { return };
    for file in String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|f| !f.ends_with(".lock"))
    {
        let Ok(text) = fs::read_to_string(root().join(file)) else {
            continue;
        };
        // Absolute ones: a folder of that name below another is nobody's machine.
        let begins = |before: Option<char>| before.is_none_or(|c| " \t\n\"'`=(:".contains(c));
        for path in ["work", "root", "farm"].map(|folder| format!("/{folder}/")) {
            let found = text
                .match_indices(&path)
                .any(|(at, _)| begins(text[..at].chars().next_back()));
            assert!(!found, "`{file}` names a path of one machine: {path}");
        }
    }
}
