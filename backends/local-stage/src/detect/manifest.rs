//! YAML manifests: Kubernetes objects, and every other YAML mapping in a file named so.

use super::window::Window;
use super::yaml::{Document, HEAD, scalars};
use super::{Examined, Facts, Unclear};
use sigtool_sdk::types::ArtifactKind;

/// What tells a Kubernetes object, its name and its version (recommended label, and the older one).
const PATHS: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata", "name"],
    &["metadata", "labels", "app.kubernetes.io/version"],
    &["metadata", "labels", "version"],
];

/// Looks at the first document, and no further than its head.
pub(super) fn examine(content: Window) -> Examined {
    let mut head = vec![0; HEAD];
    let length = content
        .read_head(&mut head)
        .map_err(|e| Unclear::because(format!("it cannot be read: {e}")))?;
    let whole = length as u64 == content.size();
    let document = scalars(text(&head[..length], whole)?, whole, PATHS).map_err(Unclear)?;
    let Document::Mapping(values) = document else {
        return Ok(None);
    };
    let [api_version, kind, name, label, old_label] = values.try_into().unwrap_or_default();
    let is_object = api_version.is_some() && kind.is_some();
    Ok(Some(Facts {
        kind: ArtifactKind::Manifest,
        name: name.filter(|_| is_object),
        version: label.or(old_label).filter(|_| is_object),
    }))
}

/// The head as text; a character that the cut goes through is left out.
fn text(head: &[u8], whole: bool) -> Result<&str, Unclear> {
    match std::str::from_utf8(head) {
        Ok(text) => Ok(text),
        Err(e) if !whole && e.error_len().is_none() => {
            Ok(std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or_default())
        }
        Err(_) => Err(Unclear::because("it is not UTF-8, as YAML should be")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{told, unclear};
    use super::*;

    fn manifest(name: &str, content: &str) -> (String, Option<String>) {
        let detected = told(name, content.as_bytes());
        assert_eq!(detected.kind, ArtifactKind::Manifest, "{detected:?}");
        assert_eq!(detected.note, None);
        (detected.name, detected.version)
    }

    #[test]
    fn a_kubernetes_object_is_called_by_its_name_and_label() {
        let text = "# Source: x\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\n  labels:\n    version: old\n    app.kubernetes.io/version: 1.10\nspec: {}\n---\nkind: Other\n";
        assert_eq!(
            manifest("d.yaml", text),
            ("shop".into(), Some("1.10".into()))
        );
        let text =
            "kind: Pod\nspec: {}\nmetadata: {labels: {version: \"2\"}, name: p}\napiVersion: v1\n";
        assert_eq!(manifest("d.YML", text), ("p".into(), Some("2".into())));
    }

    #[test]
    fn another_mapping_is_called_by_its_file() {
        let text = "metadata: {name: no}\nservices: {}\n";
        assert_eq!(
            manifest("compose-1.2.yaml", text),
            ("compose-1.2.yaml".into(), None)
        );
        let text = "apiVersion: v1\nkind: List\nitems: []\n";
        assert_eq!(manifest("all.yaml", text), ("all.yaml".into(), None));
    }

    #[test]
    fn what_is_no_mapping_is_no_manifest() {
        for text in ["- a\n- b\n", "text", ""] {
            let detected = told("list.yaml", text.as_bytes());
            assert_eq!(
                (detected.kind, detected.note),
                (ArtifactKind::Unknown, None)
            );
        }
        // The ending decides whether YAML is looked for at all.
        assert_eq!(
            told("a.txt", b"kind: Pod\napiVersion: v1\n").kind,
            ArtifactKind::Unknown
        );
    }

    #[test]
    fn a_manifest_of_any_size_is_told_by_its_head() {
        let mut text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n".to_owned();
        while text.len() < 3 * HEAD {
            text.push_str("  key: \"é{{[[\"\n");
        }
        assert_eq!(manifest("big.yaml", &text).0, "big");
        // What stands behind the head is not seen: still a manifest, but of no kind that has a name.
        let late = text.replacen("kind: ConfigMap\n", "", 1) + "kind: ConfigMap\n";
        assert_eq!(manifest("late.yaml", &late).0, "late.yaml");
    }

    #[test]
    fn broken_and_hostile_manifests_are_noted() {
        assert!(unclear("t.yaml", b"a: {{ .Values.x }}\nb: [\n").contains("malformed YAML"));
        assert!(unclear("t.yaml", b"a: \xff\n").contains("UTF-8"));
        assert!(unclear("t.yaml", "[".repeat(5000).as_bytes()).contains("too deep"));
        assert!(unclear("t.yaml", b"a: \"never ends").contains("malformed YAML"));
    }

    #[test]
    fn a_name_with_terminal_escapes_is_shown_without_them() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: \"a\\e[2Jb\\u202e\", labels: {version: \"1\\n2\"}}\n";
        assert_eq!(
            manifest("d.yaml", text),
            ("a[2Jb".into(), Some("12".into()))
        );
    }
}
