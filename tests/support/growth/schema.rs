//! Messages, by their JSON Schemas. Either side may be the older one, so a message may gain an optional field or one more word or
//! variant where there are several, and change in nothing else.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What says nothing about what is valid.
const FOR_PEOPLE: &[&str] = &["$defs", "$schema", "description", "examples", "title"];

/// What is compared by a rule of its own.
const BY_RULE: &[&str] = &[
    "$ref",
    "additionalProperties",
    "anyOf",
    "items",
    "oneOf",
    "properties",
    "required",
    "type",
];

/// In what ways the schema of a message is not an extension of the one that was kept: a sentence for each, none if it is one.
///
/// A message that is kept as provisional may be anything.
#[must_use]
pub fn message(kept: &Value, today: &Value) -> Vec<String> {
    if kept["x-provisional"] == true {
        return Vec::new();
    }
    let mut comparison = Comparison {
        kept,
        today,
        seen: BTreeSet::new(),
        found: Vec::new(),
    };
    comparison.compare("", kept, today);
    comparison.found
}

/// Two documents that are compared part by part.
struct Comparison<'a> {
    kept: &'a Value,
    today: &'a Value,
    /// The pairs of named types that are compared already: a type may hold itself.
    seen: BTreeSet<(String, String)>,
    found: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn compare(&mut self, at: &str, kept: &'a Value, today: &'a Value) {
        if let (Some(before), Some(after)) = (kept["$ref"].as_str(), today["$ref"].as_str())
            && !self.seen.insert((before.to_owned(), after.to_owned()))
        {
            return;
        }
        let (kept, today) = (resolved(self.kept, kept), resolved(self.today, today));
        if let Some(words) = words(kept) {
            return self.compare_words(at, &words, today);
        }
        self.compare_types(at, kept, today);
        self.compare_alternatives(at, kept, today);
        self.compare_fields(at, kept, today);
        self.compare_parts(at, kept, today);
        self.compare_rest(at, kept, today);
    }

    /// A set of words may grow, or be opened to every word.
    fn compare_words(&mut self, at: &str, kept: &[&Value], today: &Value) {
        let is_open = today["type"] == "string" && today.get("const").is_none();
        let Some(words) = words(today) else {
            if !is_open {
                self.note(at, "is not one of several words any more");
            }
            return;
        };
        for word in kept.iter().filter(|word| !words.contains(word)) {
            self.note(at, &format!("does not know {word} any more"));
        }
    }

    fn compare_types(&mut self, at: &str, kept: &Value, today: &Value) {
        let (before, after) = (types(kept), types(today));
        if before != after {
            self.note(at, &format!("was {before:?}, and is {after:?}"));
        }
    }

    /// Each variant is there still. There may be more, unless that makes a value absent that never was.
    fn compare_alternatives(&mut self, at: &str, kept: &'a Value, today: &'a Value) {
        for how in ["oneOf", "anyOf"] {
            let (before, after) = (list(&kept[how]), list(&today[how]));
            if before.is_empty() != after.is_empty() {
                self.note(at, "has variants in one of the two only");
                continue;
            }
            for variant in before {
                let name = variant_name(self.kept, variant);
                let same = after.iter().find(|v| variant_name(self.today, v) == name);
                match same {
                    Some(other) => self.compare(&format!("{at} ({name})"), variant, other),
                    None => self.note(at, &format!("has no variant `{name}` any more")),
                }
            }
            let may_be_null = |variants: &[Value]| variants.iter().any(|v| v["type"] == "null");
            if may_be_null(after) && !may_be_null(before) {
                self.note(at, "may be null now");
            }
        }
    }

    fn compare_fields(&mut self, at: &str, kept: &'a Value, today: &'a Value) {
        let (before, after) = (fields(kept), fields(today));
        for (name, field) in &before {
            match after.get(*name) {
                Some(other) => self.compare(&format!("{at}/{name}"), field, other),
                None => self.note(at, &format!("has no field `{name}` any more")),
            }
        }
        let is_closed = kept["additionalProperties"] == false;
        for name in after.keys().filter(|name| !before.contains_key(*name)) {
            if is_closed {
                self.note(at, &format!("took no other fields, and has `{name}` now"));
            }
        }
        let (before, after) = (required(kept), required(today));
        for name in after.difference(&before) {
            self.note(at, &format!("needs `{name}`, and did not"));
        }
        for name in before.difference(&after) {
            self.note(at, &format!("may come without `{name}`, and did not"));
        }
    }

    /// What is in a list, or under names that nobody knows beforehand.
    fn compare_parts(&mut self, at: &str, kept: &'a Value, today: &'a Value) {
        for part in ["items", "additionalProperties"] {
            match (kept.get(part), today.get(part)) {
                (Some(before), Some(after)) if before.is_object() && after.is_object() => {
                    self.compare(&format!("{at}/*"), before, after);
                }
                (before, after) if before == after => {}
                (before, after) => self.changed(at, part, before, after),
            }
        }
    }

    /// Everything else stays as it is: bounds, forms, defaults.
    fn compare_rest(&mut self, at: &str, kept: &Value, today: &Value) {
        let empty = Map::new();
        let [before, after] = [kept, today].map(|schema| schema.as_object().unwrap_or(&empty));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let is_compared = !FOR_PEOPLE.contains(&&**name) && !BY_RULE.contains(&&**name);
            let (before, after) = (before.get(name), after.get(name));
            if is_compared && before != after {
                self.changed(at, name, before, after);
            }
        }
    }

    fn changed(&mut self, at: &str, what: &str, before: Option<&Value>, after: Option<&Value>) {
        let [before, after] = [before, after].map(|value| value.unwrap_or(&Value::Null));
        self.note(at, &format!("`{what}` was {before}, and is {after}"));
    }

    fn note(&mut self, at: &str, what: &str) {
        let at = if at.is_empty() { "/" } else { at };
        self.found.push(format!("{at} {what}"));
    }
}

/// The type that a schema refers to, or the schema itself.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str();
    let name = name.and_then(|name| name.strip_prefix("#/$defs/"));
    name.map_or(schema, |name| &document["$defs"][name])
}

/// The words that it is one of, if it is one of several words.
fn words(schema: &Value) -> Option<Vec<&Value>> {
    let words = schema["oneOf"].as_array()?;
    words.iter().map(|word| word.get("const")).collect()
}

fn types(schema: &Value) -> BTreeSet<String> {
    let several = list(&schema["type"]);
    let one = schema["type"].as_str();
    let names = several.iter().filter_map(Value::as_str).chain(one);
    names.map(str::to_owned).collect()
}

/// By what a variant is found again: the fields that it needs, its word, or its type. What a type is called is nobody's promise.
fn variant_name(document: &Value, variant: &Value) -> String {
    let variant = resolved(document, variant);
    let fields: Vec<String> = required(variant).into_iter().collect();
    let word = ["const", "type"]
        .iter()
        .find_map(|key| variant[*key].as_str());
    match word {
        _ if !fields.is_empty() => fields.join(" "),
        Some(word) => word.to_owned(),
        None => variant.to_string(),
    }
}

fn fields(schema: &Value) -> BTreeMap<&str, &Value> {
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields.map(|(name, field)| (name.as_str(), field)).collect()
}

fn required(schema: &Value) -> BTreeSet<String> {
    let names = list(&schema["required"]).iter().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A message with something of everything.
    fn kept() -> Value {
        json!({
            "$defs": {
                "Word": { "oneOf": [{ "const": "one", "type": "string" }, { "const": "two", "type": "string" }] },
                "Bytes": { "contentEncoding": "base64", "type": "string" },
                "Tree": { "properties": { "children": { "items": { "$ref": "#/$defs/Tree" }, "type": "array" } }, "type": "object" },
                "Payload": { "oneOf": [
                    { "additionalProperties": false, "properties": { "bytes": { "$ref": "#/$defs/Bytes" } }, "required": ["bytes"], "type": "object" },
                    { "additionalProperties": false, "properties": { "path": { "type": "string" } }, "required": ["path"], "type": "object" }
                ] }
            },
            "properties": {
                "word": { "$ref": "#/$defs/Word" },
                "tree": { "$ref": "#/$defs/Tree" },
                "payload": { "$ref": "#/$defs/Payload", "description": "what to sign" },
                "sct": { "anyOf": [{ "$ref": "#/$defs/Bytes" }, { "type": "null" }] },
                "size": { "format": "uint64", "minimum": 0, "type": ["integer", "null"] },
                "many": { "default": [], "items": { "type": "string" }, "type": "array" },
                "named": { "additionalProperties": { "type": "string" }, "type": "object" }
            },
            "required": ["word"],
            "type": "object"
        })
    }

    /// What is found if this is put at a place of the message.
    fn changed(at: &str, to: Value) -> Vec<String> {
        let mut today = kept();
        let (parent, name) = at.rsplit_once('/').unwrap();
        today.pointer_mut(parent).unwrap()[name] = to;
        message(&kept(), &today)
    }

    #[test]
    fn what_is_the_same_or_has_grown_is_an_extension() {
        assert_eq!(message(&kept(), &kept()), [""; 0]);
        let three =
            json!([{ "const": "two", "type": "string" }, { "const": "three" }, { "const": "one" }]);
        for (at, to) in [
            ("/$defs/Word/oneOf", three),
            ("/$defs/Word", json!({ "type": "string" })),
            ("/properties/new", json!({ "type": "string" })),
            ("/properties/payload/description", json!("other words")),
        ] {
            assert_eq!(changed(at, to), [""; 0], "{at}");
        }
        let mut today = kept();
        let variant = json!({ "properties": { "url": { "type": "string" } }, "required": ["url"], "type": "object" });
        let variants = today["$defs"]["Payload"]["oneOf"].as_array_mut();
        variants.unwrap().push(variant);
        assert_eq!(message(&kept(), &today), [""; 0]);
    }

    #[test]
    fn another_name_of_a_type_is_not_a_change() {
        let text = kept().to_string().replace("Bytes", "Octets");
        assert_eq!(
            message(&kept(), &serde_json::from_str(&text).unwrap()),
            [""; 0]
        );
    }

    #[test]
    fn whatever_breaks_the_older_side_or_the_newer_one_is_found() {
        let one = json!({ "oneOf": [{ "const": "one" }] });
        let narrower = json!({ "format": "uint32", "minimum": 0, "type": ["integer", "null"] });
        let never_null = json!({ "format": "uint64", "minimum": 0, "type": "integer" });
        let numbers = json!({ "default": [], "items": { "type": "integer" }, "type": "array" });
        let absent_words = json!({ "anyOf": [{ "$ref": "#/$defs/Word" }, { "type": "null" }] });
        for (at, to, expected) in [
            ("/$defs/Word", one, "/word does not know \"two\" any more"),
            (
                "/properties/word",
                absent_words,
                "/word is not one of several words any more",
            ),
            (
                "/required",
                json!([]),
                "/ may come without `word`, and did not",
            ),
            (
                "/required",
                json!(["word", "size"]),
                "/ needs `size`, and did not",
            ),
            (
                "/properties/size",
                narrower,
                "/size `format` was \"uint64\", and is \"uint32\"",
            ),
            (
                "/properties/size",
                never_null,
                "/size was {\"integer\", \"null\"}, and is {\"integer\"}",
            ),
            (
                "/properties/many",
                numbers,
                "/many/* was {\"string\"}, and is {\"integer\"}",
            ),
            (
                "/properties/many/default",
                json!(["x"]),
                "/many `default` was [], and is [\"x\"]",
            ),
            (
                "/properties/sct",
                json!({ "$ref": "#/$defs/Bytes" }),
                "/sct has variants in one of the two only",
            ),
            (
                "/properties/named/additionalProperties",
                json!(false),
                "/named `additionalProperties` was {\"type\":\"string\"}, and is false",
            ),
            (
                "/$defs/Bytes/contentEncoding",
                json!("base16"),
                "/payload (bytes)/bytes `contentEncoding` was \"base64\", and is \"base16\"",
            ),
            (
                "/$defs/Payload/oneOf",
                json!([{ "required": ["bytes"] }]),
                "/payload has no variant `path` any more",
            ),
            (
                "/$defs/Tree/properties/children/type",
                json!("object"),
                "/tree/children was {\"array\"}, and is {\"object\"}",
            ),
        ] {
            let found = changed(at, to);
            assert!(
                found.iter().any(|f| f == expected),
                "{expected}: {found:#?}"
            );
        }
        let mut today = kept();
        today["properties"].as_object_mut().unwrap().remove("size");
        assert_eq!(message(&kept(), &today), ["/ has no field `size` any more"]);
        let path = "/$defs/Payload/oneOf/1/properties/mode";
        assert_eq!(
            changed(path, json!({ "type": "string" })),
            ["/payload (path) took no other fields, and has `mode` now"]
        );
    }

    #[test]
    fn what_was_kept_as_provisional_is_free() {
        let mut provisional = kept();
        provisional["x-provisional"] = json!(true);
        assert_eq!(message(&provisional, &json!({})), [""; 0]);
        assert_eq!(
            message(&kept(), &provisional),
            ["/ `x-provisional` was null, and is true"]
        );
    }
}
