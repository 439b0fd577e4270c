//! The README shows a whole backend: the one in `examples/file-signer`, which is built and tested.

use std::path::Path;

#[test]
fn the_signer_in_the_readme_is_the_one_that_is_built() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(here.join(name)).unwrap();
    let readme = read("README.md");
    for (language, file) in [("toml", "sigtool-backend.toml"), ("rust", "src/lib.rs")] {
        let expected = read(&format!("examples/file-signer/{file}"));
        let found = first_block(&readme, language);
        assert!(
            found == expected,
            "README.md shows another `{file}`:\n{found}"
        );
    }
}

/// The first fenced block of a language.
fn first_block<'a>(text: &'a str, language: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let start = text.find(&fence).expect("a fenced block") + fence.len();
    let length = text[start..].find("```").expect("the end of the block");
    &text[start..start + length]
}
