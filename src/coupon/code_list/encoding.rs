//! The encoding of a file: by its byte order mark, its zero bytes, or the statistics of its letters.
//!
//! Invariant: pure.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Why a file is not a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// A workbook of a spreadsheet program.
    #[error("the file is a spreadsheet, not a text; save it as CSV")]
    Spreadsheet,
    /// A PDF document.
    #[error("the file is a PDF document, not a text; export the codes as CSV")]
    Pdf,
    /// An archive.
    #[error("the file is compressed; unpack it")]
    Compressed,
    /// A web page or another document of XML.
    #[error("the file is a web page, not a list; export the codes as CSV")]
    Markup,
    /// The encoding UTF-32.
    #[error("the file is encoded as UTF-32; save it as UTF-8")]
    Utf32,
    /// A file of UTF-16 with a part missing.
    #[error("the file is encoded as UTF-16 and damaged; save it as UTF-8")]
    BrokenUtf16,
    /// Any other file with zero bytes.
    #[error("the file is not a text, because it has zero bytes; save the list as UTF-8")]
    Binary,
}

/// The signatures of files that people mistake for CSV.
const SIGNATURES: [(&[u8], NotText); 9] = [
    (b"PK\x03\x04", NotText::Spreadsheet),
    (b"\xd0\xcf\x11\xe0", NotText::Spreadsheet),
    (b"{\\rtf", NotText::Markup),
    (b"%PDF", NotText::Pdf),
    (b"\x1f\x8b", NotText::Compressed),
    (b"7z\xbc\xaf", NotText::Compressed),
    (b"Rar!", NotText::Compressed),
    (b"\xff\xfe\0\0", NotText::Utf32),
    (b"\0\0\xfe\xff", NotText::Utf32),
];
/// The beginnings of web pages, in lower case.
const MARKUP: [&[u8]; 3] = [b"<!doctype", b"<html", b"<?xml"];
/// Bytes that are examined for zeros.
const SAMPLE: usize = 4_096;

/// A text, with the name of its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// The text, without a byte order mark.
    pub(super) text: String,
    /// The name of the encoding, as web standards write it.
    pub(super) encoding: &'static str,
    /// Whether the encoding is a guess.
    pub(super) is_guess: bool,
}

/// Decodes the bytes. A byte order mark precedes `charset`, which is the label that the sender gave.
pub(super) fn decode(bytes: &[u8], charset: Option<&str>) -> Result<Decoded, NotText> {
    if let Some((_, what)) = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)) {
        return Err(*what);
    }
    let begin: Vec<u8> = bytes.trim_ascii_start().iter().take(16).map(u8::to_ascii_lowercase).collect();
    if MARKUP.iter().any(|markup| begin.starts_with(markup)) {
        return Err(NotText::Markup);
    }
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return decode_as(encoding, bytes.get(mark..).unwrap_or_default(), false);
    }
    if let Some(encoding) = wide(bytes) {
        return decode_as(encoding, bytes, true);
    }
    if bytes.contains(&0) {
        return Err(NotText::Binary);
    }
    if let Some(encoding) = charset.and_then(|label| Encoding::for_label(label.as_bytes()))
        && encoding != UTF_8
    {
        return decode_as(encoding, bytes, false);
    }
    if std::str::from_utf8(bytes).is_ok() {
        return decode_as(UTF_8, bytes, false);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    decode_as(detector.guess(None, Utf8Detection::Deny), bytes, true)
}

fn decode_as(encoding: &'static Encoding, bytes: &[u8], is_guess: bool) -> Result<Decoded, NotText> {
    let is_wide = encoding == UTF_16LE || encoding == UTF_16BE;
    let (text, has_errors) = encoding.decode_without_bom_handling(bytes);
    if is_wide && (has_errors || !bytes.len().is_multiple_of(2)) {
        return Err(NotText::BrokenUtf16);
    }
    if text.contains('\0') {
        return Err(NotText::Binary);
    }
    Ok(Decoded { text: text.into_owned(), encoding: encoding.name(), is_guess })
}

/// Returns the encoding if the text is UTF-16 without a mark: every second byte is zero for Latin letters and digits.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    let pairs: Vec<&[u8]> = sample.chunks_exact(2).collect();
    let zeros = |place: usize| pairs.iter().filter(|pair| pair.get(place) == Some(&0)).count();
    let (first, second) = (zeros(0), zeros(1));
    let is_most = |count: usize| count > 0 && count * 10 >= pairs.len() * 7;
    match (is_most(first), is_most(second)) {
        (false, true) if first == 0 => Some(UTF_16LE),
        (true, false) if second == 0 => Some(UTF_16BE),
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide_bytes(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn encoding_is_found_with_and_without_a_mark() {
        let text = "Código;Título\r\nAAAA-1;Ñandú\r\n";
        let (little, big) = (wide_bytes(text, u16::to_le_bytes), wide_bytes(text, u16::to_be_bytes));
        let latin: Vec<u8> =
            text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
        for (bytes, encoding) in [
            (text.as_bytes().to_vec(), "UTF-8"),
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "UTF-8"),
            (little.clone(), "UTF-16LE"),
            ([&b"\xff\xfe"[..], &little].concat(), "UTF-16LE"),
            (big.clone(), "UTF-16BE"),
            ([&b"\xfe\xff"[..], &big].concat(), "UTF-16BE"),
            (latin, "windows-1252"),
        ] {
            let decoded = decode(&bytes, None).unwrap();
            assert_eq!((decoded.text.as_str(), decoded.encoding), (text, encoding));
        }
    }

    #[test]
    fn encoding_of_the_sender_is_used() {
        let decoded = decode(b"k\xf3d", Some("windows-1250")).unwrap();
        assert_eq!(
            (decoded.text.as_str(), decoded.encoding, decoded.is_guess),
            ("kód", "windows-1250", false)
        );
        assert_eq!(decode("kód".as_bytes(), Some("UTF-8")).unwrap().text, "kód");
        assert_eq!(decode(b"AAAA", Some("no such charset")).unwrap().encoding, "UTF-8");
        assert_eq!(decode(b"\xef\xbb\xbfk\xc3\xb3d", Some("windows-1250")).unwrap().text, "kód");
    }

    #[test]
    fn other_files_are_named() {
        for (bytes, what) in [
            (&b"PK\x03\x04\x14\0\x06\0"[..], NotText::Spreadsheet),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", NotText::Spreadsheet),
            (b"%PDF-1.7\n", NotText::Pdf),
            (b"\x1f\x8b\x08\0\0", NotText::Compressed),
            (b" <!DOCTYPE html><html>", NotText::Markup),
            (b"<?xml version=\"1.0\"?>", NotText::Markup),
            (b"\xff\xfe\0\0A\0\0\0", NotText::Utf32),
            (b"\0\0\xfe\xff\0\0\0A", NotText::Utf32),
            (b"\xff\xfeA\0B", NotText::BrokenUtf16),
            (b"\xff\xfeA\0\x00\xd8", NotText::BrokenUtf16),
            (b"AAAA\0\nBBBB\n", NotText::Binary),
            (b"\0", NotText::Binary),
        ] {
            assert_eq!(decode(bytes, None), Err(what), "{bytes:?}");
        }
    }
}
