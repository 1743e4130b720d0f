// SPDX-License-Identifier: GPL-3.0-or-later
//! Who asks a bootstrap node for whom: tokens, and the table of those who showed them, without I/O.
//!
//! A token stands for a document on one day. It is a keyed hash under the document's sync key, so
//! whoever does not know the document can neither make nor recognise it, and the bootstrap node
//! cannot tell tomorrow what it saw today. Peers show the tokens of today and of the neighbouring
//! day that is nearer, so that they meet though their clocks differ by hours.
//!
//! Addresses are told to nobody but peers that showed the same token. Everything is bounded and
//! expires.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::access::{DocumentKeys, Hint};
use crate::identity::AuthorId;

const TOKEN_DOMAIN: &[u8] = b"app.reflection rendezvous token v1";
const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;

/// Peers that are introduced at once.
pub(super) const PEERS_MAX: usize = 4096;
/// Most tokens of one peer: two for each of its documents.
pub(super) const TOKENS_PER_PEER_MAX: usize = 1 << 15;
/// Most tokens of all peers.
const TOKENS_MAX: usize = 1 << 19;
/// Peers with the same token who are introduced to one newcomer.
const PEERS_PER_TOKEN_MAX: usize = 128;
/// Introductions that one registration may lead to.
const INTRODUCTIONS_MAX: usize = 1024;
/// How long a registration holds.
pub(super) const EXPIRY: Duration = Duration::from_mins(30);
/// Registrations that a peer may begin within [`RATE_PERIOD`].
const REGISTRATIONS_MAX: u32 = 20;
const RATE_PERIOD: Duration = Duration::from_mins(1);

/// Stands for a document on one day.
pub(crate) type Token = [u8; 32];

/// The token of a document on a day, counted from 1970.
pub(crate) fn token(keys: &DocumentKeys, day: u64) -> Token {
    let mut hasher = blake3::Hasher::new_keyed(keys.sync_key());
    hasher.update(TOKEN_DOMAIN).update(&day.to_be_bytes());
    *hasher.finalize().as_bytes()
}

/// Today, and the neighbouring day that is nearer.
pub(super) fn days(now_us: u64) -> [u64; 2] {
    let today = now_us / DAY_US;
    let neighbour = if now_us % DAY_US < DAY_US / 2 {
        today.saturating_sub(1)
    } else {
        today + 1
    };
    [today, neighbour]
}

/// The tokens that a peer with these documents shows.
pub(super) fn tokens(documents: &[DocumentKeys], now_us: u64) -> Vec<Token> {
    let days = days(now_us);
    let mut tokens: Vec<Token> = documents
        .iter()
        .flat_map(|keys| days.map(|day| token(keys, day)))
        .take(TOKENS_PER_PEER_MAX)
        .collect();
    // Which tokens belong together is not told by their order.
    tokens.sort_unstable();
    tokens
}

/// The peer broke a bound and is to be let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the peer registers too often")]
    TooOften,
    #[error("the peer registers too much")]
    TooMuch,
    #[error("too many peers are registered")]
    Full,
}

/// Tells `to` of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Introduction {
    pub(super) to: AuthorId,
    pub(super) peer: Hint,
}

struct Registered {
    hint: Hint,
    tokens: HashSet<Token>,
    /// Peers introduced since the registration began.
    introduced: HashSet<AuthorId>,
    expires: Instant,
    period_began: Instant,
    registrations: u32,
}

/// All who asked.
#[derive(Default)]
pub(super) struct Registry {
    peers: HashMap<AuthorId, Registered>,
    by_token: HashMap<Token, BTreeSet<AuthorId>>,
    tokens: usize,
}

impl Registry {
    /// Takes a part of a registration; the first replaces what was registered before.
    pub(super) fn register(
        &mut self,
        hint: Hint,
        tokens: &[Token],
        is_first: bool,
        now: Instant,
    ) -> Result<Vec<Introduction>, Refusal> {
        self.expire(now);
        let peer = hint.endpoint;
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEERS_MAX {
            return Err(Refusal::Full);
        }
        let registered = self.peers.entry(peer).or_insert_with(|| Registered {
            hint: hint.clone(),
            tokens: HashSet::new(),
            introduced: HashSet::new(),
            expires: now + EXPIRY,
            period_began: now,
            registrations: 0,
        });
        registered.hint = hint;
        registered.expires = now + EXPIRY;
        if is_first {
            if now - registered.period_began >= RATE_PERIOD {
                registered.period_began = now;
                registered.registrations = 0;
            }
            registered.registrations += 1;
            if registered.registrations > REGISTRATIONS_MAX {
                return Err(Refusal::TooOften);
            }
            registered.introduced.clear();
            self.forget_tokens(&peer);
        }
        let mut introductions = Vec::new();
        for token in tokens {
            self.add_token(peer, *token, &mut introductions)?;
        }
        Ok(introductions)
    }

    fn add_token(
        &mut self,
        peer: AuthorId,
        token: Token,
        introductions: &mut Vec<Introduction>,
    ) -> Result<(), Refusal> {
        let Some(registered) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        if registered.tokens.contains(&token) {
            return Ok(());
        }
        if registered.tokens.len() >= TOKENS_PER_PEER_MAX {
            return Err(Refusal::TooMuch);
        }
        if self.tokens >= TOKENS_MAX {
            return Err(Refusal::Full);
        }
        registered.tokens.insert(token);
        self.tokens += 1;
        let same = self.by_token.entry(token).or_default();
        let others: Vec<AuthorId> = same.iter().take(PEERS_PER_TOKEN_MAX).copied().collect();
        same.insert(peer);
        for other in others {
            let Some(registered) = self.peers.get_mut(&peer) else {
                return Ok(());
            };
            if registered.introduced.len() >= INTRODUCTIONS_MAX
                || !registered.introduced.insert(other)
            {
                continue;
            }
            let newcomer = registered.hint.clone();
            let Some(known) = self.peers.get(&other) else {
                continue;
            };
            introductions.push(Introduction {
                to: peer,
                peer: known.hint.clone(),
            });
            introductions.push(Introduction {
                to: other,
                peer: newcomer,
            });
        }
        Ok(())
    }

    /// Forgets a peer that is gone.
    pub(super) fn remove(&mut self, peer: &AuthorId) {
        self.forget_tokens(peer);
        self.peers.remove(peer);
    }

    fn forget_tokens(&mut self, peer: &AuthorId) {
        let Some(registered) = self.peers.get_mut(peer) else {
            return;
        };
        let tokens = std::mem::take(&mut registered.tokens);
        self.tokens -= tokens.len();
        for token in tokens {
            if let Some(same) = self.by_token.get_mut(&token) {
                same.remove(peer);
                if same.is_empty() {
                    self.by_token.remove(&token);
                }
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        let gone: Vec<AuthorId> = self
            .peers
            .iter()
            .filter(|(_, registered)| registered.expires <= now)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in gone {
            self.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::DocumentSecret;

    const NOON_US: u64 = 20_000 * DAY_US + DAY_US / 2;

    fn document() -> DocumentKeys {
        DocumentKeys::for_writing(DocumentSecret::generate())
    }

    fn hint(number: u8) -> Hint {
        Hint {
            endpoint: AuthorId::from_bytes([number; 32]),
            addresses: vec![format!("192.168.1.{number}:4000").parse().unwrap()],
            relay: None,
        }
    }

    fn registers(
        registry: &mut Registry,
        number: u8,
        documents: &[&DocumentKeys],
        now_us: u64,
    ) -> Vec<Introduction> {
        let documents: Vec<_> = documents.iter().map(|keys| (*keys).clone()).collect();
        let shown = tokens(&documents, now_us);
        registry
            .register(hint(number), &shown, true, Instant::now())
            .unwrap()
    }

    #[test]
    fn two_who_share_a_document_are_told_of_each_other_and_a_third_of_nobody() {
        let (shared, other) = (document(), document());
        let mut registry = Registry::default();
        assert!(registers(&mut registry, 1, &[&shared], NOON_US).is_empty());
        assert!(registers(&mut registry, 2, &[&other], NOON_US).is_empty());
        let introductions = registers(&mut registry, 3, &[&shared], NOON_US);
        assert_eq!(
            introductions,
            [
                Introduction {
                    to: hint(3).endpoint,
                    peer: hint(1)
                },
                Introduction {
                    to: hint(1).endpoint,
                    peer: hint(3)
                },
            ]
        );
    }

    #[test]
    fn many_common_documents_make_one_introduction() {
        let documents: Vec<_> = (0..20).map(|_| document()).collect();
        let all: Vec<_> = documents.iter().collect();
        let mut registry = Registry::default();
        registers(&mut registry, 1, &all, NOON_US);
        assert_eq!(registers(&mut registry, 2, &all, NOON_US).len(), 2);
    }

    #[test]
    fn clocks_may_differ_by_ten_hours_in_either_direction() {
        let keys = document();
        for hour in 0..24 {
            let now_us = 20_000 * DAY_US + hour * DAY_US / 24;
            let mut registry = Registry::default();
            registers(&mut registry, 1, &[&keys], now_us);
            let late = now_us + 10 * DAY_US / 24;
            assert_eq!(
                registers(&mut registry, 2, &[&keys], late).len(),
                2,
                "{hour}"
            );
        }
    }

    #[test]
    fn a_token_is_worth_nothing_two_days_later() {
        let keys = document();
        let mut registry = Registry::default();
        registers(&mut registry, 1, &[&keys], NOON_US);
        assert!(registers(&mut registry, 2, &[&keys], NOON_US + 2 * DAY_US).is_empty());
    }

    #[test]
    fn whoever_left_or_expired_is_introduced_to_nobody() {
        let keys = document();
        let mut registry = Registry::default();
        registers(&mut registry, 1, &[&keys], NOON_US);
        registry.remove(&hint(1).endpoint);
        assert!(registers(&mut registry, 2, &[&keys], NOON_US).is_empty());
        let late = Instant::now() + EXPIRY;
        let shown = tokens(&[keys], NOON_US);
        assert!(
            registry
                .register(hint(3), &shown, true, late)
                .unwrap()
                .is_empty()
        );
        assert_eq!(registry.tokens, shown.len());
        assert_eq!(registry.by_token.len(), shown.len());
    }

    #[test]
    fn a_new_registration_takes_the_place_of_the_old_one() {
        let (old, new) = (document(), document());
        let mut registry = Registry::default();
        registers(&mut registry, 1, &[&old], NOON_US);
        registers(&mut registry, 1, &[&new], NOON_US);
        assert!(registers(&mut registry, 2, &[&old], NOON_US).is_empty());
        assert_eq!(registers(&mut registry, 3, &[&new], NOON_US).len(), 2);
    }

    #[test]
    fn who_registers_without_end_is_let_go() {
        let mut registry = Registry::default();
        let now = Instant::now();
        let refusal =
            (0..=REGISTRATIONS_MAX).find_map(|_| registry.register(hint(1), &[], true, now).err());
        assert_eq!(refusal, Some(Refusal::TooOften));
        let many: Vec<Token> = (0..=TOKENS_PER_PEER_MAX)
            .map(|number| {
                let mut token = [0; 32];
                token[..8].copy_from_slice(&number.to_be_bytes());
                token
            })
            .collect();
        let refusal = registry.register(hint(2), &many, true, now);
        assert_eq!(refusal, Err(Refusal::TooMuch));
    }
}
