//! Files with holes: GNU's old form, and the map of PAX form 1.0. Source: GNU tar manual, "Storing Sparse Files".

use super::Sparse;
use super::header::{self, Block, Format, Refusal, number};

/// Most pieces of one file; each costs 16 bytes of memory here.
const MAX_PIECES: usize = 1 << 20;

/// The map of an old GNU header: four pieces, and whether blocks with more of them follow.
pub(super) fn old_header(block: &Block) -> Result<(Sparse, bool), Refusal> {
    // Star has the same letter for something else.
    if header::format(block) != Format::Gnu {
        return Err("a sparse file that is not GNU's");
    }
    let mut sparse = Sparse {
        pieces: Vec::new(),
        size: positive(&block[483..495])?,
    };
    add_pieces(&mut sparse.pieces, &block[386..482])?;
    Ok((sparse, block[482] != 0))
}

/// A block with 21 more pieces; whether yet another follows.
pub(super) fn old_extension(block: &Block, sparse: &mut Sparse) -> Result<bool, Refusal> {
    add_pieces(&mut sparse.pieces, &block[..504])?;
    Ok(block[504] != 0)
}

fn add_pieces(pieces: &mut Vec<(u64, u64)>, table: &[u8]) -> Result<(), Refusal> {
    for row in table.chunks_exact(24) {
        // The table ends with the first empty row.
        if row[0] == 0 {
            break;
        }
        if pieces.len() == MAX_PIECES {
            return Err("a sparse file with too many pieces");
        }
        pieces.push((positive(&row[..12])?, positive(&row[12..])?));
    }
    Ok(())
}

fn positive(field: &[u8]) -> Result<u64, Refusal> {
    u64::try_from(number(field)?).map_err(|_| "negative number in a sparse file")
}

/// Pairs up a flat list.
pub(super) fn pairs(numbers: &[u64]) -> Result<Vec<(u64, u64)>, Refusal> {
    if !numbers.len().is_multiple_of(2) || numbers.len() / 2 > MAX_PIECES {
        return Err("malformed map of a sparse file");
    }
    Ok(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// The map at the start of the content in PAX form 1.0: decimal numbers, one a line, the first is the number of pieces.
#[derive(Default)]
pub(super) struct ContentMap {
    numbers: Vec<u64>,
    current: Option<u64>,
}

impl ContentMap {
    /// Takes in one block; the pieces once they are complete.
    pub(super) fn add(&mut self, block: &Block) -> Result<Option<Vec<(u64, u64)>>, Refusal> {
        const BAD: Refusal = "malformed map of a sparse file";
        for &byte in block {
            match byte {
                b'0'..=b'9' => {
                    let value = self.current.unwrap_or(0).checked_mul(10).ok_or(BAD)?;
                    self.current = Some(value.checked_add(u64::from(byte - b'0')).ok_or(BAD)?);
                }
                b'\n' => {
                    self.numbers.push(self.current.take().ok_or(BAD)?);
                    if let Some(&count) = self.numbers.first() {
                        let count = usize::try_from(count)
                            .ok()
                            .filter(|&count| count <= MAX_PIECES)
                            .ok_or(BAD)?;
                        if self.numbers.len() == 1 + 2 * count {
                            return pairs(&self.numbers[1..]).map(Some);
                        }
                    }
                }
                _ => return Err(BAD),
            }
        }
        Ok(None)
    }
}

/// Checks that the pieces ascend, lie within the file, and are what the content holds. Empty pieces are dropped.
pub(super) fn check(sparse: &mut Sparse, content: u64) -> Result<(), Refusal> {
    let (mut end, mut total) = (0_u64, 0_u64);
    for &(offset, length) in &sparse.pieces {
        if offset < end {
            return Err("a sparse file whose pieces overlap");
        }
        end = offset
            .checked_add(length)
            .filter(|&end| end <= sparse.size)
            .ok_or("a sparse file beyond its end")?;
        total += length;
    }
    if total != content {
        return Err("a sparse file whose pieces are not its content");
    }
    sparse.pieces.retain(|(_, length)| *length > 0);
    Ok(())
}
