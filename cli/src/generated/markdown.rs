//! A chapter of the manual, from Markdown to roff: what both have, and nothing else.
//!
//! Anything that has no place in a manual page fails with the file and the line, so that no page ever lacks a part of its chapter.

use crate::topics::{self, Topic};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::collections::BTreeSet;
use std::path::Path;

/// How much a line of code is indented.
const INDENT: &str = "2";

/// The longest line of code: what a terminal of 80 columns has, less the 7 of a page and the indent.
const MAX_CODE: usize = 71;

/// The heading of the last section of each chapter.
const SEE_ALSO: &str = "See also";

/// A chapter as a manual page.
#[derive(Debug)]
pub(super) struct Chapter {
    /// The page, without its title line.
    pub(super) roff: Roff,
    /// The pages that it sends its readers on to.
    pub(super) see_also: BTreeSet<String>,
}

/// Makes a page of a chapter. `root` is the folder of the sources; links lead from its folder `man`.
///
/// # Errors
///
/// What the chapter has that a page cannot have: its line, and what it is.
pub(super) fn chapter(topic: &Topic, text: &str, root: &Path) -> Result<Chapter, String> {
    let mut writer = Writer::new(topic, root);
    let wrong = |line: usize, what: &str| format!("man/{}.md:{line}: {what}", topic.name);
    for (event, place) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        let line = text[..place.start].matches('\n').count() + 1;
        match event {
            Event::Text(code) if writer.within == Within::Code => {
                for (after, code) in code.lines().enumerate() {
                    writer
                        .code(code)
                        .map_err(|what| wrong(line + after, &what))?;
                }
            }
            event => writer.event(event).map_err(|what| wrong(line, &what))?,
        }
    }
    if writer.section != SEE_ALSO {
        return Err(format!(
            "man/{}.md: the last section is not `{SEE_ALSO}`",
            topic.name
        ));
    }
    Ok(Chapter {
        roff: writer.roff,
        see_also: writer.see_also,
    })
}

/// Where in the text the writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Between blocks; before the first one of a section, which needs no sign of its own.
    Section { is_first: bool },
    /// A paragraph, a heading or a cell.
    Line,
    /// An item of a list; its first paragraph has its sign already.
    Item { is_first: bool },
    /// A block of code.
    Code,
}

struct Writer<'a> {
    topic: &'a Topic,
    root: &'a Path,
    roff: Roff,
    within: Within,
    /// What has been read of the line that is under way.
    line: Vec<Inline>,
    /// The cells of the row that is under way.
    cells: Vec<Vec<Inline>>,
    /// How text is set, the innermost last.
    style: Vec<fn(String) -> Inline>,
    /// The list that is under way: the number of its next item, if its items are numbered.
    list: Option<Option<u64>>,
    /// Where the link leads that is under way, and its text.
    link: Option<(String, String)>,
    /// The heading of the section.
    section: String,
    see_also: BTreeSet<String>,
}

impl<'a> Writer<'a> {
    fn new(topic: &'a Topic, root: &'a Path) -> Self {
        Self {
            topic,
            root,
            roff: Roff::new(),
            within: Within::Section { is_first: true },
            line: Vec::new(),
            cells: Vec::new(),
            style: Vec::new(),
            list: None,
            link: None,
            section: String::new(),
            see_also: BTreeSet::new(),
        }
    }

    fn event(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => {
                let style = self.style.last().copied().unwrap_or(roman);
                self.word(&text, style);
                Ok(())
            }
            Event::Code(text) => {
                self.word(&text, bold);
                Ok(())
            }
            Event::SoftBreak => {
                match &mut self.link {
                    Some((_, text)) => text.push(' '),
                    None => self.flush(),
                }
                Ok(())
            }
            Event::HardBreak => Err("a line break".to_owned()),
            Event::Html(_) | Event::InlineHtml(_) => Err("HTML".to_owned()),
            Event::Rule => Err("a rule".to_owned()),
            other => Err(format!("{other:?}")),
        }
    }

    fn start(&mut self, tag: Tag<'_>) -> Result<(), String> {
        match tag {
            Tag::Heading { .. } => self.within = Within::Line,
            Tag::Paragraph => self.paragraph(),
            Tag::TableHead | Tag::TableRow | Tag::TableCell => {}
            Tag::Emphasis => self.style.push(italic),
            Tag::Strong => self.style.push(bold),
            Tag::Link { dest_url, .. } => self.link = Some((dest_url.into_string(), String::new())),
            Tag::List(_) if self.list.is_some() => return Err("a list in a list".to_owned()),
            Tag::List(first) => self.list = Some(first),
            Tag::Item => self.item(),
            Tag::CodeBlock(_) if self.list.is_some() => {
                return Err("a block of code in a list".to_owned());
            }
            Tag::CodeBlock(CodeBlockKind::Indented) => {
                return Err("a block of code that is indented: put it between ```".to_owned());
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(_)) => {
                self.paragraph();
                self.roff.control("RS", [INDENT]).control("EX", []);
                self.within = Within::Code;
            }
            Tag::Table(columns) if columns.len() != 2 => {
                return Err(format!("a table of {} columns", columns.len()));
            }
            Tag::Table(_) => self.within = Within::Line,
            Tag::Image { .. } => return Err("an image".to_owned()),
            Tag::HtmlBlock => return Err("HTML".to_owned()),
            Tag::BlockQuote(_) => return Err("a quotation".to_owned()),
            other => return Err(format!("{other:?}")),
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) -> Result<(), String> {
        match tag {
            TagEnd::Heading(level) => return self.heading(level),
            TagEnd::Paragraph => {
                self.flush();
                self.within = match self.list {
                    Some(_) => Within::Item { is_first: false },
                    None => Within::Section { is_first: false },
                };
            }
            TagEnd::Emphasis | TagEnd::Strong => {
                self.style.pop();
            }
            TagEnd::Link => return self.end_of_link(),
            TagEnd::Item => self.flush(),
            TagEnd::List(_) => {
                self.list = None;
                self.within = Within::Section { is_first: false };
            }
            TagEnd::CodeBlock => {
                self.roff.control("EE", []).control("RE", []);
                self.within = Within::Section { is_first: false };
            }
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.line)),
            TagEnd::TableHead => self.row(italic),
            TagEnd::TableRow => self.row(roman),
            TagEnd::Table => self.within = Within::Section { is_first: false },
            _ => {}
        }
        Ok(())
    }

    fn word(&mut self, text: &str, style: fn(String) -> Inline) {
        match &mut self.link {
            Some((_, link)) => link.push_str(text),
            None => self.line.push(style(text.to_owned())),
        }
    }

    /// A line of a block of code.
    fn code(&mut self, line: &str) -> Result<(), String> {
        if line.chars().count() > MAX_CODE {
            return Err(format!(
                "a line of code of more than {MAX_CODE} characters, which a terminal would break"
            ));
        }
        self.roff.text([roman(line)]);
        Ok(())
    }

    /// Ends the line that is under way.
    fn flush(&mut self) {
        if !self.line.is_empty() {
            self.roff.text(std::mem::take(&mut self.line));
        }
    }

    fn paragraph(&mut self) {
        match self.within {
            Within::Section { is_first: false } => {
                self.roff.control("PP", []);
            }
            Within::Item { is_first: false } => {
                self.roff.control("IP", ["\"\"", "4"]);
            }
            _ => {}
        }
        self.within = Within::Line;
    }

    fn item(&mut self) {
        match &mut self.list {
            Some(Some(number)) => {
                self.roff
                    .control("IP", [format!("{number}.").as_str(), "4"]);
                *number += 1;
            }
            _ => {
                self.roff.control("IP", ["\\(bu", "4"]);
            }
        }
        self.within = Within::Item { is_first: true };
    }

    fn heading(&mut self, level: HeadingLevel) -> Result<(), String> {
        let words: String = self.line.drain(..).map(plain).collect();
        if words.contains(['"', '\\']) {
            return Err("a heading with a quotation mark or a backslash".to_owned());
        }
        match level {
            HeadingLevel::H1 => {
                let Topic {
                    page,
                    section,
                    about,
                    ..
                } = self.topic;
                let title = format!("{page}({section}): {about}");
                if words != title {
                    return Err(format!("the title is not `{title}`"));
                }
                self.roff.control("SH", ["NAME"]);
                let name = roman(format!("{page} - {about}"));
                self.roff.text([name]).control("SH", ["DESCRIPTION"]);
            }
            HeadingLevel::H2 => {
                self.roff.control("SH", [words.to_uppercase().as_str()]);
                self.section = words;
            }
            HeadingLevel::H3 => {
                self.roff.control("SS", [words.as_str()]);
            }
            _ => return Err("a heading of the fourth level".to_owned()),
        }
        self.within = Within::Section { is_first: true };
        Ok(())
    }

    /// A row becomes a tag, which is its first cell, and what stands beside it. A head without words is there for Markdown alone.
    fn row(&mut self, style: fn(String) -> Inline) {
        let cells = std::mem::take(&mut self.cells);
        if cells.iter().any(|cell| !cell.is_empty()) {
            self.roff.control("TP", []);
        }
        for cell in cells.into_iter().filter(|cell| !cell.is_empty()) {
            let styled = cell.into_iter().map(|inline| match inline {
                Inline::Roman(text) => style(text),
                other => other,
            });
            self.roff.text(styled.collect::<Vec<_>>());
        }
    }

    fn end_of_link(&mut self) -> Result<(), String> {
        let Some((to, text)) = self.link.take() else {
            return Ok(());
        };
        let expect = |expected: String| {
            if text == expected {
                return Ok(());
            }
            Err(format!("the text of the link to {to} is not `{expected}`"))
        };
        if to.starts_with("https://") {
            expect(to.clone())?;
            self.line.push(roman(text));
        } else if let Some(path) = to.strip_prefix("../") {
            expect(path.to_owned())?;
            if !self.root.join(path).exists() {
                return Err(format!("there is no {path}"));
            }
            self.line.push(italic(text));
        } else {
            let (page, section) = self.page(&to)?;
            expect(format!("{page}({section})"))?;
            if self.section == SEE_ALSO {
                self.see_also.insert(format!("{page}.{section}"));
            }
            let section = roman(format!("({section})"));
            self.line.extend([bold(page), section]);
        }
        Ok(())
    }

    /// The page of another chapter, or of a command.
    fn page(&self, to: &str) -> Result<(String, String), String> {
        let missing = || format!("a link to {to}, which is not a page of the manual");
        let (name, ending) = to.rsplit_once('.').ok_or_else(missing)?;
        if ending == "md" {
            let topic = topics::find(name).ok_or_else(missing)?;
            return Ok((topic.page.to_owned(), topic.section.to_string()));
        }
        if ending != "1" || !self.root.join("man").join(to).exists() {
            return Err(missing());
        }
        Ok((name.to_owned(), ending.to_owned()))
    }
}

fn plain(inline: Inline) -> String {
    match inline {
        Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text,
        Inline::LineBreak => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

    const TOPIC: Topic = Topic {
        name: "ships",
        page: "sigtool-ships",
        section: 7,
        about: "sign ships",
    };

    /// A chapter that begins and ends as all do, around this text.
    fn around(text: &str) -> Result<String, String> {
        let text = format!(
            "# sigtool-ships(7): sign ships\n\n{text}\n\n## See also\n\n[sigtool(1)](sigtool.1)\n"
        );
        let page = chapter(&TOPIC, &text, Path::new(ROOT))?.roff.to_roff();
        let (_, page) = page.split_once(".SH DESCRIPTION\n").unwrap();
        let (page, _) = page.split_once(".SH \"SEE ALSO\"\n").unwrap();
        Ok(page.to_owned())
    }

    #[track_caller]
    fn becomes(text: &str, expected: &str) {
        assert_eq!(around(text).unwrap(), expected);
    }

    #[track_caller]
    fn fails(text: &str, expected: &str) {
        assert_eq!(around(text).unwrap_err(), expected);
    }

    #[test]
    fn paragraphs_and_headings() {
        becomes(
            "One,\ntwo.\n\nThree.\n\n## Where ships go\n\nFour.\n\n### Far\n\nFive.",
            "One,\ntwo.\n.PP\nThree.\n.SH \"WHERE SHIPS GO\"\nFour.\n.SS Far\nFive.\n",
        );
    }

    #[test]
    fn words_that_are_set_apart() {
        becomes(
            "Say `--key K` or *this* and **that**.",
            "Say \\fB\\-\\-key K\\fR or \\fIthis\\fR and \\fBthat\\fR.\n",
        );
    }

    #[test]
    fn nothing_of_the_text_is_taken_for_a_request() {
        becomes(
            ".sig files\n'quoted' \\\\ a\n`.x`",
            "\\&.sig files\n\\&'quoted' \\\\ a\n\\fB.x\\fR\n",
        );
        becomes(
            "```text\n.sig\n'x' \\n\n  --x\n```",
            ".RS 2\n.EX\n\\&.sig\n\\&'x' \\\\n\n  \\-\\-x\n.EE\n.RE\n",
        );
    }

    #[test]
    fn lists() {
        becomes(
            "Some:\n\n- one\n  more\n- two\n\nThen:\n\n1. first\n\n   and more\n\n2. second",
            "Some:\n.IP \\(bu 4\none\nmore\n.IP \\(bu 4\ntwo\n.PP\nThen:\n\
             .IP 1. 4\nfirst\n.IP \"\" 4\nand more\n.IP 2. 4\nsecond\n",
        );
    }

    #[test]
    fn a_table_of_two_columns_is_a_list_of_tags() {
        becomes(
            "| | |\n|---|---|\n| `a` | one |\n| `b` | *two* |\n\nMore.",
            ".TP\n\\fBa\\fR\none\n.TP\n\\fBb\\fR\n\\fItwo\\fR\n.PP\nMore.\n",
        );
        becomes(
            "| ours | theirs |\n|---|---|\n| a | b |",
            ".TP\n\\fIours\\fR\n\\fItheirs\\fR\n.TP\na\nb\n",
        );
    }

    #[test]
    fn links_lead_to_pages_files_and_sites() {
        becomes(
            "See [sigtool-images(7)](images.md),\n[sigtool-sign(1)](sigtool-sign.1), [README.md](../README.md) and <https://a.example>.",
            "See \\fBsigtool\\-images\\fR(7),\n\\fBsigtool\\-sign\\fR(1), \\fIREADME.md\\fR and https://a.example.\n",
        );
        fails(
            "[images](images.md)",
            "man/ships.md:3: the text of the link to images.md is not `sigtool-images(7)`",
        );
        fails(
            "\n[boats(7)](boats.md)",
            "man/ships.md:4: a link to boats.md, which is not a page of the manual",
        );
        fails(
            "[y](../x)",
            "man/ships.md:3: the text of the link to ../x is not `x`",
        );
        fails(
            "[boat.md](../boat.md)",
            "man/ships.md:3: there is no boat.md",
        );
    }

    #[test]
    fn what_a_page_cannot_have_fails_with_its_line() {
        fails("a\n\n![x](x.png)", "man/ships.md:5: an image");
        fails("a\n\n<b>x</b>", "man/ships.md:5: HTML");
        fails("a\n\n<!-- x -->", "man/ships.md:5: HTML");
        fails(
            "| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |",
            "man/ships.md:3: a table of 3 columns",
        );
        fails("- a\n  - b", "man/ships.md:4: a list in a list");
        fails(
            "- a\n\n  ```text\n  x\n  ```",
            "man/ships.md:5: a block of code in a list",
        );
        fails(
            "    x",
            "man/ships.md:3: a block of code that is indented: put it between ```",
        );
        fails(
            &format!("```text\na\n{}\n```", "b".repeat(72)),
            "man/ships.md:5: a line of code of more than 71 characters, which a terminal would break",
        );
        fails("> a", "man/ships.md:3: a quotation");
        fails("a\n\n---", "man/ships.md:5: a rule");
        fails("a  \nb", "man/ships.md:3: a line break");
        fails("#### a", "man/ships.md:3: a heading of the fourth level");
    }

    #[test]
    fn a_chapter_has_its_title_and_ends_with_where_to_go_on() {
        let fails = |text: &str, expected: &str| {
            let error = chapter(&TOPIC, text, Path::new(ROOT)).unwrap_err();
            assert_eq!(error, expected);
        };
        fails(
            "# Ships\n",
            "man/ships.md:1: the title is not `sigtool-ships(7): sign ships`",
        );
        fails(
            "# sigtool-ships(7): sign ships\n\nSet sail.\n",
            "man/ships.md: the last section is not `See also`",
        );
    }
}
