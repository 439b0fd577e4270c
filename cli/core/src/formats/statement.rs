//! In-toto statements: which artifacts a claim is about, and what it claims.
//!
//! [v1](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md), and v0.1, which cosign still writes for files.

use super::dsse::Envelope;
use super::malformed::Malformed;
use crate::limits::MAX_SUBJECTS;
use crate::text::printable;
use serde::Serialize;
use serde_json::Value;
use sigtool_sdk::json::{self, Shape};
use sigtool_sdk::types::Digest;
use std::collections::BTreeMap;

/// The predicate type that makes a statement a signature, and not a claim of another sort.
pub const SIGNATURE_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The media type of a statement in an envelope.
pub(crate) const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";

/// The fields that in-toto defines. It demands that others are ignored.
const SHAPE: Shape = Shape::Open(&[
    ("_type", Shape::Free),
    (
        "subject",
        Shape::List(&Shape::Open(&[
            ("name", Shape::Free),
            ("uri", Shape::Free),
            (
                "digest",
                Shape::Open(&[
                    ("sha256", Shape::Free),
                    ("sha384", Shape::Free),
                    ("sha512", Shape::Free),
                ]),
            ),
            ("content", Shape::Free),
            ("downloadLocation", Shape::Free),
            ("mediaType", Shape::Free),
            ("annotations", Shape::Free),
        ])),
    ),
    ("predicateType", Shape::Free),
    ("predicate", Shape::Free),
]);

/// A statement, decoded. Whether its envelope is good is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What sort of claim it is.
    pub predicate_type: String,
    /// The artifacts it is about.
    pub subjects: Vec<Subject>,
}

/// An artifact that a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name, which identifies nothing.
    pub name: Option<String>,
    /// Its digests by the algorithms that we know; there may be more, by others.
    pub digests: Vec<Digest>,
    /// What was signed along with the digest.
    pub annotations: BTreeMap<String, Value>,
}

impl Statement {
    /// Reads the statement in an envelope; none if the envelope holds something else.
    ///
    /// # Errors
    ///
    /// The payload says it is a statement, and is not one.
    pub fn decode(envelope: &Envelope) -> Result<Option<Self>, Malformed> {
        if envelope.payload_type != STATEMENT_TYPE {
            return Ok(None);
        }
        let statement = json::parse(&envelope.payload, SHAPE)
            .map_err(|e| Malformed::new("the statement", e.to_string()))?;
        let kind = statement["_type"].as_str().unwrap_or_default();
        if !matches!(
            kind,
            "https://in-toto.io/Statement/v1" | "https://in-toto.io/Statement/v0.1"
        ) {
            return Err(Malformed::new(
                "the statement",
                format!("its `_type` is `{kind}`; in-toto's Statement/v1 or v0.1 was expected"),
            ));
        }
        let predicate_type = statement["predicateType"]
            .as_str()
            .ok_or_else(|| Malformed::new("the statement", "it has no `predicateType`"))?;
        Ok(Some(Self {
            predicate_type: predicate_type.to_owned(),
            subjects: subjects(&statement["subject"])?,
        }))
    }
}

fn subjects(value: &Value) -> Result<Vec<Subject>, Malformed> {
    let malformed = |what: String| Malformed::new("the statement's subjects", what);
    let subjects = value
        .as_array()
        .ok_or_else(|| malformed("a list was expected".to_owned()))?;
    if subjects.is_empty() || subjects.len() > MAX_SUBJECTS {
        return Err(malformed(format!(
            "{} of them; 1 to {MAX_SUBJECTS} were expected",
            subjects.len()
        )));
    }
    subjects
        .iter()
        .map(|subject| {
            let digests = subject["digest"]
                .as_object()
                .ok_or_else(|| malformed("one has no digest".to_owned()))?;
            let digests = digests
                .iter()
                .filter(|(name, _)| matches!(name.as_str(), "sha256" | "sha384" | "sha512"))
                .map(|(name, value)| {
                    format!("{name}:{}", value.as_str().unwrap_or_default())
                        .parse()
                        .map_err(|e| malformed(format!("{e}")))
                })
                .collect::<Result<Vec<Digest>, _>>()?;
            Ok(Subject {
                name: subject["name"].as_str().map(str::to_owned),
                digests,
                annotations: annotations(&subject["annotations"]),
            })
        })
        .collect()
}

/// Annotations as they are written. Ours and cosign's are texts; other tools write numbers too, which equal no text.
pub(crate) fn annotations(value: &Value) -> BTreeMap<String, Value> {
    let entries = value.as_object().into_iter().flatten();
    entries
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// One annotation as it may be shown: a text as it is, anything else as JSON.
pub(crate) fn printable_annotation(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| printable(&value.to_string()), printable)
}

/// The envelope, still without its signature, that signs an image: fields and order as cosign's, and the subject's name, which
/// cosign leaves out and sigstore-python demands.
#[must_use]
pub fn signing_statement(
    name: &str,
    digest: &Digest,
    annotations: &BTreeMap<String, String>,
) -> Envelope {
    #[derive(Serialize)]
    struct StatementText<'a> {
        #[serde(rename = "_type")]
        kind: &'static str,
        subject: [SubjectText<'a>; 1],
        #[serde(rename = "predicateType")]
        predicate_type: &'static str,
        predicate: BTreeMap<String, String>,
    }
    #[derive(Serialize)]
    struct SubjectText<'a> {
        name: &'a str,
        digest: BTreeMap<&'static str, String>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        annotations: &'a BTreeMap<String, String>,
    }
    let statement = StatementText {
        kind: "https://in-toto.io/Statement/v1",
        subject: [SubjectText {
            name,
            digest: BTreeMap::from([(digest.algorithm().as_str(), hex::encode(digest.as_bytes()))]),
            annotations,
        }],
        predicate_type: SIGNATURE_PREDICATE,
        predicate: BTreeMap::new(),
    };
    Envelope {
        payload_type: STATEMENT_TYPE.to_owned(),
        payload: serde_json::to_vec(&statement)
            .unwrap_or_else(|e| unreachable!("texts always encode: {e}")),
        signature: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(statement: &str) -> Result<Option<Statement>, Malformed> {
        Statement::decode(&Envelope {
            payload_type: STATEMENT_TYPE.to_owned(),
            payload: statement.as_bytes().to_vec(),
            signature: Vec::new(),
        })
    }

    /// in-toto: unknown fields are ignored. SECURITY.md: "Ambiguous and oversized input is refused".
    #[test]
    fn an_unknown_field_is_ignored_and_another_spelling_of_a_known_one_is_refused() {
        let of = |top: &str, subject: &str, digest: &str, predicate: &str| {
            let hex = "0a".repeat(32);
            decode(&format!(
                r#"{{"_type":"https://in-toto.io/Statement/v1","predicateType":"x"{top},"predicate":{{{predicate}}},"subject":[{{"name":"n"{subject},"digest":{{"sha256":"{hex}"{digest}}}}}]}}"#
            ))
        };
        let good = of(
            r#","more":1"#,
            r#","more":1"#,
            r#","gitCommit":"1""#,
            r#""Subject":1,"_type":2,"subject":3"#,
        );
        assert_eq!(good.unwrap().unwrap().subjects[0].digests.len(), 1);
        for (top, subject, digest, predicate) in [
            (r#","Subject":[]"#, "", "", ""),
            (r#","type":"x""#, "", "", ""),
            (r#","predicate_type":"x""#, "", "", ""),
            ("", r#","Digest":{}"#, "", ""),
            ("", r#","download_location":"x""#, "", ""),
            ("", "", r#","SHA256":"x""#, ""),
            ("", "", "", r#""a":1,"a":2"#),
        ] {
            let error = of(top, subject, digest, predicate).unwrap_err();
            assert!(
                error.what.contains("another spelling") || error.what.contains("twice"),
                "{error}"
            );
        }
    }
}
