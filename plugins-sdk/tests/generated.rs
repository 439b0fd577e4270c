//! What is generated from the SDK's types and checked in: the JSON Schemas and the C header.
//!
//! `SNAPSHOTS=overwrite cargo test -p sigtool-sdk --all-features` writes them anew.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Compares a file with what it should be, or writes it.
fn keep_equal(path: &Path, expected: &str) {
    if std::env::var_os("SNAPSHOTS").is_some_and(|v| v == "overwrite") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, expected).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "`{}` differs from what the types say now; look at the difference after `SNAPSHOTS=overwrite cargo test -p sigtool-sdk --all-features`",
        path.display()
    );
}

#[test]
fn each_message_has_the_schema_that_is_checked_in() {
    let folder = Path::new(HERE).join("schemas");
    let mut names = BTreeSet::new();
    for message in sigtool_sdk::schema::all() {
        let name = format!("{}.json", message.name);
        let path = folder.join(&name);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        // Not compared as text: another crate's features decide the order of the fields.
        if serde_json::from_str(&found).ok().as_ref() != Some(&message.schema) {
            keep_equal(&path, &format!("{:#}\n", message.schema));
        }
        assert!(names.insert(name), "two schemas named `{}`", message.name);
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            names.contains(&name),
            "`schemas/{name}` belongs to no message any more"
        );
    }
}

#[test]
fn no_operation_is_without_a_schema() {
    let known: BTreeSet<&str> = sigtool_sdk::schema::operations()
        .iter()
        .map(|m| m.name)
        .collect();
    let mut declared = BTreeSet::new();
    for file in std::fs::read_dir(Path::new(HERE).join("src")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "rs") {
            declared.extend(declared_operations(&std::fs::read_to_string(path).unwrap()));
        }
    }
    let declared: BTreeSet<&str> = declared.iter().map(String::as_str).collect();
    assert_eq!(known, declared);
}

/// The names in a file's `operations! { … }`: lines of the form `Type "name" [@PROVISIONAL] Args => Reply;`.
fn declared_operations(source: &str) -> Vec<String> {
    let Some((_, block)) = source.split_once("\noperations! {") else {
        return Vec::new();
    };
    let (block, _) = block.split_once("\n}").unwrap();
    block
        .lines()
        .filter(|line| line.contains("=>"))
        .map(|line| line.split('"').nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn the_header_says_what_the_abi_says() {
    keep_equal(&header_path(), &header());
}

#[test]
fn the_header_compiles_as_c_and_as_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include \"sigtool.h\"\n\
        SIGTOOL_MANIFEST(\"manifest = 1\\n\");\n\
        SIGTOOL_EXPORT const sigtool_backend_v1_table *sigtool_backend_v1(void) { return 0; }\n";
    for (compiler, standard, file) in [
        ("cc", "-std=c11", "use.c"),
        ("c++", "-std=c++17", "use.cpp"),
    ] {
        let path = folder.path().join(file);
        std::fs::write(&path, source).unwrap();
        let output = Command::new(compiler)
            .args([
                standard,
                "-Wall",
                "-Wextra",
                "-pedantic",
                "-Werror",
                "-fsyntax-only",
                "-I",
            ])
            .arg(header_path().parent().unwrap())
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{compiler}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn header_path() -> PathBuf {
    Path::new(HERE).join("include/sigtool.h")
}

/// The header, generated from `abi.rs`, between a head and a tail written by hand.
fn header() -> String {
    let rename = [
        ("BackendV1", "sigtool_backend_v1_table"),
        ("Buffer", "sigtool_buffer"),
        ("Header", "sigtool_header"),
        ("HostV1", "sigtool_host_v1"),
        ("Slice", "sigtool_slice"),
        ("ABI_MAJOR", "SIGTOOL_ABI_MAJOR"),
        ("ABI_MINOR", "SIGTOOL_ABI_MINOR"),
        ("MAGIC", "SIGTOOL_MAGIC"),
        ("STATUS_ERROR", "SIGTOOL_STATUS_ERROR"),
        ("STATUS_OK", "SIGTOOL_STATUS_OK"),
        ("STATUS_PANICKED", "SIGTOOL_STATUS_PANICKED"),
    ];
    let structs = ["Header", "Slice", "Buffer", "HostV1", "BackendV1"];
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        cpp_compat: true,
        include_guard: Some("SIGTOOL_H".to_owned()),
        no_includes: true,
        sys_includes: ["stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
        documentation_style: cbindgen::DocumentationStyle::C99,
        style: cbindgen::Style::Both,
        line_length: 120,
        tab_width: 4,
        header: Some(include_str!("header/head.h").trim_end().to_owned()),
        after_includes: Some(include_str!("header/macros.h").trim_end().to_owned()),
        export: cbindgen::ExportConfig {
            // No exported function of the SDK reaches them: the export macro makes that in the backend's crate.
            include: structs.map(str::to_owned).to_vec(),
            exclude: ["Entry", "ENTRY"].map(str::to_owned).to_vec(),
            rename: rename
                .map(|(from, to)| (from.to_owned(), to.to_owned()))
                .into_iter()
                .collect(),
            ..cbindgen::ExportConfig::default()
        },
        usize_is_size_t: true,
        ..cbindgen::Config::default()
    };
    let mut text = Vec::new();
    cbindgen::Builder::new()
        .with_src(Path::new(HERE).join("src/abi.rs"))
        .with_config(config)
        .generate()
        .unwrap()
        .write(&mut text);
    let end = "#endif  /* SIGTOOL_H */";
    let tail = format!("{}\n{end}", include_str!("header/tail.h").trim_start());
    String::from_utf8(text).unwrap().replace(end, &tail)
}

/// The texts in replies that no stricter type checks. A new one belongs into the function `texts_of_…` of its operation, by which the
/// host finds and cleans it, and then into this list.
///
/// SECURITY.md: "in errors, remarks, names, traces and standard error, in replies that succeed too".
const TEXTS: &[&str] = &[
    "signer.change_password/files[]",
    "signer.change_password/key",
    "signer.change_password/protection",
    "signer.generate/files[]",
    "signer.generate/key",
    "signer.generate/protection",
    "signer.import/files[]",
    "signer.import/key",
    "signer.import/protection",
    "signer.keys/keys[]/name",
    "signer.keys/keys[]/protection",
    "signer.public_key/protection",
    "signer.rotate/files[]",
    "signer.rotate/key",
    "signer.rotate/protection",
    "signer.sign/key_id",
    "signer.sign/key_version",
    // Read from a certificate, and shown by nobody yet.
    "signer.sign/verifier/certificate_chain/unverified_identity",
    "source.attach/id",
    "source.attach/location",
    "source.attach/notes[]",
    "source.resolve/artifact/media_type",
    "source.resolve/artifact/name",
    "source.resolve/artifact/path",
    "source.resolve/artifact/reference",
    "source.resolve/artifact/version",
    "source.resolve/children[]",
    "source.resolve/left_out[]/reference",
    "source.resolve/next_page",
    "source.resolve/notes[]",
    "source.signatures/failures[]/causes[]",
    "source.signatures/failures[]/field",
    "source.signatures/failures[]/hints[]",
    "source.signatures/failures[]/message",
    "source.signatures/next_page",
    "source.signatures/notes[]",
    "source.signatures/signatures[]/id",
    "source.signatures/signatures[]/location",
];

#[test]
fn every_text_in_a_reply_of_a_signer_or_a_source_is_known() {
    let mut found = BTreeSet::new();
    for message in sigtool_sdk::schema::operations() {
        let of_kind = ["signer.", "source."];
        if of_kind.iter().any(|kind| message.name.starts_with(kind)) {
            let reply = &message.schema["properties"]["reply"];
            texts(&message.schema, reply, message.name.to_owned(), &mut found);
        }
    }
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    assert_eq!(found, TEXTS);
}

/// Adds the paths of all strings below a schema that are no number, bytes or word of a list.
fn texts(whole: &Value, schema: &Value, path: String, found: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = whole.pointer(reference.trim_start_matches('#'));
        return texts(whole, target.expect("a definition"), path, found);
    }
    let is_string = |kind: &Value| kind == "string";
    let kinds = &schema["type"];
    let may_be_text = is_string(kinds)
        || kinds
            .as_array()
            .is_some_and(|all| all.iter().any(is_string));
    let is_checked = ["const", "pattern", "contentEncoding", "enum"]
        .iter()
        .any(|key| schema.get(key).is_some());
    if may_be_text && !is_checked && schema.get("oneOf").is_none() {
        found.insert(path.clone());
    }
    for choice in ["anyOf", "oneOf", "allOf"]
        .iter()
        .filter_map(|key| schema[key].as_array())
        .flatten()
    {
        texts(whole, choice, path.clone(), found);
    }
    if let Some(items) = schema.get("items") {
        texts(whole, items, format!("{path}[]"), found);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        texts(whole, property, format!("{path}/{name}"), found);
    }
}
