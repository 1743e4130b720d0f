// SPDX-License-Identifier: GPL-3.0-or-later
//! Texts out of files: found out how they are encoded, with the line ends of documents.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;
use reflection_node::access::TopicId;

use crate::library::{Library, LibraryError};

/// Largest file that is taken, in bytes.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Of so many characters one may be a control character that texts do not have, where the encoding
/// had to be guessed.
const CHARS_PER_CONTROL: usize = 100;

/// Why a file is not taken as a document.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The system does not give it.
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is a folder, a device or the like.
    #[error("it is not a file")]
    NotAFile,
    /// It is larger than [`FILE_BYTES_MAX`].
    #[error("it is larger than 64 MiB")]
    TooLarge,
    /// It holds bytes that no text has.
    #[error("it is not a text")]
    Binary,
    /// It could not be made a document.
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// The text that bytes are: a byte order mark decides, else UTF-8 if it is that, else what the
/// letters are most likely meant to be. Line ends become `\n`; the mark is no part of the text.
/// Every text without a zero that was written as UTF-8 is taken, whatever else is in it: so is what
/// documents are written as.
pub fn decode(bytes: &[u8]) -> Result<String, ImportError> {
    let (encoding, rest) = match Encoding::for_bom(bytes) {
        Some((encoding, length)) => (encoding, &bytes[length..]),
        None => (guess(bytes)?, bytes),
    };
    let is_known = encoding == encoding_rs::UTF_8 || rest.len() < bytes.len();
    let text = encoding
        .decode_without_bom_handling_and_without_replacement(rest)
        .ok_or(ImportError::Binary)?;
    let mut controls = 0;
    let mut chars = 0;
    for letter in text.chars() {
        chars += 1;
        match letter {
            '\0' => return Err(ImportError::Binary),
            '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' => {}
            letter if letter.is_control() => controls += 1,
            _ => {}
        }
    }
    if !is_known && controls * CHARS_PER_CONTROL > chars {
        return Err(ImportError::Binary);
    }
    Ok(with_line_ends(&text))
}

fn guess(bytes: &[u8]) -> Result<&'static Encoding, ImportError> {
    if std::str::from_utf8(bytes).is_ok() {
        return Ok(encoding_rs::UTF_8);
    }
    // UTF-16 without its mark holds zeros as well; it cannot be told from other things.
    if bytes.contains(&0) {
        return Err(ImportError::Binary);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    Ok(detector.guess(None, Utf8Detection::Deny))
}

/// A text whose lines end in `\n` alone.
fn with_line_ends(text: &str) -> String {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text.to_owned()
    }
}

/// Reads a file as a text.
pub fn read_file(path: &Path) -> Result<String, ImportError> {
    // Not before it is known to be a file: a pipe would wait for ever.
    let kind = std::fs::metadata(path)?;
    if !kind.is_file() {
        return Err(ImportError::NotAFile);
    }
    read(File::open(path)?)
}

/// Reads a text to its end.
pub fn read(file: impl Read) -> Result<String, ImportError> {
    let mut bytes = Vec::new();
    // A file may grow while it is read, and of a pipe nobody knows.
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ImportError::TooLarge);
    }
    decode(&bytes)
}

impl Library {
    /// Makes a document of a file: the whole of it, or none. One of an empty file stays, too.
    pub async fn import(&self, path: &Path) -> Result<TopicId, ImportError> {
        let path = path.to_owned();
        let text = self.node.aside(async move { read_file(&path) }).await?;
        Ok(self.create_kept(&text).await?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(decode(bytes).unwrap(), expected);
    }

    fn utf_16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xfeff)
            .chain(text.encode_utf16())
            .flat_map(order)
            .collect()
    }

    #[test]
    fn the_encoding_is_found_out() {
        check(b"", "");
        check("Grüße, தமிழ் 🎉".as_bytes(), "Grüße, தமிழ் 🎉");
        check("\u{feff}Grüße".as_bytes(), "Grüße");
        check(&utf_16("Grüße 🎉", u16::to_le_bytes), "Grüße 🎉");
        check(&utf_16("Grüße 🎉", u16::to_be_bytes), "Grüße 🎉");
        let german = "Viele Grüße aus Köln, schöne Ferien wünscht euch Jürgen";
        check(&encoding_rs::WINDOWS_1252.encode(german).0, german);
        let russian = "Это простой текст на русском языке, который надо узнать.";
        check(&encoding_rs::WINDOWS_1251.encode(russian).0, russian);
        check(&encoding_rs::KOI8_R.encode(russian).0, russian);
        let japanese = "これは日本語の文章です。会議の記録を残します。";
        check(&encoding_rs::SHIFT_JIS.encode(japanese).0, japanese);
        check(&encoding_rs::EUC_JP.encode(japanese).0, japanese);
        let chinese = "这是一个简单的中文文本，我们要知道它的编码。";
        check(&encoding_rs::GBK.encode(chinese).0, chinese);
    }

    #[test]
    fn lines_end_in_one_way() {
        check(
            b"one\r\ntwo\rthree\nfour\r\r\n",
            "one\ntwo\nthree\nfour\n\n",
        );
        check(&utf_16("a\r\nb", u16::to_le_bytes), "a\nb");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let refused = |bytes: &[u8]| matches!(decode(bytes), Err(ImportError::Binary));
        assert!(refused(b"text\0text"));
        assert!(refused(b"\x7fELF\x02\x01\x01\0\0\0\xff"));
        assert!(refused(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"));
        assert!(refused(&utf_16("a\0b", u16::to_le_bytes)));
        assert!(refused(b"\xff\xfea\0b"), "half a character of UTF-16");
        // Of no encoding that is known for sure: too many controls, and a few stray ones.
        assert!(refused(b"\xff\x01\x02\x03 K\xf6ln"));
        let words = format!("{}\u{1b} K\u{f6}ln", "word ".repeat(50));
        let latin = encoding_rs::WINDOWS_1252.encode(&words).0;
        check(&latin, &words);
    }

    #[test]
    fn what_terminals_write_is_taken() {
        check(b"\x1b[31mred\x1b[0m", "\u{1b}[31mred\u{1b}[0m");
        check(&[1, 2, 3], "\u{1}\u{2}\u{3}");
        check(&utf_16("\u{1b}[1m", u16::to_le_bytes), "\u{1b}[1m");
    }

    #[test]
    fn a_file_too_large_a_folder_and_nothing_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        File::create(&path)
            .unwrap()
            .set_len(FILE_BYTES_MAX + 1)
            .unwrap();
        assert!(matches!(read_file(&path), Err(ImportError::TooLarge)));
        assert!(matches!(
            read_file(folder.path()),
            Err(ImportError::NotAFile)
        ));
        assert!(matches!(
            read_file(&folder.path().join("none")),
            Err(ImportError::Read(_))
        ));
    }
}
