//! What is said of what a file contains.

use super::sections::sections;
use sigtool_core::Inspection;

/// Headings, with labelled values below each.
pub(crate) fn text(inspection: &Inspection) -> Vec<String> {
    let mut lines = Vec::new();
    for section in sections(inspection) {
        lines.push(section.title);
        let width = section
            .fields
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or(0);
        for (label, value) in section.fields {
            let labels = std::iter::once(label).chain(std::iter::repeat(""));
            let values = labels.zip(value.split('\n'));
            lines.extend(values.map(|(label, value)| format!("  {label:width$}  {value}")));
        }
    }
    lines
}
