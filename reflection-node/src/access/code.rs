// SPDX-License-Identifier: GPL-3.0-or-later
//! The codes by which a document is shared.
//!
//! A code is Bech32m text (BIP 350) whose readable first part names the right: `write1…`,
//! `read1…`, `replica1…`. Its checksum finds any four wrong characters. Case, spaces, line breaks
//! and a leading `reflection:` do not matter. The bytes inside: format version (1), the keys of
//! the right (32 or 64), then a CBOR array of hints. docs/format.md has examples.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use bech32::{Bech32m, Hrp};
use iroh::RelayUrl;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{Access, DocumentKeys, DocumentSecret};
use crate::identity::AuthorId;

/// The scheme of links that carry a code.
const LINK_SCHEME: &str = "reflection:";
const FORMAT_VERSION: u8 = 1;
/// Longest text that is looked at; the longest Bech32m word has 1023 characters.
const CODE_TEXT_BYTES_MAX: usize = 4096;
/// Most peers that a code names.
const HINTS_MAX: usize = 4;
/// Most addresses that a hint names; more would make codes unwieldy.
const HINT_ADDRESSES_MAX: usize = 4;

/// Where a peer that has the document may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Whom to connect to.
    pub endpoint: AuthorId,
    /// Socket addresses at which it listened when the code was made.
    pub addresses: Vec<SocketAddr>,
    /// Its home relay.
    pub relay: Option<RelayUrl>,
}

/// A right to a document, in the form in which people hand it on.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Code {
    keys: DocumentKeys,
    #[zeroize(skip)]
    hints: Vec<Hint>,
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Code({:?}, {} hints)",
            self.keys,
            self.hints.len()
        )
    }
}

/// What is wrong with a code, in words for the person who pasted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Nothing that could be a code.
    #[error("this is not a Reflection code")]
    NotACode,
    /// The end is missing or characters are wrong.
    #[error("the code is incomplete or has a typing error")]
    Damaged,
    /// Made by a newer program.
    #[error("the code was made by a newer version of Reflection")]
    Newer,
}

impl Code {
    /// A code that passes on the right `access`, or `None` where `keys` do not include it.
    pub fn new(keys: &DocumentKeys, access: Access, mut hints: Vec<Hint>) -> Option<Self> {
        hints.truncate(HINTS_MAX);
        for hint in &mut hints {
            hint.addresses.truncate(HINT_ADDRESSES_MAX);
        }
        let keys = match access {
            Access::Write if keys.access() == Access::Write => keys.clone(),
            Access::Read => DocumentKeys::for_reading(*keys.read_key()?, *keys.write_public()),
            Access::Replica => DocumentKeys::for_replica(*keys.sync_key(), *keys.write_public()),
            Access::Write => return None,
        };
        Some(Self { keys, hints })
    }

    /// The keys inside.
    pub fn keys(&self) -> &DocumentKeys {
        &self.keys
    }

    /// What the code allows.
    pub fn access(&self) -> Access {
        self.keys.access()
    }

    /// Peers to try first.
    pub fn hints(&self) -> &[Hint] {
        &self.hints
    }

    /// The code as a link that opens the program.
    pub fn to_link(&self) -> String {
        format!("{LINK_SCHEME}{self}")
    }

    fn to_payload(&self) -> Zeroizing<Vec<u8>> {
        let mut payload = Zeroizing::new(vec![FORMAT_VERSION]);
        match (self.keys.secret_bytes(), self.keys.read_key()) {
            (Some(secret), _) => payload.extend_from_slice(&*secret),
            (None, Some(read_key)) => {
                payload.extend_from_slice(&*read_key);
                payload.extend_from_slice(self.keys.write_public());
            }
            (None, None) => {
                payload.extend_from_slice(self.keys.sync_key());
                payload.extend_from_slice(self.keys.write_public());
            }
        }
        if !self.hints.is_empty() {
            payload.extend_from_slice(&encode_hints(&self.hints));
        }
        payload
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hrp = Hrp::parse(self.access().as_str()).map_err(|_| fmt::Error)?;
        bech32::encode_to_fmt::<Bech32m, _>(formatter, hrp, &self.to_payload())
            .map_err(|_| fmt::Error)
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        if text.len() > CODE_TEXT_BYTES_MAX {
            return Err(CodeError::NotACode);
        }
        let folded = Zeroizing::new(
            text.chars()
                .filter(|letter| !letter.is_whitespace())
                .map(|letter| letter.to_ascii_lowercase())
                .collect::<String>(),
        );
        let word = folded
            .strip_prefix(LINK_SCHEME)
            .unwrap_or(&folded)
            .trim_matches('/');
        let access = [Access::Write, Access::Read, Access::Replica]
            .into_iter()
            .find(|access| {
                word.strip_prefix(access.as_str())
                    .is_some_and(|rest| rest.starts_with('1'))
            })
            .ok_or(CodeError::NotACode)?;
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(word)
            .map_err(|_| CodeError::Damaged)?;
        let payload = Zeroizing::new(checked.byte_iter().collect::<Vec<u8>>());
        decode_payload(access, &payload)
    }
}

/// Decodes what is behind the checksum of a code.
#[cfg(feature = "testing")]
pub(crate) fn probe_payload(access: Access, payload: &[u8]) {
    let _ = decode_payload(access, payload);
}

/// What is behind the checksum of a code.
#[cfg(feature = "testing")]
pub(crate) fn payload_of(code: &Code) -> Vec<u8> {
    code.to_payload().to_vec()
}

fn decode_payload(access: Access, payload: &[u8]) -> Result<Code, CodeError> {
    let (&version, rest) = payload.split_first().ok_or(CodeError::Damaged)?;
    if version != FORMAT_VERSION {
        return Err(CodeError::Newer);
    }
    let (first, mut rest) = rest.split_first_chunk::<32>().ok_or(CodeError::Damaged)?;
    let keys = if access == Access::Write {
        DocumentKeys::for_writing(DocumentSecret::from_bytes(*first))
    } else {
        let (write_public, after) = rest.split_first_chunk::<32>().ok_or(CodeError::Damaged)?;
        rest = after;
        if access == Access::Read {
            DocumentKeys::for_reading(*first, *write_public)
        } else {
            DocumentKeys::for_replica(*first, *write_public)
        }
    };
    let hints = if rest.is_empty() {
        Vec::new()
    } else {
        decode_hints(rest).ok_or(CodeError::Damaged)?
    };
    Ok(Code { keys, hints })
}

/// Hints as CBOR: an array of `[endpoint (32), [address (6 or 18 bytes), …], relay or null]`.
pub(crate) fn encode_hints(hints: &[Hint]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut bytes);
    // Writing to a vector cannot fail.
    let mut write = || -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        encoder.array(hints.len() as u64)?;
        for hint in hints {
            encoder.array(3)?.bytes(hint.endpoint.as_bytes())?;
            encoder.array(hint.addresses.len() as u64)?;
            for address in &hint.addresses {
                encoder.bytes(&crate::wire::encode_address(address))?;
            }
            match &hint.relay {
                Some(relay) => encoder.str(relay.as_str())?,
                None => encoder.null()?,
            };
        }
        Ok(())
    };
    if write().is_err() {
        return Vec::new();
    }
    bytes
}

/// The reverse of [`encode_hints`]; `None` for anything else.
pub(crate) fn decode_hints(bytes: &[u8]) -> Option<Vec<Hint>> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let count = usize::try_from(decoder.array().ok()??).ok()?;
    if count > HINTS_MAX {
        return None;
    }
    let mut hints = Vec::with_capacity(count);
    for _ in 0..count {
        if decoder.array().ok()? != Some(3) {
            return None;
        }
        let endpoint = AuthorId::from_bytes(decoder.bytes().ok()?.try_into().ok()?);
        let address_count = usize::try_from(decoder.array().ok()??).ok()?;
        if address_count > HINT_ADDRESSES_MAX {
            return None;
        }
        let mut addresses = Vec::with_capacity(address_count);
        for _ in 0..address_count {
            addresses.push(crate::wire::decode_address(decoder.bytes().ok()?)?);
        }
        let relay = if decoder.datatype().ok()? == minicbor::data::Type::Null {
            decoder.null().ok()?;
            None
        } else {
            Some(decoder.str().ok()?.parse().ok()?)
        };
        hints.push(Hint {
            endpoint,
            addresses,
            relay,
        });
    }
    (decoder.position() == bytes.len()).then_some(hints)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn keys() -> DocumentKeys {
        DocumentKeys::for_writing(DocumentSecret::from_bytes([3; 32]))
    }

    fn hint() -> Hint {
        Hint {
            endpoint: AuthorId::from_bytes([9; 32]),
            addresses: vec![
                "192.0.2.1:4433".parse().unwrap(),
                "[2001:db8::1]:9".parse().unwrap(),
            ],
            relay: Some("https://relay.example".parse().unwrap()),
        }
    }

    #[test]
    fn each_right_survives_the_round_trip() {
        for access in [Access::Write, Access::Read, Access::Replica] {
            for hints in [vec![], vec![hint()]] {
                let code = Code::new(&keys(), access, hints.clone()).unwrap();
                let again: Code = code.to_string().parse().unwrap();
                assert_eq!(again.access(), access);
                assert_eq!(again.keys().topic(), keys().topic());
                assert_eq!(again.hints(), hints);
            }
        }
    }

    #[test]
    fn case_white_space_and_link_do_not_matter() {
        let code = Code::new(&keys(), Access::Write, vec![hint()]).unwrap();
        let text = code.to_string();
        let broken: String = text
            .as_bytes()
            .chunks(4)
            .map(|four| str::from_utf8(four).unwrap())
            .collect::<Vec<_>>()
            .join(" \n");
        for variant in [
            text.to_uppercase(),
            broken,
            code.to_link(),
            format!("reflection://{text}"),
            format!("reflection:///{text}/"),
        ] {
            assert_eq!(
                variant.parse::<Code>().unwrap().keys().topic(),
                keys().topic()
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let check = |text: &str, expected: CodeError| {
            assert_eq!(text.parse::<Code>().unwrap_err(), expected, "{text}");
        };
        let text = Code::new(&keys(), Access::Write, vec![])
            .unwrap()
            .to_string();
        check("", CodeError::NotACode);
        check("hello", CodeError::NotACode);
        check("https://example.org/write1", CodeError::NotACode);
        check(&text[..text.len() - 1], CodeError::Damaged);
        check(&text[..20], CodeError::Damaged);
        let newer = bech32::encode::<Bech32m>(Hrp::parse("write").unwrap(), &[9; 40]).unwrap();
        check(&newer, CodeError::Newer);
    }

    #[test]
    fn a_weaker_code_does_not_give_the_stronger_right() {
        let read = Code::new(&keys(), Access::Read, vec![]).unwrap();
        assert!(Code::new(read.keys(), Access::Write, vec![]).is_none());
        let replica = Code::new(&keys(), Access::Replica, vec![]).unwrap();
        assert!(Code::new(replica.keys(), Access::Read, vec![]).is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_decoder_panic(text in ".{0,200}") {
            let _ = text.parse::<Code>();
        }

        #[test]
        fn no_payload_makes_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for access in [Access::Write, Access::Read, Access::Replica] {
                let _ = decode_payload(access, &bytes);
            }
        }

        #[test]
        fn every_single_typing_error_is_found(at in 0_usize..59, by in 1_u8..32) {
            let text = Code::new(&keys(), Access::Write, vec![]).unwrap().to_string();
            let alphabet = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
            let mut bytes = text.into_bytes();
            let at = "write1".len() + at;
            let value = alphabet.iter().position(|&letter| letter == bytes[at]).unwrap();
            bytes[at] = alphabet[(value + usize::from(by)) % 32];
            prop_assert!(String::from_utf8(bytes).unwrap().parse::<Code>().is_err());
        }
    }
}
