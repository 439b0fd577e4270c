//! README and the manual: all that a block shows is run, or checked, or parsed, so that no reader types what does not work.
//!
//! A block is marked by its language:
//!
//! - `console`: typed behind `$ `, and what the terminal shows. The blocks of a page are run in their order, in one shell; `…` stands
//!   for what differs from run to run, and registries of the tests for those that are named. Configurations shown before are in force.
//! - `sh`: commands that are not run. Words and flags of each `sigtool` are checked by sigtool itself, here and in the text.
//! - `toml`: a configuration, checked as the user's file, or as a project's if its first line is `# .sigtool.toml`.
//! - `json`, `yaml`, `text`: anything else.

mod page;
mod session;
mod shell;

use page::{Block, Page};
use sigtool_tests::{Sandbox, tests_folder};
use std::path::{Path, PathBuf};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sigtool");

/// The longest README that is still read in three minutes.
const MOST_LINES: usize = 150;

fn root() -> PathBuf {
    tests_folder().join("..")
}

/// README and the chapters of the manual.
fn pages() -> Vec<Page> {
    let chapters = root().join("man").read_dir().unwrap();
    let chapters = chapters.map(|entry| entry.unwrap().path());
    let chapters = chapters.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut paths: Vec<PathBuf> = [root().join("README.md")]
        .into_iter()
        .chain(chapters)
        .collect();
    paths.sort();
    assert!(paths.len() > 10, "{paths:?}");
    paths.iter().map(|path| Page::read(path)).collect()
}

/// Every complaint about each page.
#[track_caller]
fn all_are_right(check: impl Fn(&Page) -> Vec<String>) {
    let wrong: Vec<String> = pages().iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the marks of a page's blocks.
fn marks(page: &Page) -> Vec<String> {
    let known = ["console", "json", "sh", "text", "toml", "yaml"];
    let wrong = page
        .blocks
        .iter()
        .filter(|block| !known.contains(&block.language.as_str()));
    wrong
        .map(|block| page.complain(block.line, &format!("a block of `{}`", block.language)))
        .collect()
}

/// What is wrong with the commands of a page that are not run.
fn commands(page: &Page) -> Vec<String> {
    let sandbox = Sandbox::new(PROGRAM);
    let blocks = page.blocks_of("sh").map(|b| (b.line + 1, b.text.as_str()));
    let words = page.words.iter();
    let words = words
        .filter(|(_, text)| is_whole_command(text))
        .map(|(line, text)| (*line, text.as_str()));
    blocks
        .chain(words)
        .flat_map(|(line, text)| {
            let wrong = shell::check(&sandbox, text).into_iter();
            wrong.map(move |(after, what)| (line + after, what))
        })
        .map(|(line, what)| page.complain(line, &what))
        .collect()
}

/// Whether words in the text are a command, of which nothing is left out: `sigtool NAME` stands for many.
fn is_whole_command(text: &str) -> bool {
    let name = text.strip_prefix("sigtool ").unwrap_or_default();
    name.starts_with(|c: char| !c.is_uppercase()) && !text.contains('…')
}

/// What is wrong with the configurations of a page.
fn configurations(page: &Page) -> Vec<String> {
    // One reader: what a page shows first is in force for what follows.
    let sandbox = Sandbox::new(PROGRAM);
    let wrong = |block: &Block| {
        if block.is_of_a_project() {
            sandbox.write(".sigtool.toml", &block.text);
        } else {
            sandbox.write_config(&block.text);
        }
        let output = sandbox.sigtool().args(["config", "check"]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        (!output.status.success()).then(|| page.complain(block.line, &said))
    };
    page.blocks_of("toml").filter_map(wrong).collect()
}

/// What is wrong with the links of a page to other files.
fn links(page: &Page) -> Vec<String> {
    let folder = page.path.parent().unwrap();
    let is_missing = |to: &str| {
        let path = to.split('#').next().unwrap_or(to);
        !to.starts_with("https://") && !folder.join(path).exists()
    };
    let missing = page.links.iter().filter(|(_, to)| is_missing(to));
    missing
        .map(|(line, to)| page.complain(*line, &format!("a link to {to}, which is not there")))
        .collect()
}

#[test]
fn every_block_says_what_it_is() {
    all_are_right(marks);
}

#[test]
fn every_command_is_one_that_sigtool_knows() {
    all_are_right(commands);
}

#[test]
fn every_configuration_is_accepted() {
    all_are_right(configurations);
}

#[test]
fn every_link_leads_somewhere() {
    all_are_right(links);
}

#[test]
fn the_readme_is_short_and_leads_to_every_chapter() {
    let pages = pages();
    let readme = pages
        .iter()
        .find(|page| page.name() == "README.md")
        .unwrap();
    let lines = readme.text.lines().count();
    assert!(lines <= MOST_LINES, "README.md has {lines} lines");
    for chapter in pages.iter().filter(|page| page.name() != "README.md") {
        let chapter = format!("man/{}", chapter.name());
        assert!(
            readme.links.iter().any(|(_, to)| *to == chapter),
            "README.md has no link to {chapter}"
        );
    }
}

/// A test for each page with a session, so that several run at once and one that lacks a tool is skipped alone.
macro_rules! sessions {
    ($($test:ident: $file:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                session::shows(&Page::read(&root().join($file)));
            }
        )*

        #[test]
        fn every_page_with_a_session_is_run() {
            let pages = pages();
            let with: Vec<&str> = pages
                .iter()
                .filter(|page| page.blocks_of("console").next().is_some())
                .map(Page::name)
                .collect();
            let run = [$(Path::new($file).file_name().unwrap().to_str().unwrap()),*];
            assert_eq!(with, run);
        }
    };
}

sessions! {
    the_session_of_the_readme: "README.md",
    the_session_on_artifacts: "man/artifacts.md",
    the_session_on_cosign: "man/cosign.md",
    the_session_on_images: "man/images.md",
    the_session_on_keys: "man/keys.md",
    the_session_on_the_ledger: "man/ledger.md",
    the_session_on_profiles: "man/profiles.md",
    the_session_on_scripts: "man/scripts.md",
    the_session_on_signing: "man/signing.md",
    the_session_on_verifying: "man/verifying.md",
}

/// A page that is not kept anywhere.
fn page(text: &str) -> Page {
    Page::new(Path::new("page.md"), text.to_owned())
}

#[test]
fn a_block_without_a_mark_is_found() {
    let wrong = marks(&page("a\n\n```\nx\n```\n\n```shell\nx\n```\n\n    x\n"));
    let expected = [
        "page.md:3: a block of ``",
        "page.md:7: a block of `shell`",
        "page.md:11: a block of ``",
    ];
    assert_eq!(wrong, expected);
}

#[test]
fn a_command_that_is_wrong_is_found() {
    let text = "\
```sh
sigtool sign app.tgz && sigtool sing app.tgz   # sigtool sung
make | VERSION=1 sigtool sign \\
  --bundel app.json -
if sigtool verify --key \"$KEY\" app.tgz; then sigtool key generate --algorithm rot13; fi
sigtool sign $(sigtool backend paths) -- --keys
echo sigtool sung
sigtool help imagse
```

Or `sigtool verify --kye K FILE`.
";
    let wrong = commands(&page(text));
    let expected = [
        "page.md:2: sigtool sing app.tgz: error: no such command: `sing`",
        "page.md:3: sigtool sign --bundel app.json -: error: unexpected argument '--bundel' found",
        "page.md:5: sigtool key generate --algorithm rot13: error: invalid value 'rot13' for '--algorithm <ALGORITHM>': ",
        "page.md:6: sigtool backend paths: error: unrecognized subcommand 'paths'",
        "page.md:8: sigtool help imagse: error: no such command: `imagse`",
        "page.md:11: sigtool verify --kye K FILE: error: unexpected argument '--kye' found",
    ];
    assert_eq!(wrong.len(), expected.len(), "{wrong:#?}");
    for (wrong, expected) in wrong.iter().zip(expected) {
        assert!(wrong.starts_with(expected), "{wrong}");
    }
}

#[test]
fn a_configuration_that_is_wrong_is_found() {
    let wrong = |block: &str| {
        let wrong = configurations(&page(&format!("```toml\n{block}```\n")));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].starts_with("page.md:1: error: "), "{}", wrong[0]);
    };
    wrong("default_profil = \"dev\"\n");
    wrong("# .sigtool.toml\n[profile.dev.verify]\nkeys = [\"mine.pub\"]\n");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let wrong = links(&page("See [this](nothing.md)\nand <https://a.example>.\n"));
    assert_eq!(
        wrong,
        ["page.md:1: a link to nothing.md, which is not there"]
    );
}

#[test]
fn a_session_that_shows_something_else_is_found() {
    let session = |shown: &str| {
        let text = format!(
            "```console\n$ echo one \\\n>   two; X=3\n{shown}\n```\n\n```console\n$ echo $X\n3\n```\n"
        );
        session::differences(&page(&text)).unwrap()
    };
    assert_eq!(session("one two"), Vec::<String>::new());
    assert_eq!(session("one …"), Vec::<String>::new());
    let wrong = session("one three");
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].starts_with("page.md:1: "), "{}", wrong[0]);
}
