//! A page in Markdown, by what is checked in it.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A page.
pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) blocks: Vec<Block>,
    /// The words in the text that are set as code, each with its line.
    pub(super) words: Vec<(usize, String)>,
    /// Where its links lead, each with its line.
    pub(super) links: Vec<(usize, String)>,
}

/// A block of code.
pub(super) struct Block {
    /// What it is marked with; nothing if it is not.
    pub(super) language: String,
    /// The line of its mark, from 1.
    pub(super) line: usize,
    /// What stands in it.
    pub(super) text: String,
    /// Where that is in the page.
    pub(super) place: Range<usize>,
}

impl Block {
    /// Whether a configuration is that of a project.
    pub(super) fn is_of_a_project(&self) -> bool {
        self.text.starts_with("# .sigtool.toml\n")
    }
}

impl Page {
    /// # Panics
    ///
    /// It cannot be read.
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path);
        Self::new(
            path,
            text.unwrap_or_else(|e| panic!("{}: {e}", path.display())),
        )
    }

    pub(super) fn new(path: &Path, text: String) -> Self {
        let (mut blocks, mut words, mut links) = (Vec::new(), Vec::new(), Vec::new());
        let mut within: Option<Block> = None;
        for (event, place) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            let line = text[..place.start].matches('\n').count() + 1;
            match (event, &mut within) {
                (Event::Start(Tag::CodeBlock(kind)), _) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    within = Some(Block {
                        language,
                        line,
                        text: String::new(),
                        place: place.end..place.start,
                    });
                }
                (Event::Text(text), Some(block)) => {
                    block.text.push_str(&text);
                    let Range { start, end } = block.place;
                    block.place = start.min(place.start)..end.max(place.end);
                }
                (Event::End(TagEnd::CodeBlock), _) => blocks.extend(within.take()),
                (Event::Code(code), _) => words.push((line, code.into_string())),
                (Event::Start(Tag::Link { dest_url, .. }), _) => {
                    links.push((line, dest_url.into_string()));
                }
                _ => {}
            }
        }
        Self {
            path: path.to_owned(),
            text,
            blocks,
            words,
            links,
        }
    }

    /// The name of its file.
    pub(super) fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }

    /// Its blocks in this language.
    pub(super) fn blocks_of(&self, language: &str) -> impl Iterator<Item = &Block> {
        self.blocks
            .iter()
            .filter(move |block| block.language == language)
    }

    /// What is wrong, and where.
    pub(super) fn complain(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.name())
    }
}
