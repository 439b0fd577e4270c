//! A few scalars of a YAML 1.2 document, read from its events.
//!
//! Nothing is built but the values asked for, so aliases cost nothing, and `1.10` stays the text that it is.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::cell::Cell;

/// How much of a document is looked at, in bytes. What tells a manifest stands at its begin, and a whole `Chart.yaml` is
/// shorter. It also bounds the memory: of a hostile one the parser holds some 150 bytes for each of these.
pub(super) const HEAD: usize = 64 * 1024;

/// How deep brackets may be nested: the scanner looks at each open one for each token, which would take minutes. Counted in
/// comments and quotes as well, where few are left open; the text is cut where there are more.
const MAX_BRACKETS: usize = 256;

/// How deep a document may be nested.
const MAX_DEPTH: usize = 128;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// A mapping, and the value at each path asked for, in that order. A value that is not a scalar, or null, is `None`.
    Mapping(Vec<Option<String>>),
    /// A scalar, a sequence, or nothing.
    Other,
}

/// Reads the first document that holds anything, as far as it is needed: until every key at its top that begins one of the paths
/// is done. `whole` says that `text` is all of it, so that an error at its end is one.
///
/// # Errors
///
/// Why it is not YAML.
pub(super) fn scalars(text: &str, whole: bool, paths: &[&[&str]]) -> Result<Document, String> {
    let deep = Cell::new(false);
    let mut reading = Reading::new(paths);
    for event in Parser::new_from_iter(shallow(text, &deep)) {
        let step = match event {
            Ok((event, _)) => reading.take(event)?,
            // What is cut off cannot end well.
            Err(_) if (deep.get() || !whole) && reading.is_mapping => Step::Done,
            Err(_) if deep.get() => return Err("it is nested too deep".to_owned()),
            Err(_) if !whole => {
                return Err(format!("nothing can be told from its first {HEAD} bytes"));
            }
            Err(e) => {
                return Err(format!(
                    "malformed YAML in line {}: {}",
                    e.marker().line(),
                    e.info()
                ));
            }
        };
        if step == Step::Done {
            break;
        }
    }
    Ok(reading.document())
}

/// The characters of a text, up to where more brackets are open than any document has.
fn shallow<'a>(text: &'a str, deep: &'a Cell<bool>) -> impl Iterator<Item = char> + 'a {
    let mut open = 0_usize;
    text.trim_start_matches('\u{feff}')
        .chars()
        .map_while(move |c| {
            match c {
                '[' | '{' => open += 1,
                ']' | '}' => open = open.saturating_sub(1),
                _ => {}
            }
            if open > MAX_BRACKETS {
                deep.set(true);
                return None;
            }
            Some(c)
        })
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    More,
    Done,
}

/// Where we are: the collections that are open, and what was found.
struct Reading<'p> {
    paths: &'p [&'p [&'p str]],
    found: Vec<Option<String>>,
    /// The keys at the top that are not done yet.
    missing: Vec<&'p str>,
    open: Vec<Collection>,
    is_mapping: bool,
}

enum Collection {
    /// The key whose value comes next (`None` for one that is not a scalar), if a key has been read.
    Mapping {
        key: Option<Option<String>>,
    },
    Sequence,
}

impl<'p> Reading<'p> {
    fn new(paths: &'p [&'p [&'p str]]) -> Self {
        Self {
            paths,
            found: vec![None; paths.len()],
            missing: paths
                .iter()
                .filter_map(|path| path.first().copied())
                .collect(),
            open: Vec::new(),
            is_mapping: false,
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<Step, String> {
        match event {
            Event::MappingStart(..) => {
                self.is_mapping |= self.open.is_empty();
                self.begin(Collection::Mapping { key: None })
            }
            Event::SequenceStart(..) => self.begin(Collection::Sequence),
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
                Ok(self.node(None))
            }
            Event::Scalar(value, style, ..) => {
                let is_null = style == ScalarStyle::Plain
                    && matches!(&*value, "" | "~" | "null" | "Null" | "NULL");
                // `---` with nothing behind it: what matters comes in the next document.
                if self.open.is_empty() && is_null {
                    return Ok(Step::More);
                }
                Ok(self.node((!is_null).then_some(&*value)))
            }
            Event::Alias(_) => Ok(self.node(None)),
            _ => Ok(Step::More),
        }
    }

    fn begin(&mut self, collection: Collection) -> Result<Step, String> {
        if self.open.len() >= MAX_DEPTH {
            return Err("it is nested too deep".to_owned());
        }
        self.open.push(collection);
        Ok(Step::More)
    }

    /// A node is complete: it is a key, a value, an item, or the document.
    fn node(&mut self, scalar: Option<&str>) -> Step {
        match self.open.last_mut() {
            None => return Step::Done,
            Some(Collection::Sequence) => return Step::More,
            Some(Collection::Mapping { key: key @ None }) => {
                *key = Some(scalar.map(str::to_owned));
                return Step::More;
            }
            Some(Collection::Mapping { .. }) => {}
        }
        if let Some(scalar) = scalar {
            self.value(scalar);
        }
        let depth = self.open.len();
        if let Some(Collection::Mapping { key }) = self.open.last_mut()
            && let Some(Some(key)) = key.take()
            && depth == 1
        {
            self.missing.retain(|missing| *missing != key);
            if self.missing.is_empty() {
                return Step::Done;
            }
        }
        Step::More
    }

    /// Keeps a value that was asked for. The first one counts where a key is there twice.
    fn value(&mut self, scalar: &str) {
        for (path, found) in self.paths.iter().zip(&mut self.found) {
            if found.is_none() && is_at(&self.open, path) {
                *found = Some(scalar.to_owned());
            }
        }
    }

    fn document(self) -> Document {
        if self.is_mapping {
            Document::Mapping(self.found)
        } else {
            Document::Other
        }
    }
}

fn is_at(open: &[Collection], path: &[&str]) -> bool {
    open.len() == path.len()
        && open.iter().zip(path).all(|(collection, name)| {
            matches!(collection, Collection::Mapping { key: Some(Some(key)) } if key == name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const PATHS: &[&[&str]] = &[&["name"], &["meta", "labels", "a.b/c"], &["version"]];

    fn read(text: &str) -> Result<Document, String> {
        scalars(text, true, PATHS)
    }

    fn values(text: &str) -> [Option<String>; 3] {
        match read(text).unwrap() {
            Document::Mapping(values) => values.try_into().unwrap(),
            Document::Other => panic!("no mapping: {text}"),
        }
    }

    #[test]
    fn values_are_the_text_that_was_written() {
        let some = |text: &str| Some(text.to_owned());
        let text = "name: app # comment\nversion: 1.10\nmeta:\n  labels: {a.b/c: \"0x10\"}\n";
        assert_eq!(values(text), [some("app"), some("0x10"), some("1.10")]);
        assert_eq!(
            values("{name: 'a b', version: 1e3}"),
            [some("a b"), None, some("1e3")]
        );
        assert_eq!(values("\u{feff}---\n# c\n---\nname: x\n")[0], some("x"));
        assert_eq!(values("name: ~\nversion: \"\"\n"), [None, None, some("")]);
    }

    #[test]
    fn only_the_value_at_the_very_path_counts() {
        let text = "a: {name: no}\nlist: [name, {name: no}]\n? [name]\n: no\n? {name: no}\n: no\nmeta: {name: no}\n";
        assert_eq!(values(text), [None, None, None]);
        assert_eq!(values("name: one\nname: two\n")[0].as_deref(), Some("one"));
        assert_eq!(values("a: &x name\n*x : no\n"), [None, None, None]);
        assert_eq!(read("- name: x\n"), Ok(Document::Other));
        assert_eq!(read("just text"), Ok(Document::Other));
        assert_eq!(read(""), Ok(Document::Other));
    }

    #[test]
    fn what_is_not_yaml_says_in_which_line() {
        let error = read("name: a\nb: c: d\n").unwrap_err();
        assert!(
            error.starts_with("malformed YAML in line 2: mapping values"),
            "{error}"
        );
        assert!(read("{{ .Values.name }}: x: y\n").is_err());
    }

    #[test]
    fn reading_ends_when_all_is_known() {
        assert!(read("name: a\nversion: 1\nmeta: {}\n\tbroken: [\n").is_ok());
    }

    #[test]
    fn a_cut_document_tells_what_it_can() {
        let text = "name: app\nspec: {a: [1, 2";
        assert!(scalars(text, true, PATHS).is_err());
        let Document::Mapping(values) = scalars(text, false, PATHS).unwrap() else {
            panic!("no mapping")
        };
        assert_eq!(values[0].as_deref(), Some("app"));
        assert!(scalars("\"never ends", false, PATHS).is_err());
    }

    #[test]
    fn hostile_documents_end_soon() {
        let bomb: String = std::iter::once("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned())
            .chain((1..200).map(|i| {
                format!(
                    "a{i}: &a{i} [{}]\n",
                    vec![format!("*a{}", i - 1); 10].join(",")
                )
            }))
            .collect();
        let repeated = |text: &str| text.repeat(HEAD / text.len());
        let hostile = [
            bomb,
            repeated("["),
            repeated("{a: "),
            repeated("- "),
            repeated("? "),
            repeated("a: &x *x\n"),
            repeated("!<a> "),
            repeated("&a "),
            repeated("a,") + "]",
            format!("[{}", repeated("a: b,")),
            format!("{}{}", "[".repeat(MAX_BRACKETS), repeated("a,")),
            format!("a: |\n{}", repeated("\n")),
            format!("a: \"{}", repeated("\\\n")),
            format!("a: '{}", repeated("''\n")),
            repeated("%TAG ! tag:x,\n"),
            repeated("---\n"),
            repeated("a\n"),
            repeated("a: \n "),
            (0..500).map(|i| format!("{}a:\n", " ".repeat(i))).collect(),
            repeated("\u{0}"),
            repeated("#"),
        ];
        for text in hostile {
            for whole in [true, false] {
                let started = Instant::now();
                let _ = scalars(&text, whole, PATHS);
                // Generous: a build without optimisation on a busy machine takes a few seconds at worst.
                let start: String = text.chars().take(20).collect();
                assert!(
                    started.elapsed() < Duration::from_secs(20),
                    "{start:?} took {:?}",
                    started.elapsed()
                );
            }
        }
    }
}
