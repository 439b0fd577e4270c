//! What a page shows of a terminal, run again.

use super::PROGRAM;
use super::page::{Block, Page};
use sigtool_tests::Sandbox;
use sigtool_tests::archives::{chart, zip};
use sigtool_tests::peers::need;
use sigtool_tests::registry::Registry;
use snapbox::IntoData as _;
use std::env::{join_paths, split_paths};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What stands between what two commands show. No command shows it.
const NEXT: &str = "\n-- the next command --\n";

/// What stands on a page for what differs from run to run.
const ANYTHING: &str = "…";

/// Who works on the pages, and where.
const USER: &str = "alice";
const HOME: &str = "/home/alice";
const FOLDER: &str = "/home/alice/shop";
const MACHINE: &str = "build-7";
const TIME: &str = "2026-11-25 10:02:11Z";

/// Starts a registry; `None` if its program is missing, which has been said.
type Start = fn() -> Option<Registry>;

/// The registries that pages name, and which one of the tests is meant.
const REGISTRIES: [(&str, Start); 2] = [
    ("ghcr.io", || Registry::olareg(&["--api-delete"])),
    ("registry.example", Registry::docker),
];

/// Runs what the page shows, and compares. With `SNAPSHOTS=overwrite` a block that differs is written anew.
///
/// # Panics
///
/// A block shows something else.
pub(super) fn shows(page: &Page) {
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        overwrite(page);
        return;
    }
    let wrong = differences(page).unwrap_or_default();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What differs, block by block. `None` if a program is missing, which has been said.
pub(super) fn differences(page: &Page) -> Option<Vec<String>> {
    let found = run(page)?;
    let blocks = page.blocks_of("console").zip(found);
    let wrong = blocks.filter_map(|(block, found)| {
        let difference = difference(block, &found)?;
        Some(page.complain(block.line, &difference))
    });
    Some(wrong.collect())
}

fn difference(block: &Block, found: &str) -> Option<String> {
    let compared = assert().try_eq(None, found.into_data(), expected(block));
    compared.err().map(|difference| difference.to_string())
}

/// What a block is to show, with the sign of snapbox for what differs from run to run.
fn expected(block: &Block) -> snapbox::Data {
    block.text.replace(ANYTHING, "[..]").into_data()
}

fn assert() -> snapbox::Assert {
    // A backslash is what it is, and not a path of another system.
    snapbox::Assert::new().normalize_paths(false)
}

fn overwrite(page: &Page) {
    let Some(found) = run(page) else { return };
    let mut text = page.text.clone();
    // From the end, so that the places before stay where they are.
    let blocks: Vec<_> = page.blocks_of("console").zip(found).collect();
    for (block, found) in blocks.into_iter().rev() {
        // Lines that are as they were keep their signs.
        let (found, _) = assert().normalize(found.into_data(), expected(block));
        let found = found.to_string().replace("[..]", ANYTHING);
        text.replace_range(block.place.clone(), &found);
    }
    std::fs::write(&page.path, text).unwrap();
}

/// What the terminal shows, block by block. `None` if a program is missing, which has been said.
fn run(page: &Page) -> Option<Vec<String>> {
    let sandbox = Sandbox::new(PROGRAM);
    provide(&sandbox);
    let blocks: Vec<Vec<String>> = page.blocks_of("console").map(typed).collect();
    let all = blocks.concat().join("\n");
    let names = names(&all)?;
    let mut script = String::from("exec 2>&1\n");
    for block in &page.blocks {
        match block.language.as_str() {
            "console" => typed(block).iter().for_each(|command| {
                script += &followed_by_a_mark(command);
            }),
            "toml" => script += &put_in_force(block),
            _ => {}
        }
    }
    for (name, registry) in &names {
        script = script.replace(name, &registry.host());
    }
    let mut shown = in_a_shell(&sandbox, &path(&all)?, &script).into_iter();
    let of_block = |commands: Vec<String>| -> String {
        let of_command = |command: String| {
            let shown = shown.next().unwrap_or_default();
            let shown = as_on_the_page(&shown, &sandbox, &names);
            format!("$ {}\n{shown}", command.replace('\n', "\n> "))
        };
        commands.into_iter().map(of_command).collect()
    };
    Some(blocks.into_iter().map(of_block).collect())
}

fn followed_by_a_mark(command: &str) -> String {
    // `$?` stays that of the command.
    let mark = NEXT.trim();
    format!("{command}\nstatus=$?; printf '\\n%s\\n' '{mark}'; (exit $status)\n")
}

/// A configuration is in force for what the page shows below it.
fn put_in_force(block: &Block) -> String {
    let file = if block.is_of_a_project() {
        ".sigtool.toml"
    } else {
        "$XDG_CONFIG_HOME/sigtool/config.toml"
    };
    let text = &block.text;
    format!(
        "mkdir -p \"$XDG_CONFIG_HOME/sigtool\"; cat >\"{file}\" <<'END OF FILE'\n{text}END OF FILE\n"
    )
}

/// What was shown, with the names of the page: of folders, of the machine, of registries, and at the page's time.
fn as_on_the_page(shown: &str, sandbox: &Sandbox, names: &[(&str, Registry)]) -> String {
    let said_by = |program: &str, flag: &str| {
        let output = std::process::Command::new(program).arg(flag).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        text.trim().to_owned()
    };
    let machine = match (said_by("id", "-un"), said_by("uname", "-n")) {
        (user, machine) if user == USER => format!("{USER} on {machine}"),
        (user, machine) => format!("{user} (`USER` says {USER}) on {machine}"),
    };
    let shown = shown
        .replace(sandbox.home().to_str().unwrap(), HOME)
        .replace(sandbox.work().to_str().unwrap(), FOLDER)
        .replace(&machine, &format!("{USER} on {MACHINE}"));
    let back =
        |text: String, (name, registry): &(&str, Registry)| text.replace(&registry.host(), name);
    names.iter().fold(at_one_time(&shown), back)
}

/// The text with each of its times replaced by that of the page.
fn at_one_time(text: &str) -> String {
    let digits_as_zeros = |c: u8| if c.is_ascii_digit() { b'0' } else { c };
    let shape: Vec<u8> = TIME.bytes().map(digits_as_zeros).collect();
    let mut bytes = text.as_bytes().to_vec();
    for start in 0..(bytes.len() + 1).saturating_sub(TIME.len()) {
        let place = &mut bytes[start..start + TIME.len()];
        if place
            .iter()
            .copied()
            .map(digits_as_zeros)
            .eq(shape.iter().copied())
        {
            place.copy_from_slice(TIME.as_bytes());
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The commands of a block: what stands behind `$ `, and behind `> ` where a command goes on.
fn typed(block: &Block) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in block.text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push(command.to_owned());
        } else if let (Some(more), Some(command)) = (line.strip_prefix("> "), commands.last_mut()) {
            *command += "\n";
            *command += more;
        }
    }
    commands
}

/// The files that pages speak of.
fn provide(sandbox: &Sandbox) {
    sandbox.write("shop-1.10.0.tgz", chart("shop", "1.10.0"));
    let manifest =
        "Manifest-Version: 1.0\nImplementation-Title: cart\nImplementation-Version: 2.4.1\n";
    let jar = zip(&[("META-INF/MANIFEST.MF", manifest)]);
    sandbox.write("dist/cart-2.4.1.jar", jar);
    sandbox.write("dist/notes.txt", "What is new in this release.\n");
}

/// The registries that are named, with the images that pages speak of.
fn names(commands: &str) -> Option<Vec<(&'static str, Registry)>> {
    let named = REGISTRIES
        .iter()
        .filter(|(name, _)| commands.contains(name));
    let started = named.map(|(name, start)| {
        let registry = start()?;
        registry.push_image("acme/shop", "1.10.0", "shop");
        registry.push_index("acme/app", "1.2", &["app on amd64", "app on arm64"]);
        Some((*name, registry))
    });
    started.collect()
}

/// Where the shell finds sigtool, and cosign if it is typed.
fn path(commands: &str) -> Option<Vec<PathBuf>> {
    let folder = |program: &Path| program.parent().unwrap().to_owned();
    let mut folders = vec![folder(Path::new(PROGRAM))];
    if commands.lines().any(|line| line.starts_with("cosign ")) {
        folders.push(folder(&need("cosign-v3")?));
    }
    folders.extend(split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    Some(folders)
}

/// Runs a script in a shell, and gives what it shows, from mark to mark.
fn in_a_shell(sandbox: &Sandbox, path: &[PathBuf], script: &str) -> Vec<String> {
    let sigtool = sandbox.process();
    let variables = sigtool.get_envs().filter_map(|(k, v)| Some((k, v?)));
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .env_clear()
        .envs(variables)
        .env("PATH", join_paths(path).unwrap())
        .env("USER", USER)
        .current_dir(sandbox.work())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let mut shown: Vec<String> = shown.split(NEXT).map(str::to_owned).collect();
    // Behind the last mark there is nothing.
    let rest = shown.pop();
    assert_eq!(rest.as_deref(), Some(""), "the shell went away: {shown:?}");
    shown
}
