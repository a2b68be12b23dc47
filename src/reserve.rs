//! Room asked for before the work begins. A vector that cannot grow ends the process; a call that first
//! asks for all it will need ends in an error instead.

use crate::error::{Error, Result};

/// Whether `bytes` of memory can be had, in one piece, right now. They are given back at once: what
/// follows takes no more than these.
///
/// # Errors
/// [`Error::Memory`] with the bytes.
pub fn room(bytes: usize) -> Result<()> {
    let mut piece: Vec<u8> = Vec::new();
    piece.try_reserve_exact(bytes).map_err(|_| Error::Memory { bytes })
}

/// Whether `bytes` for each of `n` items can be had; a product too large for a number is too large for
/// the memory.
///
/// # Errors
/// [`Error::Memory`] with the bytes.
pub fn room_for(n: usize, bytes: usize) -> Result<()> {
    room(n.saturating_mul(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_says_how_much_cannot_be_had() {
        assert_eq!(room_for(1_000, 8), Ok(()));
        let bytes = usize::MAX;
        assert_eq!(room_for(usize::MAX, 8), Err(Error::Memory { bytes }));
    }
}
