// SPDX-License-Identifier: GPL-3.0-or-later
//! What a replica gives out, so that its holder may assign documents to it.
//!
//! Bech32m like a code, with the readable part `ticket`. The bytes inside: format version (1), the
//! grant's secret (32), then a CBOR array of one hint, as in codes: the replica's endpoint id and
//! where it may be reached.

use std::fmt;
use std::str::FromStr;

use bech32::{Bech32m, Hrp};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::access::{Hint, decode_hints, encode_hints};
use crate::identity::AuthorId;

/// The readable part.
const PREFIX: &str = "ticket";
const FORMAT_VERSION: u8 = 1;
/// Longest text that is looked at; the longest Bech32m word has 1023 characters.
const TICKET_TEXT_BYTES_MAX: usize = 4096;
/// Most addresses of the replica that a ticket names.
const ADDRESSES_MAX: usize = 4;

/// The random number that shows that its holder was given a ticket.
pub(crate) type GrantSecret = Zeroizing<[u8; 32]>;

/// A right to have documents kept by a replica.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Ticket {
    secret: GrantSecret,
    #[zeroize(skip)]
    hint: Hint,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ticket({:?})", self.hint.endpoint)
    }
}

/// What is wrong with a ticket, in words for the person who pasted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Nothing that could be a ticket.
    #[error("this is not a replica's ticket")]
    NotATicket,
    /// The end is missing or characters are wrong.
    #[error("the ticket is incomplete or has a typing error")]
    Damaged,
    /// Made by a newer program.
    #[error("the ticket was made by a newer version of Reflection")]
    Newer,
}

impl Ticket {
    pub(crate) fn new(secret: GrantSecret, mut hint: Hint) -> Self {
        hint.addresses.truncate(ADDRESSES_MAX);
        Self { secret, hint }
    }

    /// The replica that gave it out.
    pub fn replica(&self) -> AuthorId {
        self.hint.endpoint
    }

    /// Where the replica was reached when the ticket was made.
    pub fn hint(&self) -> &Hint {
        &self.hint
    }

    pub(crate) fn secret(&self) -> &GrantSecret {
        &self.secret
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut payload = Zeroizing::new(vec![FORMAT_VERSION]);
        payload.extend_from_slice(&*self.secret);
        payload.extend_from_slice(&encode_hints(std::slice::from_ref(&self.hint)));
        let hrp = Hrp::parse(PREFIX).map_err(|_| fmt::Error)?;
        bech32::encode_to_fmt::<Bech32m, _>(formatter, hrp, &payload).map_err(|_| fmt::Error)
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        if text.len() > TICKET_TEXT_BYTES_MAX {
            return Err(TicketError::NotATicket);
        }
        let word = Zeroizing::new(
            text.chars()
                .filter(|letter| !letter.is_whitespace())
                .map(|letter| letter.to_ascii_lowercase())
                .collect::<String>(),
        );
        let is_ticket = word
            .strip_prefix(PREFIX)
            .is_some_and(|rest| rest.starts_with('1'));
        if !is_ticket {
            return Err(TicketError::NotATicket);
        }
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(&word)
            .map_err(|_| TicketError::Damaged)?;
        let payload = Zeroizing::new(checked.byte_iter().collect::<Vec<u8>>());
        decode_payload(&payload)
    }
}

/// Behind the checksum of a ticket, which a forger can make as well as anybody.
#[cfg(feature = "testing")]
pub(crate) const DECODER: crate::testing::decoders::Decoder = crate::testing::decoders::Decoder {
    name: "ticket",
    family: "codes",
    decode: |bytes| {
        if let Ok(ticket) = decode_payload(bytes) {
            let text = ticket.to_string();
            // Nobody would have been given a longer one.
            let is_read = text.len() <= TICKET_TEXT_BYTES_MAX;
            let again = text.parse().map(|again: Ticket| again.hint.clone());
            assert!(!is_read || again == Ok(ticket.hint.clone()));
        }
    },
    samples: || {
        let hint = Hint {
            endpoint: crate::identity::AuthorKey::from_bytes(&[8; 32]).id(),
            addresses: vec![([127, 0, 0, 1], 4_000).into(), ([0; 16], 4_001).into()],
            relay: "https://relay.example".parse().ok(),
        };
        let secret = [vec![FORMAT_VERSION], vec![9; 32]].concat();
        vec![[secret, encode_hints(&[hint])].concat()]
    },
};

fn decode_payload(payload: &[u8]) -> Result<Ticket, TicketError> {
    let (&version, rest) = payload.split_first().ok_or(TicketError::Damaged)?;
    if version != FORMAT_VERSION {
        return Err(TicketError::Newer);
    }
    let (secret, rest) = rest.split_first_chunk::<32>().ok_or(TicketError::Damaged)?;
    let hints = decode_hints(rest).ok_or(TicketError::Damaged)?;
    let [hint] = <[Hint; 1]>::try_from(hints).map_err(|_| TicketError::Damaged)?;
    Ok(Ticket::new(Zeroizing::new(*secret), hint))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn ticket() -> Ticket {
        let hint = Hint {
            endpoint: AuthorId::from_bytes([7; 32]),
            addresses: vec!["192.0.2.1:4433".parse().unwrap()],
            relay: Some("https://relay.example".parse().unwrap()),
        };
        Ticket::new(Zeroizing::new([0xcd; 32]), hint)
    }

    #[test]
    fn a_ticket_survives_the_round_trip_in_any_case_and_spacing() {
        let text = ticket().to_string();
        assert!(text.starts_with("ticket1"));
        let (first, second) = text.split_at(40);
        for variant in [
            text.clone(),
            text.to_uppercase(),
            format!(" {first}\n  {second}\n"),
        ] {
            let again: Ticket = variant.parse().unwrap();
            assert_eq!(again.secret(), ticket().secret());
            assert_eq!(again.hint(), ticket().hint());
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let check = |text: &str, expected: TicketError| {
            assert_eq!(text.parse::<Ticket>().unwrap_err(), expected, "{text}");
        };
        let text = ticket().to_string();
        check("", TicketError::NotATicket);
        check("replica1qqqq", TicketError::NotATicket);
        check(&text[..text.len() - 1], TicketError::Damaged);
        let newer = bech32::encode::<Bech32m>(Hrp::parse(PREFIX).unwrap(), &[9; 40]).unwrap();
        check(&newer, TicketError::Newer);
        let bare = bech32::encode::<Bech32m>(Hrp::parse(PREFIX).unwrap(), &[1; 33]).unwrap();
        check(&bare, TicketError::Damaged);
    }

    #[test]
    fn the_secret_is_not_formatted() {
        assert!(!format!("{:?}", ticket()).contains("cdcd"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_decoder_panic(text in ".{0,200}") {
            let _ = text.parse::<Ticket>();
        }

        #[test]
        fn no_payload_makes_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_payload(&bytes);
        }

        #[test]
        fn every_single_typing_error_is_found(at in 0_usize..100, by in 1_u8..32) {
            let text = ticket().to_string();
            let alphabet = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
            let mut bytes = text.into_bytes();
            let at = "ticket1".len() + at;
            let value = alphabet.iter().position(|&letter| letter == bytes[at]).unwrap();
            bytes[at] = alphabet[(value + usize::from(by)) % 32];
            prop_assert!(String::from_utf8(bytes).unwrap().parse::<Ticket>().is_err());
        }
    }
}
