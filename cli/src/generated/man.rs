//! The manual pages in `man`: those of commands, generated from the command line, and two written by hand, which name what there is.

use crate::args::Cli;
use crate::config::environment::variables;
use crate::config::mask::KINDS;
use crate::config::schema::{
    BACKEND, COMMANDS, FIRST_PARTY, IDENTITY, NETWORK, POLICY, PROFILE, Setting, TOP, VERIFY,
};
use crate::config::settings::Choice;
use crate::error::EXIT_CODES;
use crate::generated::compare;
use crate::host::{Folders, Isolation};
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use sigtool_sdk::manifest::{Kind, Manifest};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The variables of others that sigtool reads.
const OTHER_VARIABLES: [(&str, &str); 3] = [
    (
        "COSIGN_PASSWORD",
        "the password of the private key, where SIGTOOL_PASSWORD is not set",
    ),
    ("MANPATH", "where `sigtool help` looks for pages besides"),
    ("NO_COLOR", "no colours, unless --color says otherwise"),
];

/// The files that sigtool reads and writes by itself.
const FILES: [(&str, &str); 7] = [
    (".sigtool.toml", "the configuration of a project"),
    (
        "/etc/sigtool/config.toml",
        "the configuration of the machine",
    ),
    (
        "/etc/sigtool/policy.toml",
        "the policy of the machine, which nothing overrides",
    ),
    (
        "~/.config/sigtool/config.toml",
        "your configuration; in $XDG_CONFIG_HOME if that is set",
    ),
    (
        "~/.local/share/sigtool/keys",
        "the keys of `sigtool init`; in $XDG_DATA_HOME if that is set",
    ),
    (
        "~/.local/state/sigtool/ledger.db, ledger.head",
        "the ledger and the head of its chain; in $XDG_STATE_HOME if that is set",
    ),
    (
        "~/.local/state/sigtool/signatures.db",
        "the signatures of images that this machine made; in $XDG_STATE_HOME if that is set",
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../man")
}

/// Every page that is generated, by the name of its file.
fn generated() -> BTreeMap<String, String> {
    let mut root = Cli::command();
    root.build();
    let mut pages = BTreeMap::new();
    add(&root, None, &mut pages);
    pages
}

fn add(command: &Command, above: Option<&str>, pages: &mut BTreeMap<String, String>) {
    let name = command.get_display_name().unwrap_or(command.get_name());
    pages.insert(format!("{name}.1"), page(command, name, above));
    for below in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        add(below, Some(name), pages);
    }
}

fn page(command: &Command, name: &str, above: Option<&str>) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let man = Man::new(
        command
            .clone()
            .override_usage(usage)
            .subcommand_help_heading("COMMANDS"),
    );
    let mut text = Vec::new();
    let sections = [
        Man::render_name_section,
        Man::render_synopsis_section,
        Man::render_description_section,
        Man::render_options_section,
    ];
    for section in sections {
        section(&man, &mut text).unwrap();
    }
    let has_commands = command.get_subcommands().any(|c| !c.is_hide_set());
    if has_commands {
        man.render_subcommands_section(&mut text).unwrap();
    }
    let mut end = Roff::new();
    match above {
        None => program(&mut end),
        Some(_) => after(&mut end, command),
    }
    see_also(&mut end, above);
    end.to_writer(&mut text).unwrap();
    // Each part begins with what a page needs once; and a date would be only that of the last change.
    let preamble = Roff::new().render();
    let text = String::from_utf8(text).unwrap().replace(&preamble, "");
    let (title, version) = (name.to_uppercase(), env!("CARGO_PKG_VERSION"));
    format!("{preamble}.TH {title} 1 \"\" \"sigtool {version}\" \"sigtool manual\"\n{text}")
}

/// What the page of the program has besides.
fn program(roff: &mut Roff) {
    let codes = EXIT_CODES.map(|row| (row.code.to_string(), row.long));
    let serious: Vec<_> = codes
        .iter()
        .map(|(code, _)| code.as_str())
        .take(5)
        .collect();
    let serious = format!(
        "Of several artifacts the most serious failure decides, in the order {}.",
        serious.join(", ")
    );
    let mut in_order = codes.clone();
    in_order.sort_by_key(|(code, _)| code.parse::<u8>().ok());
    list(
        roff,
        "EXIT STATUS",
        in_order.iter().map(|(code, long)| (code.as_str(), *long)),
    );
    roff.control("PP", []);
    roff.text([roman(serious)]);
    let own = variables();
    let others = OTHER_VARIABLES.into_iter();
    list(roff, "ENVIRONMENT", own.into_iter().chain(others));
    list(roff, "FILES", FILES);
}

fn list<'a>(
    roff: &mut Roff,
    heading: &str,
    entries: impl IntoIterator<Item = (&'a str, impl Into<String>)>,
) {
    roff.control("SH", [heading]);
    for (name, text) in entries {
        roff.control("TP", []);
        roff.text([bold(name)]);
        roff.text([roman(text)]);
    }
}

/// The text behind the help, line by line: examples, for the most part.
fn after(roff: &mut Roff, command: &Command) {
    let Some(text) = command.get_after_help() else {
        return;
    };
    let text = text.to_string();
    let (heading, lines) = match text.strip_prefix("Examples:\n") {
        Some(examples) => ("EXAMPLES", examples),
        None => ("NOTES", text.as_str()),
    };
    roff.control("SH", [heading]);
    roff.control("nf", []);
    for line in lines.lines() {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    roff.control("fi", []);
}

fn see_also(roff: &mut Roff, above: Option<&str>) {
    let program = above
        .filter(|name| *name != "sigtool")
        .map(|_| ("sigtool", 1));
    let above = above.map(|name| (name, 1));
    let others = [("sigtool-config", 5), ("sigtool-backends", 7)];
    let pages: Vec<_> = program.into_iter().chain(above).chain(others).collect();
    roff.control("SH", ["SEE ALSO"]);
    let last = pages.len() - 1;
    let words: Vec<Inline> = pages
        .into_iter()
        .enumerate()
        .flat_map(|(n, (name, section))| {
            let comma = if n == last { "" } else { ", " };
            [bold(name), roman(format!("({section}){comma}"))]
        })
        .collect();
    roff.text(words);
}

#[test]
fn the_pages_of_commands_are_those_of_the_command_line() {
    let pages = generated();
    for (name, text) in &pages {
        compare(&folder().join(name), text);
    }
    let kept = folder().read_dir().unwrap();
    let kept: BTreeSet<String> = kept
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let by_hand = ["sigtool-config.5", "sigtool-backends.7"].map(str::to_owned);
    let expected: BTreeSet<String> = pages.into_keys().chain(by_hand).collect();
    assert_eq!(kept, expected);
}

/// The entries of a section of a page that is written by hand: what is bold or slanted behind `.TP`, and the text that follows.
fn entries(page: &str, section: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder().join(page)).unwrap();
    let start = format!("\n.SH {section}\n");
    let (_, text) = text
        .split_once(&start)
        .unwrap_or_else(|| panic!("{page} has no section {section}"));
    let section = text.split("\n.SH ").next().unwrap_or(text);
    let entries = section.split(".TP\n").skip(1).map(|entry| {
        let (name, text) = entry.split_once('\n').unwrap_or((entry, ""));
        let name = name.split_once(' ').map_or(name, |(_, name)| name);
        (name.replace('\\', ""), text.to_owned())
    });
    entries.collect()
}

#[track_caller]
fn names<'a>(page: &str, section: &str, expected: impl IntoIterator<Item = &'a str>) {
    let found = entries(page, section);
    let found: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(found, expected.into_iter().collect(), "{page}: {section}");
}

/// A section names these settings, each with what it takes, and no others.
#[track_caller]
fn settings(section: &str, known: &[Setting]) {
    let page = "sigtool-config.5";
    names(page, section, known.iter().map(|known| known.key));
    for (name, text) in entries(page, section) {
        let takes = known.iter().find(|known| known.key == name).unwrap().takes;
        assert!(
            text.starts_with(takes),
            "{page}: {section}: `{name}` takes {takes}"
        );
    }
}

#[test]
fn the_page_of_the_configuration_names_every_setting_and_no_other() {
    settings("TOP LEVEL", TOP);
    settings("PROFILES", PROFILE);
    settings("VERIFY", VERIFY);
    settings("IDENTITIES", IDENTITY);
    settings("THIRD-PARTY BACKENDS", BACKEND);
    settings("COMMANDS", COMMANDS);
    settings("NETWORK", NETWORK);
    settings("POLICY", POLICY);
    let page = "sigtool-config.5";
    names(page, "SECRETS", KINDS);
    names(page, "ENVIRONMENT", variables().into_keys());
    for (name, text) in entries(page, "ENVIRONMENT") {
        let summary = variables()[name.as_str()];
        assert_eq!(text.trim().replace('\\', ""), summary, "{name}");
    }
}

#[test]
fn the_page_of_backends_names_every_kind_field_and_folder_and_no_other() {
    let page = "sigtool-backends.7";
    names(page, "KINDS", Kind::ALL.map(Kind::as_str));
    names(
        page,
        "ISOLATION",
        Isolation::WORDS.iter().map(|(word, _)| *word),
    );
    let whole = "manifest = 1\nid = \"a\"\nversion = \"1\"\nsummary = \"\"\nkinds = [\"signer\"]\n";
    let manifest = serde_json::to_value(Manifest::parse(whole).unwrap()).unwrap();
    let fields = manifest.as_object().unwrap();
    names(page, "MANIFEST", fields.keys().map(String::as_str));
    let permissions = &entries(page, "MANIFEST")["permissions"];
    for permission in fields["permissions"].as_object().unwrap().keys() {
        assert!(
            permissions.contains(&format!("\n.B {permission}\n")),
            "{permission}"
        );
    }
    let folders = Folders::of(
        Path::new("/usr/bin/sigtool"),
        Some(Path::new("~/.local/share")),
    );
    let folders = folders.others.iter().map(|folder| folder.to_str().unwrap());
    let expected = folders.chain(["../lib/sigtool/backends"]);
    names(page, "FOLDERS", expected);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends");
    let shipped: Vec<&str> = FIRST_PARTY
        .into_iter()
        .filter(|id| sources.join(id).is_dir())
        .collect();
    names(page, "FIRST-PARTY BACKENDS", shipped);
}
