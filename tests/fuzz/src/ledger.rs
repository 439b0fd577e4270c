//! Rows of the ledger, which somebody may have changed, and heads, which somebody types.

use sigtool_core::ledger::{Entry, Head};

/// An entry or a head that is read is written as one that is read the same.
pub(crate) fn ledger(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(head) = text.parse::<Head>() {
        assert_eq!(head.to_string(), text, "a head has one spelling");
    }
    let Ok(entry) = serde_json::from_str::<Entry>(text) else {
        return;
    };
    let line = serde_json::to_string(&entry).expect("an entry is JSON");
    let again: Entry = serde_json::from_str(&line).expect("what was written is read");
    assert_eq!(again, entry);
    assert!(!line.contains('\n'), "an entry is one line");
}
