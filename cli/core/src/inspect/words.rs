//! An inspection in words: sections of labelled values, for a terminal.

use super::{
    BundleFacts, CertificateFacts, ContainerFacts, EnvelopeFacts, Inspected, Inspection,
    PublicKeyFacts, SignatureFacts, SignedPayloadFacts,
};
use crate::formats::bundle::UnverifiedLogEntry;
use crate::time;

/// A heading and what stands below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// Labels and values. A value may have several lines.
    pub fields: Vec<(&'static str, String)>,
}

impl Section {
    fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            fields: Vec::new(),
        }
    }

    fn with(mut self, label: &'static str, value: impl ToString) -> Self {
        self.fields.push((label, value.to_string()));
        self
    }

    fn with_some(self, label: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(label, value),
            None => self,
        }
    }
}

/// An inspection as sections of labelled values, the whole first.
#[must_use]
pub fn sections(inspection: &Inspection) -> Vec<Section> {
    match &inspection.content {
        Inspected::Bundle(facts) => bundle(facts),
        Inspected::Certificates {
            unverified_certificates,
        } => unverified_certificates.iter().map(certificate).collect(),
        Inspected::DetachedSignature(facts) => vec![signature(facts)],
        Inspected::EncryptedPrivateKey(facts) => vec![container(facts)],
        Inspected::PrivateKey(facts) => {
            let section =
                Section::new("private key, not encrypted").with("written as", &facts.label);
            vec![match &facts.public_key {
                Some(key) => section
                    .with("algorithm", key.algorithm)
                    .with("key hint", &key.key_hint),
                None => section.with("algorithm", "none that is known here"),
            }]
        }
        Inspected::PublicKey(facts) => vec![public_key("public key", facts)],
        Inspected::SignedPayload(facts) => signed_payload(facts),
    }
}

fn bundle(facts: &BundleFacts) -> Vec<Section> {
    let mut sections = vec![
        Section::new(format!("{}, not verified", facts.format))
            .with_some("key hint", facts.unverified_key_hint.as_ref())
            .with_some("artifact digest", facts.unverified_digest.as_ref())
            .with("signature", signature_line(&facts.signature))
            .with("log entries", facts.unverified_log_entries.len())
            .with("signed timestamps", facts.timestamps),
    ];
    sections.extend(
        facts
            .unverified_public_key
            .as_ref()
            .map(|key| public_key("public key in the bundle, not trusted for that", key)),
    );
    sections.extend(facts.unverified_certificates.iter().map(certificate));
    sections.extend(facts.unverified_envelope.as_ref().map(envelope));
    sections.extend(facts.unverified_log_entries.iter().map(log_entry));
    sections
}

fn envelope(facts: &EnvelopeFacts) -> Section {
    let mut section = Section::new("envelope, not verified")
        .with("payload type", &facts.payload_type)
        .with("payload", format!("{} bytes", facts.payload_length))
        .with_some("claims", facts.predicate_type.as_ref())
        .with_some("malformed", facts.malformed.as_ref());
    for subject in &facts.subjects {
        let mut line: Vec<String> = subject.digests.iter().map(ToString::to_string).collect();
        line.extend(subject.name.iter().map(|name| format!("({name})")));
        section = section.with("subject", line.join(" "));
        for (key, value) in &subject.annotations {
            section = section.with("annotation", format!("{key}={value}"));
        }
    }
    section
}

fn signed_payload(facts: &SignedPayloadFacts) -> Vec<Section> {
    let mut section = Section::new("cosign signature of an image, not verified")
        .with_some("image digest", facts.unverified_digest.as_ref())
        .with_some("repository", facts.unverified_docker_reference.as_ref())
        .with_some("malformed", facts.malformed.as_ref())
        .with("signature", signature_line(&facts.signature));
    for (key, value) in &facts.unverified_annotations {
        section = section.with("annotation", format!("{key}={value}"));
    }
    let certificates = facts.unverified_certificates.iter().map(certificate);
    std::iter::once(section).chain(certificates).collect()
}

fn certificate(facts: &CertificateFacts) -> Section {
    let section = Section::new(if facts.is_authority {
        "certificate of an authority, not verified"
    } else {
        "certificate, not verified"
    });
    if let Some(why) = &facts.malformed {
        return section.with("malformed", why);
    }
    section
        .with_some("subject", Some(&facts.subject).filter(|s| !s.is_empty()))
        .with_some(
            "identity",
            Some(facts.names.join("\n")).filter(|n| !n.is_empty()),
        )
        .with_some("OIDC issuer", facts.oidc_issuer.as_ref())
        .with("authority", &facts.authority)
        .with("valid from", &facts.not_before)
        .with("valid until", &facts.not_after)
        .with("key algorithm", &facts.key_algorithm)
        .with_some("key hint", facts.key_hint.as_ref())
        .with("fingerprint", format!("sha256:{}", facts.fingerprint))
}

fn log_entry(entry: &UnverifiedLogEntry) -> Section {
    let time = entry.integrated_time.and_then(time::from_seconds);
    Section::new("log entry, not verified")
        .with("index", entry.index)
        .with_some("kind", entry.kind.as_ref())
        .with_some("recorded", time.map(time::in_seconds))
}

fn container(facts: &ContainerFacts) -> Section {
    Section::new("private key, encrypted")
        .with("written as", &facts.label)
        .with_some("key derivation", facts.key_derivation.as_ref())
        .with_some("cipher", facts.cipher.as_ref())
}

fn public_key(title: &str, facts: &PublicKeyFacts) -> Section {
    Section::new(title)
        .with("algorithm", facts.algorithm)
        .with("key hint", &facts.key_hint)
        .with("short hint", &facts.short_hint)
        .with("PEM", facts.pem.trim_end())
}

fn signature(facts: &SignatureFacts) -> Section {
    Section::new("detached signature")
        .with("signature", signature_line(facts))
        .with(
            "signer",
            "not said; verify it with `sigtool verify --signature`",
        )
}

fn signature_line(facts: &SignatureFacts) -> String {
    format!("{} bytes, looks like {}", facts.length, facts.looks_like)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect;

    const BUNDLE: &[u8] = br#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"h\u001b[2J"}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},"signature":"AQID"}}"#;

    fn words(content: &[u8]) -> String {
        let inspection = inspect(content, "file").unwrap();
        let lines = sections(&inspection).into_iter().flat_map(|section| {
            let fields = section.fields.into_iter();
            let lines: Vec<String> = fields.map(|(l, v)| format!("  {l}: {v}\n")).collect();
            std::iter::once(format!("{}\n", section.title)).chain(lines)
        });
        lines.collect()
    }

    #[test]
    fn a_bundle_is_said_to_be_unverified_and_cannot_move_the_cursor() {
        assert_eq!(
            words(BUNDLE),
            "Sigstore bundle v0.3, not verified\n  key hint: h\u{fffd}[2J\n  artifact digest: sha256:0000000000000000000000000000000000000000000000000000000000000000\n  signature: 3 bytes, looks like nothing known\n  log entries: 0\n  signed timestamps: 0\n"
        );
    }

    #[test]
    fn a_locked_key_is_said_to_be_encrypted_and_how() {
        let container = br#"-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,00

AQID
-----END EC PRIVATE KEY-----
"#;
        let text = words(container);
        assert!(text.starts_with("private key, encrypted\n"), "{text}");
        assert!(text.contains("  cipher: AES-128-CBC"), "{text}");
    }

    #[test]
    fn a_log_entry_is_said_with_its_time() {
        let entry = UnverifiedLogEntry {
            index: 7,
            kind: None,
            integrated_time: Some(1_700_000_000),
        };
        let recorded = ("recorded", "2023-11-14T22:13:20Z".to_owned());
        assert_eq!(log_entry(&entry).fields[1], recorded);
    }
}
