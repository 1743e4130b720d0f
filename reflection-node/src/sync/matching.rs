// SPDX-License-Identifier: GPL-3.0-or-later
//! Which documents two connected peers share, found without naming any.
//!
//! The side that dialled offers a token for each of its documents, padded with random ones so that
//! their number is not told exactly. The other side answers with its own tokens for those it has
//! too, and with nothing else: a stranger who dials learns nothing. Documents that come later are
//! offered by the side where they came.

use std::collections::{HashMap, HashSet};

use super::frame::{Frame, TOKENS_PER_FRAME_MAX, Token};
use super::heights::Heights;
use super::proof::{Salts, token};
use super::summary::{Mark, mark};
use crate::access::{DocumentKeys, TopicId};
use crate::identity::AuthorId;

/// Offers are padded to a multiple of this.
const OFFER_PADDING: usize = 16;
/// Most tokens taken from one peer over the life of a connection.
const TOKENS_MAX: usize = 1 << 17;

/// The peer broke the rules of the control stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MatchingError {
    #[error("the peer offered too much")]
    TooMany,
    #[error("the peer sent a frame that does not belong here")]
    Unexpected,
}

/// The talk of one connection about common documents.
pub(crate) struct Matching {
    own: AuthorId,
    remote: AuthorId,
    salts: Salts,
    /// The token that the remote side would use, for each document here.
    by_remote_token: HashMap<Token, TopicId>,
    tokens: HashMap<TopicId, Tokens>,
    common: HashSet<TopicId>,
    tokens_seen: usize,
}

/// How the two sides call a document.
struct Tokens {
    own: Token,
    remote: Token,
}

/// What follows from a frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Matched {
    pub(crate) answer: Option<Frame>,
    /// Documents that turned out to be common.
    pub(crate) topics: Vec<TopicId>,
}

impl Matching {
    pub(crate) fn new(own: AuthorId, remote: AuthorId, salts: Salts) -> Self {
        Self {
            own,
            remote,
            salts,
            by_remote_token: HashMap::new(),
            tokens: HashMap::new(),
            common: HashSet::new(),
            tokens_seen: 0,
        }
    }

    /// Makes documents known that are held here. The first time on the listening side nothing is
    /// to be offered: the dialling side speaks first.
    pub(crate) fn add(&mut self, documents: &[DocumentKeys]) -> Vec<TopicId> {
        let mut added = Vec::new();
        for keys in documents {
            if self.knows(&keys.topic()) {
                continue;
            }
            let tokens = Tokens {
                own: token(keys, &self.salts, &self.own),
                remote: token(keys, &self.salts, &self.remote),
            };
            self.by_remote_token.insert(tokens.remote, keys.topic());
            self.tokens.insert(keys.topic(), tokens);
            added.push(keys.topic());
        }
        added
    }

    /// Whether a document was made known.
    pub(crate) fn knows(&self, topic: &TopicId) -> bool {
        self.tokens.contains_key(topic)
    }

    /// The peer does not take part in a document any more. `None` where it never did.
    pub(crate) fn gone(&mut self, remote_token: &Token) -> Option<TopicId> {
        let topic = self.topic_of(remote_token)?;
        self.common.remove(&topic).then_some(topic)
    }

    /// Our own token for a document that is common.
    pub(crate) fn common_token_of(&self, topic: &TopicId) -> Option<Token> {
        let is_common = self.common.contains(topic);
        is_common.then(|| self.token_of(topic)).flatten()
    }

    /// Forgets a document.
    pub(crate) fn remove(&mut self, topic: &TopicId) {
        self.common.remove(topic);
        if let Some(tokens) = self.tokens.remove(topic) {
            self.by_remote_token.remove(&tokens.remote);
        }
    }

    /// Frames that offer `topics`, padded with tokens drawn from `random`.
    pub(crate) fn offer(
        &self,
        topics: &[TopicId],
        mut random: impl FnMut() -> Token,
    ) -> Vec<Frame> {
        let mut tokens: Vec<Token> = topics
            .iter()
            .filter_map(|topic| self.token_of(topic))
            .collect();
        while tokens.is_empty() || !tokens.len().is_multiple_of(OFFER_PADDING) {
            tokens.push(random());
        }
        // In the order of their bytes the padding cannot be told from the rest.
        tokens.sort_unstable();
        tokens
            .chunks(TOKENS_PER_FRAME_MAX)
            .map(|tokens| Frame::Offer {
                tokens: tokens.to_vec(),
            })
            .collect()
    }

    /// Takes a frame of the peer.
    pub(crate) fn receive(&mut self, frame: Frame) -> Result<Matched, MatchingError> {
        let (tokens, is_offer) = match frame {
            Frame::Offer { tokens } => (tokens, true),
            Frame::Match { tokens } => (tokens, false),
            _ => return Err(MatchingError::Unexpected),
        };
        self.tokens_seen += tokens.len();
        if self.tokens_seen > TOKENS_MAX {
            return Err(MatchingError::TooMany);
        }
        let shared: Vec<TopicId> = tokens
            .iter()
            .filter_map(|token| self.by_remote_token.get(token).copied())
            .collect();
        let answer = is_offer.then(|| Frame::Match {
            tokens: shared
                .iter()
                .filter_map(|topic| self.token_of(topic))
                .collect(),
        });
        // What is offered again was forgotten there meanwhile, and is begun anew.
        let topics = shared
            .into_iter()
            .filter(|topic| self.common.insert(*topic) || is_offer)
            .collect();
        Ok(Matched { answer, topics })
    }

    /// The document that the remote side means by a token.
    pub(crate) fn topic_of(&self, remote_token: &Token) -> Option<TopicId> {
        self.by_remote_token.get(remote_token).copied()
    }

    /// The common document that the remote side means by a token.
    pub(crate) fn common_topic_of(&self, remote_token: &Token) -> Option<TopicId> {
        let topic = self.topic_of(remote_token)?;
        self.common.contains(&topic).then_some(topic)
    }

    /// The mark by which this side says what it holds of a document.
    pub(crate) fn own_mark(&self, keys: &DocumentKeys, heights: &Heights) -> Mark {
        mark(keys, &self.salts, &self.own, heights)
    }

    /// The mark of the remote side if it holds the same.
    pub(crate) fn equal_mark(&self, keys: &DocumentKeys, heights: &Heights) -> Mark {
        mark(keys, &self.salts, &self.remote, heights)
    }

    /// Our own token for a document.
    pub(crate) fn token_of(&self, topic: &TopicId) -> Option<Token> {
        self.tokens.get(topic).map(|tokens| tokens.own)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::DocumentSecret;
    use crate::identity::AuthorKey;

    fn pair() -> (Matching, Matching) {
        let (alice, bob) = (AuthorKey::generate().id(), AuthorKey::generate().id());
        let salts = Salts {
            dialer: [1; 16],
            listener: [2; 16],
        };
        (
            Matching::new(alice, bob, salts),
            Matching::new(bob, alice, salts),
        )
    }

    fn document() -> DocumentKeys {
        DocumentKeys::for_writing(DocumentSecret::generate())
    }

    #[test]
    fn both_learn_of_common_documents_and_of_no_others() {
        let (mut alice, mut bob) = pair();
        let (common, hers, his) = (document(), document(), document());
        let offered = alice.add(&[common.clone(), hers]);
        bob.add(&[his, common.clone()]);
        let mut frames = alice.offer(&offered, crate::random::array);
        assert_eq!(frames.len(), 1);
        let Frame::Offer { tokens } = &frames[0] else {
            panic!()
        };
        assert_eq!(tokens.len(), OFFER_PADDING);
        let at_bob = bob.receive(frames.remove(0)).unwrap();
        assert_eq!(at_bob.topics, [common.topic()]);
        let at_alice = alice.receive(at_bob.answer.unwrap()).unwrap();
        assert_eq!(at_alice.topics, [common.topic()]);
        assert_eq!(
            bob.topic_of(&alice.token_of(&common.topic()).unwrap()),
            Some(common.topic())
        );
    }

    #[test]
    fn a_stranger_who_offers_gets_an_empty_answer() {
        let (mut alice, mut bob) = pair();
        let offered = alice.add(&[document()]);
        bob.add(&[document()]);
        let frame = alice.offer(&offered, crate::random::array).remove(0);
        let answer = bob.receive(frame).unwrap();
        assert_eq!(answer.answer, Some(Frame::Match { tokens: vec![] }));
        assert!(answer.topics.is_empty());
    }

    #[test]
    fn a_token_sent_back_matches_nothing() {
        let (mut alice, mut bob) = pair();
        let offered = alice.add(&[document()]);
        let Frame::Offer { tokens } = alice.offer(&offered, crate::random::array).remove(0) else {
            panic!()
        };
        bob.add(&[]);
        assert!(
            alice
                .receive(Frame::Match { tokens })
                .unwrap()
                .topics
                .is_empty()
        );
    }

    #[test]
    fn endless_offers_are_cut_off() {
        let (_, mut bob) = pair();
        let flood = Frame::Offer {
            tokens: vec![[0; 16]; TOKENS_PER_FRAME_MAX],
        };
        let refused =
            (0..=TOKENS_MAX / TOKENS_PER_FRAME_MAX).find_map(|_| bob.receive(flood.clone()).err());
        assert_eq!(refused, Some(MatchingError::TooMany));
    }
}
