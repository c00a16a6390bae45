//! Tables of many columns, worked on in blocks of columns.

use std::ops::Range;

/// Columns of a block. A block of a hundred rows then has 200 kB, which stays in a processor's
/// second-level cache whatever the number of columns. Not compared with other sizes.
pub const COLUMN_BLOCK: usize = 256;

/// The columns 0..count in blocks.
pub fn column_blocks(count: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    (0..count).step_by(COLUMN_BLOCK).map(move |start| start..(start + COLUMN_BLOCK).min(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_all_columns_once() {
        for count in [0, 1, COLUMN_BLOCK, 3 * COLUMN_BLOCK + 7] {
            assert!(column_blocks(count).flatten().eq(0..count));
            assert!(column_blocks(count).all(|block| (1..=COLUMN_BLOCK).contains(&block.len())));
        }
    }
}
