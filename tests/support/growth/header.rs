//! The C header, by its declarations without their comments.

use std::collections::BTreeMap;

/// How a table that may grow begins: its `struct_size` says how far it goes.
const GROWS: &str = "struct sigtool_header header;";

/// In what ways a header is not an extension of the one that was kept: a sentence for each, none if it is one.
///
/// Each declaration is there still, in the same words. Fields may be added at the end of a table that says its size, and the minor
/// version counts how often that was done.
#[must_use]
pub fn header(kept: &str, today: &str) -> Vec<String> {
    let (kept, today) = (declarations(kept), declarations(today));
    let mut found = Vec::new();
    for (name, before) in &kept {
        match today.get(name) {
            None => found.push(format!("`{name}` is not declared any more")),
            Some(after) if before == after || has_grown(name, before, after) => {}
            Some(after) => found.push(format!("`{name}` was `{before}`, and is `{after}`")),
        }
    }
    found
}

fn has_grown(name: &str, before: &str, after: &str) -> bool {
    if name == "SIGTOOL_ABI_MINOR" {
        let number = |text: &str| text.rsplit(' ').next().and_then(|n| n.parse::<u32>().ok());
        return number(before) <= number(after);
    }
    let fields = |text: &str| {
        let (_, fields) = text.split_once("{ ")?;
        Some(fields.rsplit_once('}')?.0.to_owned())
    };
    match (fields(before), fields(after)) {
        (Some(before), Some(after)) => before.starts_with(GROWS) && after.starts_with(&before),
        _ => false,
    }
}

/// Each declaration and macro by its name. A macro that is defined in several ways, or an assertion, is its own name.
fn declarations(header: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut statement = String::new();
    for line in without_comments(header).lines() {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.starts_with('#') {
            // Which of several a compiler sees is said by what stands around them; each is kept.
            if line.starts_with("#define ") {
                all.insert(macro_name(&line), line);
            }
            continue;
        }
        if line.is_empty() || line == "extern \"C\" {" || (line == "}" && statement.is_empty()) {
            continue;
        }
        if !statement.is_empty() {
            statement.push(' ');
        }
        statement.push_str(&line);
        let is_open = statement.matches('{').count() > statement.matches('}').count();
        if line.ends_with(';') && !is_open {
            let whole = std::mem::take(&mut statement);
            all.insert(name_of(&whole), whole);
        }
    }
    all
}

/// A number is named by its macro; what is written out is its own name, since compilers differ in it.
fn macro_name(line: &str) -> String {
    let rest = line.trim_start_matches("#define ");
    let name = rest.split(' ').next().unwrap_or_default();
    let is_number = rest
        .rsplit(' ')
        .next()
        .is_some_and(|v| v.parse::<u64>().is_ok());
    if is_number { name } else { rest }.to_owned()
}

/// A type is named by what stands behind its fields.
fn name_of(declaration: &str) -> String {
    match declaration.rsplit_once("} ") {
        Some((_, name)) => name.trim_end_matches(';').to_owned(),
        None => declaration.to_owned(),
    }
}

/// The text without comments, and with each continued line in one.
fn without_comments(text: &str) -> String {
    let mut rest = text.replace("\\\n", " ");
    while let Some(start) = rest.find("/*") {
        let length = rest[start..]
            .find("*/")
            .map_or(rest.len() - start, |at| at + 2);
        rest.replace_range(start..start + length, "");
    }
    let lines = rest
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: &str = include_str!("../../../plugins-sdk/include/sigtool.h");

    /// What is found if this is said in another way.
    fn changed(from: &str, to: &str) -> Vec<String> {
        let today = KEPT.replacen(from, to, 1);
        assert_ne!(today, KEPT, "{from}");
        header(KEPT, &today)
    }

    #[test]
    fn everything_that_is_declared_is_seen() {
        let all = declarations(KEPT);
        for name in [
            "SIGTOOL_MAGIC",
            "SIGTOOL_STATUS_PANICKED",
            "sigtool_header",
            "sigtool_slice",
            "sigtool_buffer",
            "sigtool_host_v1",
            "sigtool_backend_v1_table",
        ] {
            assert!(all.contains_key(name), "{name}: {all:#?}");
        }
        let asserted = all
            .keys()
            .filter(|name| name.starts_with("SIGTOOL_ASSERT(offsetof"));
        assert_eq!(
            asserted.count(),
            KEPT.matches("SIGTOOL_ASSERT(offsetof").count()
        );
        let manifests = all
            .keys()
            .filter(|name| name.starts_with("SIGTOOL_MANIFEST"));
        assert_eq!(manifests.count(), 3);
        assert!(
            all.keys()
                .any(|name| name.ends_with("sigtool_backend_v1(void);"))
        );
    }

    #[test]
    fn other_comments_and_fields_at_the_end_are_an_extension() {
        assert_eq!(header(KEPT, KEPT), [""; 0]);
        assert_eq!(
            changed("    // In bytes.", "    // How many bytes."),
            [""; 0]
        );
        assert_eq!(
            changed("#define SIGTOOL_ABI_MINOR 0", "#define SIGTOOL_ABI_MINOR 1"),
            [""; 0]
        );
        let end = "} sigtool_host_v1;";
        let more = format!("    void (*log)(void *ctx);\n{end}");
        assert_eq!(changed(end, &more), [""; 0]);
    }

    #[test]
    fn whatever_a_compiled_backend_would_not_know_is_found() {
        for (from, to) in [
            ("uint32_t struct_size;", "uint64_t struct_size;"),
            ("    uint16_t flags;\n", ""),
            ("} sigtool_slice;", "    size_t capacity;\n} sigtool_slice;"),
            ("    void *ctx;\n", "    void *newer;\n    void *ctx;\n"),
            (
                "#define SIGTOOL_STATUS_ERROR 1",
                "#define SIGTOOL_STATUS_ERROR 3",
            ),
            ("#define SIGTOOL_ABI_MAJOR 1", "#define SIGTOOL_ABI_MAJOR 2"),
            ("section(\".sigtool\")))", "section(\".sigtools\")))"),
            (
                "sigtool_backend_v1(void);",
                "sigtool_backend_v1(int version);",
            ),
            (
                "offsetof(sigtool_buffer, cap) == 2",
                "offsetof(sigtool_buffer, cap) == 3",
            ),
        ] {
            assert_eq!(changed(from, to).len(), 1, "{from}");
        }
    }
}
