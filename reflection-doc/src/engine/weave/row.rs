// SPDX-License-Identifier: GPL-3.0-or-later
//! Letters in a row, in blocks: found by position and by name, and put in anywhere.

use std::cmp::Ordering;

use super::{NONE, Place};

/// Letters in a block before it is split.
const BLOCK_MAX: usize = 512;

#[derive(Debug, Default)]
struct Block {
    letters: Vec<Place>,
    /// How many of them are there in the version that is gone through.
    count: usize,
    /// Its own name, which it keeps when others come before it.
    name: usize,
}

#[derive(Debug, Default)]
pub(super) struct Row {
    blocks: Vec<Block>,
    /// Where each block stands, by name.
    standing: Vec<usize>,
    /// In which block each letter is, by name.
    block_of: Vec<usize>,
    /// Which letters are there in the version that is gone through.
    is_there: Vec<bool>,
}

impl Row {
    /// Puts the first letter in, which counts as no position.
    pub(super) fn push(&mut self, place: Place) {
        self.blocks.push(Block {
            letters: vec![place],
            count: 0,
            name: 0,
        });
        self.standing.push(0);
        self.block_of.push(0);
        self.is_there.push(false);
    }

    /// Puts a letter, the next one that was met, behind another one; it is there.
    pub(super) fn insert(&mut self, before: Place, place: Place) {
        let (index, at) = self.next(before);
        let block = &mut self.blocks[index];
        block.letters.insert(at, place);
        block.count += 1;
        self.block_of.push(block.name);
        self.is_there.push(true);
        if block.letters.len() > BLOCK_MAX {
            self.split(index);
        }
    }

    fn split(&mut self, index: usize) {
        let name = self.standing.len();
        let block = &mut self.blocks[index];
        let letters = block.letters.split_off(block.letters.len() / 2);
        let is_there = |place: &&Place| self.is_there[**place as usize];
        let count = letters.iter().filter(is_there).count();
        block.count -= count;
        for place in &letters {
            self.block_of[*place as usize] = name;
        }
        self.blocks.insert(
            index + 1,
            Block {
                letters,
                count,
                name,
            },
        );
        self.standing.push(0);
        for (index, block) in self.blocks.iter().enumerate().skip(index + 1) {
            self.standing[block.name] = index;
        }
    }

    /// Notes that a letter is there now, or is not any more.
    pub(super) fn count(&mut self, place: Place, is_there: bool) {
        self.is_there[place as usize] = is_there;
        let block = &mut self.blocks[self.standing[self.block_of[place as usize]]];
        if is_there {
            block.count += 1;
        } else {
            block.count -= 1;
        }
    }

    /// The letter that is the `count`th of those that are there.
    pub(super) fn nth(&self, mut count: usize) -> Option<Place> {
        let block = self.blocks.iter().find(|block| {
            let is_in = count <= block.count;
            if !is_in {
                count -= block.count;
            }
            is_in
        })?;
        let there = block.letters.iter();
        let mut there = there.filter(|place| self.is_there[**place as usize]);
        there.nth(count.checked_sub(1)?).copied()
    }

    /// Block and index of a letter.
    fn find(&self, place: Place) -> (usize, usize) {
        let index = self.standing[self.block_of[place as usize]];
        let mut letters = self.blocks[index].letters.iter();
        (
            index,
            letters.position(|one| *one == place).unwrap_or_default(),
        )
    }

    /// Where a letter behind another one is put.
    fn next(&self, before: Place) -> (usize, usize) {
        if before == NONE {
            return (0, 0);
        }
        let (index, at) = self.find(before);
        (index, at + 1)
    }

    /// The letters behind another one.
    pub(super) fn behind(&self, before: Place) -> impl Iterator<Item = Place> {
        let (index, at) = self.next(before);
        let (first, rest) = (&self.blocks[index].letters[at..], &self.blocks[index + 1..]);
        let rest = rest.iter().flat_map(|block| &block.letters);
        first.iter().chain(rest).copied()
    }

    pub(super) fn order(&self, one: Place, other: Place) -> Ordering {
        self.find(one).cmp(&self.find(other))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Place> {
        self.blocks.iter().flat_map(|block| &block.letters).copied()
    }
}
