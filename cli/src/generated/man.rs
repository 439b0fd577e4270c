//! The manual pages in `man`: those of commands, generated from the command line, and those of topics, generated from chapters in
//! Markdown. Chapters that name settings, variables or backends name those that there are.

use super::markdown::{Chapter, chapter};
use crate::args::Cli;
use crate::config::environment::variables;
use crate::config::mask::KINDS;
use crate::config::schema::{
    BACKEND, COMMANDS, FIRST_PARTY, IDENTITY, MACHINE_VERIFY, NETWORK, POLICY, PROFILE, Setting,
    TOP, VERIFY,
};
use crate::config::settings::Choice;
use crate::error::EXIT_CODES;
use crate::generated::compare;
use crate::host::{Folders, Isolation};
use crate::topics::{TOPICS, Topic};
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use sigtool_sdk::manifest::{Kind, Manifest};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The variables of others that sigtool reads.
const OTHER_VARIABLES: [(&str, &str); 4] = [
    (
        "COSIGN_PASSWORD",
        "the password of the private key, where SIGTOOL_PASSWORD is not set",
    ),
    (
        "COSIGN_REPOSITORY",
        "where the signatures of images lie, where neither `attach_to` nor --attach-to says so",
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

/// The folder of the sources.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn folder() -> PathBuf {
    root().join("man")
}

/// The text of a topic's chapter.
fn source(topic: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{topic}.md"))).unwrap()
}

/// Every page, by the name of its file.
fn generated() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut topics = Vec::new();
    for topic in &TOPICS {
        let Chapter { roff, see_also } = chapter(topic, &source(topic.name), root()).unwrap();
        pages.insert(
            format!("{}.{}", topic.page, topic.section),
            whole(topic.page, topic.section, &roff.render()),
        );
        topics.push((topic, see_also));
    }
    let mut command = Cli::command();
    command.build();
    add(&command, None, &topics, &mut pages);
    pages
}

/// What the chapters are about, and the pages that they send their readers on to.
type Topics<'a> = [(&'a Topic, BTreeSet<String>)];

fn add(
    command: &Command,
    above: Option<&str>,
    topics: &Topics<'_>,
    pages: &mut BTreeMap<String, String>,
) {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let text = page(command, name, above, topics);
    pages.insert(format!("{name}.1"), text);
    for below in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        add(below, Some(name), topics, pages);
    }
}

/// A page with its title line. Each part begins with what a page needs once; and a date would be only that of the last change. Words are
/// not hyphenated and lines are not stretched, so that commands can be copied.
fn whole(name: &str, section: u8, text: &str) -> String {
    let preamble = Roff::new().render();
    let text = text.replace(&preamble, "");
    let (title, version) = (name.to_uppercase(), env!("CARGO_PKG_VERSION"));
    format!(
        "{preamble}.TH {title} {section} \"\" \"sigtool {version}\" \"sigtool manual\"\n.nr HY 0\n.nh\n.ad l\n{text}"
    )
}

fn page(command: &Command, name: &str, above: Option<&str>, topics: &Topics<'_>) -> String {
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
    see_also(&mut end, name, above, topics);
    end.to_writer(&mut text).unwrap();
    whole(name, 1, &String::from_utf8(text).unwrap())
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

/// The commands above, and the topics whose chapters send their readers here, or to a command above. The program has all topics.
fn see_also(roff: &mut Roff, name: &str, above: Option<&str>, topics: &Topics<'_>) {
    let program = above
        .filter(|name| *name != "sigtool")
        .map(|_| ("sigtool", 1));
    let commands = program.into_iter().chain(above.map(|name| (name, 1)));
    let ways: Vec<String> = [name]
        .into_iter()
        .chain(above.filter(|above| *above != "sigtool"))
        .map(|name| format!("{name}.1"))
        .collect();
    let of_topics = topics
        .iter()
        .filter(|(_, see_also)| above.is_none() || ways.iter().any(|way| see_also.contains(way)))
        .map(|(topic, _)| (topic.page, topic.section));
    roff.control("SH", ["SEE ALSO"]);
    let mut pages = commands.chain(of_topics).peekable();
    while let Some((name, section)) = pages.next() {
        let comma = if pages.peek().is_some() { "," } else { "" };
        roff.text([bold(name), roman(format!("({section}){comma}"))]);
    }
}

#[test]
fn the_pages_are_those_of_the_command_line_and_of_the_chapters() {
    let pages = generated();
    for (name, text) in &pages {
        compare(&folder().join(name), text);
    }
    let kept = folder().read_dir().unwrap();
    let kept: BTreeSet<String> = kept
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let chapters = TOPICS.iter().map(|topic| format!("{}.md", topic.name));
    let expected: BTreeSet<String> = pages.into_keys().chain(chapters).collect();
    assert_eq!(kept, expected);
}

/// The rows of the tables in a section of a chapter: the words of the first cell, and those of the second.
fn entries(topic: &str, section: &str) -> BTreeMap<String, String> {
    let text = source(topic);
    let (_, text) = text
        .split_once(&format!("\n## {section}\n"))
        .unwrap_or_else(|| panic!("{topic} has no section {section}"));
    let text = text.split("\n## ").next().unwrap_or(text);
    let mut rows = Vec::new();
    let mut cells = Vec::new();
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match (event, cells.last_mut()) {
            (Event::Start(Tag::TableCell), _) => cells.push(String::new()),
            (Event::Text(text) | Event::Code(text), Some(cell)) => cell.push_str(&text),
            (Event::End(TagEnd::TableHead | TagEnd::TableRow), _) => {
                rows.push(std::mem::take(&mut cells));
            }
            _ => {}
        }
    }
    let rows = rows
        .into_iter()
        .map(|row| <[String; 2]>::try_from(row).unwrap());
    rows.map(|[name, text]| (name, text))
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

#[track_caller]
fn names<'a>(topic: &str, section: &str, expected: impl IntoIterator<Item = &'a str>) {
    let found = entries(topic, section);
    let found: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(found, expected.into_iter().collect(), "{topic}: {section}");
}

/// A section names these settings, each with what it takes, and no others.
#[track_caller]
fn settings(section: &str, known: &[Setting]) {
    let topic = "configuration";
    names(topic, section, known.iter().map(|known| known.key));
    for (name, text) in entries(topic, section) {
        let takes = known.iter().find(|known| known.key == name).unwrap().takes;
        assert!(
            text.starts_with(takes),
            "{topic}: {section}: `{name}` takes {takes}"
        );
    }
}

#[test]
fn the_chapter_on_the_configuration_names_every_setting_and_no_other() {
    settings("Top level", TOP);
    settings("Profiles", PROFILE);
    settings("Verify", VERIFY);
    settings("Identities", IDENTITY);
    settings("Third-party backends", BACKEND);
    settings("Commands", COMMANDS);
    settings("Network", NETWORK);
    settings("Policy", POLICY);
    settings("Verify in the policy", MACHINE_VERIFY);
    let topic = "configuration";
    names(topic, "Secrets", KINDS);
    names(topic, "Environment", variables().into_keys());
    for (name, text) in entries(topic, "Environment") {
        let summary = variables()[name.as_str()];
        assert_eq!(text, summary, "{name}");
    }
}

#[test]
fn the_chapter_on_scripts_says_of_each_exit_code_what_the_page_of_the_program_says() {
    let said = entries("scripts", "Exit codes");
    let expected = EXIT_CODES.map(|row| (row.code.to_string(), row.long.to_owned()));
    assert_eq!(said, BTreeMap::from(expected));
}

#[test]
fn the_chapter_on_backends_names_every_kind_field_and_folder_and_no_other() {
    let topic = "backends";
    names(topic, "Kinds", Kind::ALL.map(Kind::as_str));
    names(
        topic,
        "Isolation",
        Isolation::WORDS.iter().map(|(word, _)| *word),
    );
    let whole = "manifest = 1\nid = \"a\"\nversion = \"1\"\nsummary = \"\"\nkinds = [\"signer\"]\n";
    let manifest = serde_json::to_value(Manifest::parse(whole).unwrap()).unwrap();
    let fields = manifest.as_object().unwrap();
    names(topic, "Manifest", fields.keys().map(String::as_str));
    let permissions = &entries(topic, "Manifest")["permissions"];
    for permission in fields["permissions"].as_object().unwrap().keys() {
        assert!(permissions.contains(permission), "{permission}");
    }
    let folders = Folders::of(
        Path::new("/usr/bin/sigtool"),
        Some(Path::new("~/.local/share")),
    );
    let folders = folders.others.iter().map(|folder| folder.to_str().unwrap());
    let expected = folders.chain(["../lib/sigtool/backends"]);
    names(topic, "Folders", expected);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends");
    let shipped: Vec<&str> = FIRST_PARTY
        .into_iter()
        .filter(|id| sources.join(id).is_dir())
        .collect();
    names(topic, "First-party backends", shipped);
}
