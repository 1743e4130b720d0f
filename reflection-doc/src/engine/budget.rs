// SPDX-License-Identifier: GPL-3.0-or-later
//! What a blob of the CRDT would expand to, found out before the CRDT is let at it.
//!
//! Its columns say in a few bytes that something comes a thousand million times, its lists say how
//! much is to be reserved for them, and a snapshot is compressed. So the columns are walked without
//! making anything of them, and what would cost more than these bounds is refused, as is what no
//! engine here writes: trees, lists, styles.
//!
//! Invariant: nothing here reserves or copies by a number that a blob says.

use serde_columnar::{AnyRleDecoder, BoolRleDecoder};

use super::span::{HEADER_BYTES, MALFORMED, blocks, leb128};

/// Insertions, deletions and entries in a blob. Whoever applies them spends some 750 bytes on each.
pub(super) const STEPS_MAX: usize = 100_000;
/// Changes in a blob: steps that were made without hearing of others in between.
const CHANGES_MAX: usize = 50_000;
/// What the changes in a blob build upon, other than on those of the same author.
const DEPENDENCIES_MAX: usize = 100_000;
/// Texts and maps that a blob writes to, counted in each of its blocks.
const CONTAINERS_MAX: usize = 1 << 14;
/// Values within lists and maps within entries.
const VALUES_MAX: usize = 1 << 16;
/// How deep these are nested; they are taken down by recursion.
const DEPTH_MAX: usize = 8;
/// Bytes of the names of fields, which are copied for each value.
const NAME_BYTES_MAX: usize = 8 << 20;

/// How a blob says that it holds updates.
const MODE_UPDATES: [u8; 2] = [0, 4];
/// Where it says so.
const MODE: std::ops::Range<usize> = HEADER_BYTES - 2..HEADER_BYTES;

/// Kinds of what a step carries.
mod step {
    pub(super) const TEXT: u8 = 5;
    pub(super) const DELETE_ENTRY: u8 = 8;
    pub(super) const DELETE_TEXT: u8 = 9;
    pub(super) const ENTRY: u8 = 11;
    /// The CRDT looks at the other bits only.
    pub(super) const MASK: u8 = 0x7f;
}

/// Kinds of what an entry holds.
mod value {
    pub(super) const INTEGER: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const BYTES: u8 = 5;
    pub(super) const TEXT: u8 = 6;
    pub(super) const LIST: u8 = 7;
    pub(super) const MAP: u8 = 8;
}

const TOO_MUCH: &str = "the contents would expand to too much";
const UNKNOWN: &str = "the contents are of an unknown kind";

type Checked<T> = Result<T, &'static str>;

/// Whether a blob of updates stays within the bounds.
pub(super) fn check(updates: &[u8]) -> Checked<()> {
    steps(updates).map(drop)
}

/// How many steps a blob of updates holds that stays within the bounds.
pub(super) fn steps(updates: &[u8]) -> Checked<usize> {
    if updates.get(MODE) != Some(&MODE_UPDATES) {
        return Err("the contents are not updates");
    }
    let mut spent = Spent::default();
    blocks(updates)?
        .into_iter()
        .try_for_each(|block| spent.block(block))?;
    Ok(spent.steps)
}

/// What the blocks so far expand to.
#[derive(Default)]
struct Spent {
    steps: usize,
    starts: usize,
    changes: usize,
    dependencies: usize,
    containers: usize,
    values: usize,
    name_bytes: usize,
}

impl Spent {
    fn block(&mut self, block: &[u8]) -> Checked<()> {
        let mut block = Reader(block);
        // Its length, the author's counters, and the time by the logical clock.
        for _ in 0..5 {
            block.number()?;
        }
        let changes = block.number()?;
        spend(&mut self.changes, changes, CHANGES_MAX)?;
        self.header(Reader(block.bytes()?), changes)?;
        // Times and messages: one of each for each change.
        block.bytes()?;
        self.containers(Reader(block.bytes()?))?;
        let names = names(Reader(block.bytes()?))?;
        if !block.bytes()?.is_empty() {
            return Err(UNKNOWN);
        }
        let steps = Reader(block.bytes()?);
        self.starts(Reader(block.bytes()?))?;
        self.steps(steps, Reader(block.bytes()?), &names)
    }

    /// What the changes build upon.
    fn header(&mut self, mut header: Reader<'_>, changes: usize) -> Checked<()> {
        let peers = header.number()?.checked_mul(8).ok_or(MALFORMED)?;
        header.take(peers)?;
        for _ in 1..changes {
            header.number()?;
        }
        let (_, rest) = BoolRleDecoder::new(header.0)
            .take_n_finalize(changes)
            .map_err(|_| MALFORMED)?;
        let (dependencies, _) = AnyRleDecoder::<usize>::new(rest)
            .take_n_finalize(changes)
            .map_err(|_| MALFORMED)?;
        dependencies
            .into_iter()
            .try_for_each(|count| spend(&mut self.dependencies, count, DEPENDENCIES_MAX))
    }

    /// Texts and maps, one after the other.
    fn containers(&mut self, mut containers: Reader<'_>) -> Checked<()> {
        spend(&mut self.containers, containers.number()?, CONTAINERS_MAX)
    }

    /// Where what is deleted began.
    fn starts(&mut self, starts: Reader<'_>) -> Checked<()> {
        if starts.0.is_empty() {
            return Ok(());
        }
        let before = self.starts;
        for column in starts.columns::<3>()? {
            let mut spent = before;
            let mut runs = AnyRleDecoder::<i128>::new(column);
            while runs.try_next().map_err(|_| MALFORMED)?.is_some() {
                spend(&mut spent, 1, STEPS_MAX)?;
            }
            self.starts = self.starts.max(spent);
        }
        Ok(())
    }

    fn steps(&mut self, steps: Reader<'_>, mut values: Reader<'_>, names: &[usize]) -> Checked<()> {
        let [_, _, kinds, _] = steps.columns::<4>()?;
        let mut kinds = AnyRleDecoder::<u8>::new(kinds);
        while let Some(kind) = kinds.try_next().map_err(|_| MALFORMED)? {
            spend(&mut self.steps, 1, STEPS_MAX)?;
            match kind & step::MASK {
                step::TEXT => {
                    values.bytes()?;
                }
                step::DELETE_ENTRY | step::DELETE_TEXT => {}
                step::ENTRY => self.value(&mut values, names, 0)?,
                _ => return Err(UNKNOWN),
            }
        }
        Ok(())
    }

    fn value(&mut self, values: &mut Reader<'_>, names: &[usize], depth: usize) -> Checked<()> {
        if depth > DEPTH_MAX {
            return Err(TOO_MUCH);
        }
        match values.byte()? {
            // Nothing, true, false.
            0..=2 => {}
            value::INTEGER => values.skip_number()?,
            value::FLOAT => {
                values.take(8)?;
            }
            value::BYTES | value::TEXT => {
                values.bytes()?;
            }
            value::LIST => {
                let length = values.number()?;
                spend(&mut self.values, length, VALUES_MAX)?;
                for _ in 0..length {
                    self.value(values, names, depth + 1)?;
                }
            }
            value::MAP => {
                let length = values.number()?;
                spend(&mut self.values, length, VALUES_MAX)?;
                for _ in 0..length {
                    let name = names.get(values.number()?).ok_or(MALFORMED)?;
                    spend(&mut self.name_bytes, *name, NAME_BYTES_MAX)?;
                    self.value(values, names, depth + 1)?;
                }
            }
            _ => return Err(UNKNOWN),
        }
        Ok(())
    }
}

fn spend(spent: &mut usize, more: usize, most: usize) -> Checked<()> {
    *spent = spent.saturating_add(more);
    if *spent > most {
        return Err(TOO_MUCH);
    }
    Ok(())
}

/// How long the names in a block are.
fn names(mut names: Reader<'_>) -> Checked<Vec<usize>> {
    let mut lengths = Vec::new();
    while !names.0.is_empty() {
        lengths.push(names.bytes()?.len());
    }
    Ok(lengths)
}

/// Bytes that are taken from the front.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Checked<u8> {
        let (&byte, rest) = self.0.split_first().ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(byte)
    }

    fn take(&mut self, count: usize) -> Checked<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Checked<usize> {
        let (number, length) = leb128(self.0).ok_or(MALFORMED)?;
        self.take(length)?;
        Ok(number)
    }

    fn skip_number(&mut self) -> Checked<()> {
        while self.byte()? & 0x80 != 0 {}
        Ok(())
    }

    fn bytes(&mut self) -> Checked<&'a [u8]> {
        let length = self.number()?;
        self.take(length)
    }

    /// The columns of the one table that this is.
    fn columns<const COUNT: usize>(mut self) -> Checked<[&'a [u8]; COUNT]> {
        if self.number()? != 1 || self.number()? != COUNT {
            return Err(MALFORMED);
        }
        let mut columns = [self.0; COUNT];
        for column in &mut columns {
            *column = self.bytes()?;
        }
        Ok(columns)
    }
}

#[cfg(test)]
mod tests;
