//! PEM text ([RFC 7468]), read leniently and written as Go does.
//!
//! Our own reader, because what it reads is secret: it wipes each buffer, which the crates for PEM do not. It finds blocks in
//! other text, takes any line ends, the two characters `\n` too, and lines joined by spaces: what becomes of a key in a carelessly set variable.
//!
//! [RFC 7468]: https://www.rfc-editor.org/rfc/rfc7468

use super::failure::KeyError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigtool_sdk::pem::{BEGIN, shown_label};
use zeroize::Zeroizing;

const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One block of a PEM text.
pub(crate) struct Block {
    /// What stands after `BEGIN`.
    pub(crate) label: String,
    /// What it holds; nothing if it is in OpenSSL's legacy encryption.
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// It has the header `Proc-Type: 4,ENCRYPTED` (RFC 1421).
    pub(crate) legacy_encryption: bool,
}

/// All blocks of a text, at least one.
pub(crate) fn blocks(bytes: &[u8]) -> Result<Vec<Block>, KeyError> {
    let mut rest = text(bytes)?;
    let mut blocks = Vec::new();
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let cut = KeyError::Truncated("the line `-----END …-----` is missing");
        let (label, after) = after.split_once(DASHES).ok_or_else(|| cut.clone())?;
        let (body, after) = after.split_once(END).ok_or_else(|| cut.clone())?;
        let (end, after) = after.split_once(DASHES).ok_or(cut)?;
        if label != end {
            return Err(KeyError::Damaged(format!(
                "it begins as `{}` and ends as `{}`",
                shown_label(label),
                shown_label(end)
            )));
        }
        blocks.push(block(label, body)?);
        rest = after;
    }
    if blocks.is_empty() {
        return Err(KeyError::NotPem);
    }
    Ok(blocks)
}

fn text(bytes: &[u8]) -> Result<&str, KeyError> {
    /// The first byte of a DER sequence: every binary key begins with it.
    const DER_SEQUENCE: u8 = 0x30;
    match bytes {
        [] => Err(KeyError::Empty),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(KeyError::NotPemButUtf16),
        _ => std::str::from_utf8(bytes).map_err(|_| match bytes[0] {
            DER_SEQUENCE => KeyError::NotPemButDer,
            _ => KeyError::NotPem,
        }),
    }
}

fn block(label: &str, body: &str) -> Result<Block, KeyError> {
    // A colon is not a character of Base64: it belongs to a header.
    let legacy_encryption = body.contains("Proc-Type:") && body.contains("ENCRYPTED");
    let content = if legacy_encryption {
        Zeroizing::default()
    } else {
        decode(body)?
    };
    Ok(Block {
        label: label.to_owned(),
        content,
        legacy_encryption,
    })
}

fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    // Both buffers have their final size from the start, or growing would leave copies behind.
    let mut digits = Zeroizing::new(Vec::with_capacity(body.len()));
    // A line end that was pasted into a variable may be the two characters `\n`.
    for line in body.split(r"\n").flat_map(|line| line.split(r"\r")) {
        digits.extend(line.bytes().filter(|b| !b.is_ascii_whitespace()));
    }
    let mut content = Zeroizing::new(vec![0; digits.len() / 4 * 3]);
    let length =
        STANDARD
            .decode_slice(&*digits, &mut content)
            .map_err(|_| match digits.len() % 4 {
                0 => KeyError::Damaged("what stands between BEGIN and END is not Base64".into()),
                _ => KeyError::Truncated("characters are missing between BEGIN and END"),
            })?;
    content.truncate(length);
    Ok(content)
}

/// Writes a block as Go's `pem.Encode` does: lines of 64 characters, each ended by a line feed.
pub(crate) fn encode(label: &str, content: &[u8]) -> String {
    let digits = STANDARD.encode(content);
    let mut text = format!("{BEGIN}{label}{DASHES}\n");
    for line in digits.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text + END + label + DASHES + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(text: &str) -> Vec<(String, Vec<u8>)> {
        blocks(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|b| (b.label, b.content.to_vec()))
            .collect()
    }

    #[test]
    fn what_is_written_is_read_again_however_its_lines_end() {
        let content: Vec<u8> = (0..100).collect();
        let text = encode("X", &content);
        assert!(text.lines().all(|l| l.len() <= 64), "{text}");
        for text in [
            text.clone(),
            text.replace('\n', "\r\n"),
            text.replace('\n', " "),
            text.replace('\n', r"\n"),
            text.replace('\n', r"\r\n"),
            text.replace('\n', "\n\n"),
            format!("\u{feff}a comment\n{text}the end"),
        ] {
            assert_eq!(contents(&text), [("X".to_owned(), content.clone())]);
        }
    }

    #[test]
    fn several_blocks_are_found() {
        let text = encode("A", b"1") + &encode("B", b"22");
        assert_eq!(
            contents(&text),
            [("A".into(), b"1".to_vec()), ("B".into(), b"22".to_vec())]
        );
    }

    #[test]
    fn a_text_cut_off_anywhere_is_told_so() {
        let text = encode("X", &[7; 90]);
        // The last two characters are a dash and the line feed: without the line feed it is still whole.
        for length in "-----BEGIN ".len()..text.len() - 1 {
            let error = blocks(&text.as_bytes()[..length]).err().unwrap();
            assert!(matches!(error, KeyError::Truncated(_)), "{length}: {error}");
        }
    }

    #[test]
    fn what_is_no_pem_is_told_by_what_it_is() {
        let error = |bytes: &[u8]| blocks(bytes).err().unwrap();
        assert_eq!(error(b""), KeyError::Empty);
        assert_eq!(error(b"hello"), KeyError::NotPem);
        assert_eq!(error(b"\x30\x82\x01\xff"), KeyError::NotPemButDer);
        assert_eq!(error(b"\xff\xfe-\0-\0"), KeyError::NotPemButUtf16);
        let changed = encode("X", b"hello").replace('=', "?");
        assert!(matches!(error(changed.as_bytes()), KeyError::Damaged(_)));
    }
}
