//! A JSON Schema (draft 2020-12) for what each command writes with `--format json` and `jsonl`: one object, which is an element of the
//! array or a line. `cli/schemas/` holds them, kept equal by a test; `SNAPSHOTS=overwrite cargo test -p sigtool --bin sigtool` writes
//! them anew.
//!
//! They say what sigtool writes: fields that may be absent are not required, and none is null. Later versions add fields.

use crate::args::Cli;
use crate::report::{
    ErrorRow, Failed, backend, check, entry, image, key, overview, profile, setting, signing,
    verdict,
};
use clap::CommandFactory as _;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// What a command writes in its second form, what `--list` writes, and what any command writes that failed.
const FORMS: [&str; 4] = ["error", "history-verify", "inspect-image", "list"];

/// The name of each file and its schema.
fn all() -> Vec<(&'static str, Value)> {
    vec![
        schema::<check::Row<'_>>("backend-check"),
        schema::<backend::Row<'_>>("backend-list"),
        schema::<backend::Folder>("backend-path"),
        schema::<backend::Pinned<'_>>("backend-pin"),
        schema::<backend::Shown<'_>>("backend-show"),
        schema::<crate::dispatch::completion::Registration<'_>>("completions"),
        schema::<ErrorRow<'_>>("config-check"),
        schema::<setting::Row<'_>>("config-explain"),
        schema::<setting::File<'_>>("config-path"),
        schema::<setting::Set<'_>>("config-set"),
        schema::<Failed<'_>>("error"),
        schema::<crate::dispatch::help::Alias<'_>>("help"),
        schema::<entry::HashedEntry>("history"),
        schema::<entry::Restart<'_>>("history-restart"),
        schema::<entry::Report<'_>>("history-verify"),
        schema::<profile::Made<'_>>("init"),
        schema::<sigtool_core::Inspection>("inspect"),
        schema::<image::Report<'_>>("inspect-image"),
        schema::<key::Row<'_>>("key-change-password"),
        schema::<key::Row<'_>>("key-export-public"),
        schema::<key::Row<'_>>("key-generate"),
        schema::<key::Row<'_>>("key-import"),
        schema::<key::Listed<'_>>("key-list"),
        schema::<key::Row<'_>>("key-show"),
        schema::<crate::dispatch::list::Row>("list"),
        schema::<overview::Group>("overview"),
        schema::<profile::Row<'_>>("profile-list"),
        schema::<setting::Row<'_>>("profile-show"),
        schema::<profile::Used<'_>>("profile-use"),
        schema::<signing::Row<'_>>("sign"),
        schema::<verdict::Row<'_>>("verify"),
    ]
}

fn schema<T: JsonSchema>(name: &'static str) -> (&'static str, Value) {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let mut schema = Value::from(T::json_schema(&mut generator));
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema["$defs"] = Value::Object(definitions);
    }
    never_null(&mut schema);
    let mut whole = Map::new();
    whole.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    whole.insert("title".to_owned(), json!(format!("sigtool {name}")));
    if let Value::Object(fields) = schema {
        whole.extend(fields.into_iter().filter(|(key, _)| key != "title"));
    }
    (name, Value::Object(whole))
}

/// What is not there is left out: takes the `null` of every `Option` away.
fn never_null(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(never_null),
        Value::Object(fields) => {
            fields.values_mut().for_each(never_null);
            let null = |schema: &Value| *schema == "null" || schema["type"] == "null";
            for key in ["type", "anyOf"] {
                let Some(Value::Array(choices)) = fields.get_mut(key) else {
                    continue;
                };
                choices.retain(|choice| !null(choice));
                if let [only] = choices.as_slice() {
                    let only = only.clone();
                    fields.remove(key);
                    match only {
                        Value::Object(only) => fields.extend(only),
                        only => _ = fields.insert(key.to_owned(), only),
                    }
                }
            }
        }
        _ => {}
    }
}

#[test]
fn each_command_has_the_schema_that_is_checked_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|v| v == "overwrite");
    let mut names = BTreeSet::new();
    for (name, schema) in all() {
        let path = folder.join(format!("{name}.json"));
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        // Not compared as text: another crate's features decide the order of the fields.
        let equal = serde_json::from_str(&found).ok().as_ref() == Some(&schema);
        if overwrite && !equal {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, format!("{schema:#}\n")).unwrap();
        }
        assert!(
            equal || overwrite,
            "`{}` differs from what the types say now; look at the difference after `SNAPSHOTS=overwrite cargo test -p sigtool --bin sigtool`",
            path.display()
        );
        assert!(names.insert(format!("{name}.json")), "two schemas `{name}`");
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            names.contains(&name),
            "`schemas/{name}` belongs to no command"
        );
    }
}

#[test]
fn no_command_is_without_a_schema() {
    let mut expected = BTreeSet::from(FORMS.map(str::to_owned));
    add_commands(&Cli::command(), "", &mut expected);
    let found: BTreeSet<String> = all().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(found, expected);
}

/// The names of the commands that do something by themselves, with those above in front.
fn add_commands(command: &clap::Command, above: &str, names: &mut BTreeSet<String>) {
    for command in command.get_subcommands() {
        let name = format!("{above}{}", command.get_name());
        if command.has_subcommands() {
            add_commands(command, &format!("{name}-"), names);
        }
        if !command.is_subcommand_required_set() {
            names.insert(name);
        }
    }
}

#[test]
fn every_field_has_a_meaning_and_a_type() {
    for (name, schema) in all() {
        check_fields(name, &schema);
    }
}

fn check_fields(place: &str, schema: &Value) {
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let variant = properties.len() == 1 && schema.get("description").is_some();
        for (field, schema) in properties {
            let place = format!("{place} {field}");
            let says = |keys: &[&str]| keys.iter().any(|key| schema.get(key).is_some());
            // A tag, or the one field of a variant, which has its meaning.
            let told = schema.get("const").is_some() || variant;
            assert!(
                told || says(&["description", "$ref"]),
                "{place}: no meaning"
            );
            assert!(
                says(&["type", "$ref", "const", "enum", "oneOf", "anyOf"]),
                "{place}: anything"
            );
        }
    }
    let parts: Box<dyn Iterator<Item = (String, &Value)>> = match schema {
        Value::Object(fields) => Box::new(fields.iter().map(|(key, part)| (key.clone(), part))),
        Value::Array(parts) => Box::new(parts.iter().enumerate().map(|(i, p)| (i.to_string(), p))),
        _ => return,
    };
    for (key, part) in parts {
        assert_ne!((key.as_str(), part), ("items", &json!(true)), "{place}");
        check_fields(&format!("{place} {key}"), part);
    }
}
