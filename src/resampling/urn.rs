//! How often each of many cells is drawn when n rows are drawn with replacement, without drawing them one by
//! one.
//!
//! Independent Poisson counts, given their sum N, are N draws. So each cell gets a Poisson count whose mean
//! is its share of a little less than n, and the n - N that are then missing are drawn one by one (where
//! N came out above n, all is drawn anew; N is independent of how the N are shared out). The Poisson
//! scheme is the first half alone, with the cells' own sizes for means.

use crate::resampling::stream::Stream;
use crate::units::tally::Whole;

/// Deviations of N that its mean stays under n: one replicate in 30,000 comes out above.
const MARGIN: f64 = 4.0;

/// Sizes are made up of powers of two, each of them a Poisson number of its own; this is the largest.
const LARGEST_POWER: usize = 6;

/// Cells of known sizes, ready to be drawn from.
#[derive(Debug, Clone)]
pub struct Urn {
    n_cells: usize,
    parts: Vec<Part>,
    /// The cell of each row, the cells one after the other; `None` where each is a cell.
    owners: Option<Vec<u32>>,
    /// How many the counts add up to; `None` for counts that are free.
    n_drawn: Option<usize>,
    /// The most rows a cell holds.
    largest: u32,
}

/// In cells of at most this many rows no count comes near 255: the chance is under 1e-60.
const LARGEST_FOR_A_BYTE: u32 = 64;

/// Cells that each get a Poisson number of the same mean.
#[derive(Debug, Clone)]
struct Part {
    table: PoissonTable,
    /// `None` for all.
    cells: Option<Vec<u32>>,
}

impl Urn {
    /// Of n cells of one row each.
    #[must_use]
    pub fn of_rows(n_rows: usize, fixed_sum: bool) -> Self {
        let rate = rate(n_rows, fixed_sum);
        let part = (rate > 0.0).then(|| Part { table: PoissonTable::new(rate), cells: None });
        Self {
            n_cells: n_rows,
            parts: part.into_iter().collect(),
            owners: None,
            n_drawn: fixed_sum.then_some(n_rows),
            largest: 1,
        }
    }

    /// Of cells that hold as many rows as `sizes` says, at least one each; they take their random numbers
    /// in the order `order`.
    #[must_use]
    pub fn of_cells(sizes: &[u32], order: &[u32], fixed_sum: bool) -> Self {
        let n_rows = sizes.iter().map(|size| *size as usize).sum();
        let rate = rate(n_rows, fixed_sum);
        let numbered = || order.iter().map(|cell| (*cell, sizes[*cell as usize]));
        let owners = || {
            let mut owners = Vec::with_capacity(n_rows);
            for (cell, size) in numbered() {
                owners.extend(std::iter::repeat_n(cell, size as usize));
            }
            owners
        };
        let (parts, owners) = rayon::join(|| parts(numbered(), rate), || fixed_sum.then(owners));
        Self {
            n_cells: sizes.len(),
            parts,
            owners,
            n_drawn: fixed_sum.then_some(n_rows),
            largest: sizes.iter().copied().max().unwrap_or(0),
        }
    }

    /// Whether counts fit into bytes.
    #[must_use]
    pub fn fits_bytes(&self) -> bool {
        self.largest <= LARGEST_FOR_A_BYTE
    }

    #[must_use]
    pub fn n_cells(&self) -> usize {
        self.n_cells
    }

    /// Fill `counts` with how often each cell is drawn.
    pub fn draw<W: Whole>(&self, stream: &mut Stream, counts: &mut [W]) {
        loop {
            counts.fill(W::default());
            let poisson: usize = self.parts.iter().map(|part| part.draw(stream, counts)).sum();
            let Some(missing) = self.n_drawn.unwrap_or(poisson).checked_sub(poisson) else {
                continue;
            };
            for _ in 0..missing {
                let row = stream.below(self.n_drawn.unwrap_or(0));
                let cell = self.owners.as_ref().map_or(row, |owners| owners[row] as usize);
                counts[cell] = counts[cell].plus(1);
            }
            return;
        }
    }
}

/// Cells and their sizes by the powers of two that sizes are made of.
fn parts(cells: impl Iterator<Item = (u32, u32)>, rate: f64) -> Vec<Part> {
    let mut of_power: [Vec<u32>; LARGEST_POWER + 1] = Default::default();
    for (cell, size) in cells {
        for (power, cells) in of_power[..LARGEST_POWER].iter_mut().enumerate() {
            if size >> power & 1 == 1 {
                cells.push(cell);
            }
        }
        let times = (size >> LARGEST_POWER) as usize;
        of_power[LARGEST_POWER].extend(std::iter::repeat_n(cell, times));
    }
    let parts = of_power.into_iter().enumerate().map(|(power, cells)| {
        let table = || PoissonTable::new(f64::from(1_u32 << power) * rate);
        (!cells.is_empty() && rate > 0.0).then(|| Part { table: table(), cells: Some(cells) })
    });
    parts.flatten().collect()
}

/// The mean of the Poisson number of a row: little enough under 1 for their sum to stay under n.
fn rate(n_rows: usize, fixed_sum: bool) -> f64 {
    if fixed_sum { 1.0 - MARGIN / (n_rows as f64).sqrt() } else { 1.0 }
}

impl Part {
    /// Add a number to each cell's count; gives their sum.
    fn draw<W: Whole>(&self, stream: &mut Stream, counts: &mut [W]) -> usize {
        // No sum exceeds 64 times the cells' rows, which fit: nothing to check in the inner loop.
        let mut sum = 0_u32;
        let mut own = stream.clone();
        match &self.cells {
            None => {
                for group in counts.chunks_mut(DIGITS) {
                    for (count, number) in
                        group.iter_mut().zip(self.table.numbers(&mut own, DIGITS))
                    {
                        *count = count.plus(number);
                        sum = sum.wrapping_add(number);
                    }
                }
            }
            Some(cells) => {
                let (groups, rest) = cells.as_chunks::<DIGITS>();
                let mut add = |cells: &[u32], numbers: &[u32]| {
                    for (cell, number) in cells.iter().zip(numbers) {
                        let count = &mut counts[*cell as usize];
                        *count = count.plus(*number);
                    }
                    sum = sum.wrapping_add(total(numbers));
                };
                for group in groups {
                    add(group, &self.table.numbers(&mut own, DIGITS));
                }
                if !rest.is_empty() {
                    add(rest, &self.table.numbers(&mut own, rest.len())[..rest.len()]);
                }
            }
        }
        *stream = own;
        sum as usize
    }
}

/// Five numbers are read off one draw of 64 bits, 12 bits each; where these do not settle a number, 52 more
/// are drawn.
const DIGIT_BITS: u32 = 12;
const DIGITS: usize = 5;

/// Poisson numbers of one mean by inversion, looked up by their first digit.
#[derive(Debug, Clone)]
struct PoissonTable {
    /// 2^64 times the chances of at most 0, 1, 2, ...
    chances: Vec<u64>,
    /// What each first digit stands for, or `UNSETTLED`.
    settled: Box<[u16; 1 << DIGIT_BITS]>,
}

/// More than five numbers come to, whose mean is up to 64: a sum shows whether all of them are settled.
const UNSETTLED: u16 = 1 << 15;

/// No number this large comes of a mean up to 64.
const TOO_LARGE: usize = 255;

impl PoissonTable {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, as it should
    fn new(mean: f64) -> Self {
        const ALL: f64 = 18_446_744_073_709_551_616.0; // 2^64
        let (mut chances, mut term, mut sum) = (Vec::new(), (-mean).exp(), 0.0);
        while chances.last() != Some(&u64::MAX) && chances.len() < TOO_LARGE {
            sum += term;
            chances.push((sum * ALL) as u64);
            term *= mean / chances.len() as f64;
            if term < f64::EPSILON / 1e3 && sum > 0.5 {
                chances.push(u64::MAX);
            }
        }
        let mut settled = Box::new([UNSETTLED; 1 << DIGIT_BITS]);
        let mut low = 0_u64;
        for (number, chance) in chances.iter().enumerate() {
            // Digits that stand for uniform numbers from the last chance up to this one, and no others.
            let first = low.div_ceil(1_u64 << (64 - DIGIT_BITS)) as usize;
            let beyond = (chance >> (64 - DIGIT_BITS)) as usize;
            if first < beyond {
                settled[first..beyond].fill(number as u16);
            }
            low = *chance;
        }
        Self { chances, settled }
    }

    /// How many chances lie at or below a uniform number.
    fn invert(&self, uniform: u64) -> usize {
        self.chances.partition_point(|chance| *chance <= uniform)
    }

    /// So many numbers, up to [`DIGITS`], of one draw and perhaps more; it pays to look at all of them before
    /// any is asked whether it is settled.
    #[inline]
    fn numbers(&self, stream: &mut Stream, n: usize) -> [u32; DIGITS] {
        let bits = stream.bits();
        let numbers = std::array::from_fn(|k| u32::from(self.settled[digit(bits, k)]));
        if total(&numbers) < UNSETTLED.into() {
            return numbers;
        }
        let (settled, after) = self.settle(numbers, bits, n, stream.clone());
        *stream = after;
        settled
    }

    /// Draw what settles the first n numbers. Apart, and with a stream of its own, so that the loop around
    /// [`Self::numbers`] keeps its stream in registers: from one draw to the next it would wait for the memory.
    #[cold]
    #[inline(never)]
    #[allow(clippy::cast_possible_truncation)] // small numbers
    fn settle(
        &self,
        mut numbers: [u32; DIGITS],
        bits: u64,
        n: usize,
        mut stream: Stream,
    ) -> ([u32; DIGITS], Stream) {
        for (k, number) in numbers.iter_mut().enumerate().take(n) {
            if *number == u32::from(UNSETTLED) {
                let first = (digit(bits, k) as u64) << (64 - DIGIT_BITS);
                *number = self.invert(first | stream.bits() >> DIGIT_BITS) as u32;
            }
        }
        (numbers, stream)
    }
}

/// The sum of a few small numbers.
#[inline]
fn total(numbers: &[u32]) -> u32 {
    numbers.iter().fold(0, |sum, number| sum.wrapping_add(*number))
}

/// The k-th digit of a draw, from the lowest.
#[inline]
#[allow(clippy::cast_possible_truncation)] // 12 bits
fn digit(bits: u64, k: usize) -> usize {
    (bits >> (k as u32 * DIGIT_BITS)) as usize & ((1 << DIGIT_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of the counts of each cell over many draws, and the covariance of the first two.
    fn moments(urn: &Urn, n_draws: usize) -> (Vec<[f64; 2]>, f64) {
        let mut counts = vec![0_u32; urn.n_cells()];
        let mut sums = vec![[0.0; 2]; urn.n_cells()];
        let mut product = 0.0;
        for replicate in 0..n_draws {
            urn.draw(&mut Stream::new(5, replicate), &mut counts);
            for (sums, count) in sums.iter_mut().zip(&counts) {
                let count = f64::from(*count);
                *sums = [sums[0] + count, sums[1] + count * count];
            }
            product += f64::from(counts[0]) * f64::from(counts[1]);
        }
        let n = n_draws as f64;
        let each = sums.iter().map(|[sum, squares]| [sum / n, squares / n - (sum / n).powi(2)]);
        (each.collect(), product / n - sums[0][0] * sums[1][0] / (n * n))
    }

    #[test]
    fn draw_has_the_moments_of_the_multinomial() {
        let sizes = [300, 70, 1, 2, 3, 5, 64, 155];
        let (n_draws, n) = (40_000, 600.0);
        let (found, covariance) =
            moments(&Urn::of_cells(&sizes, &[7, 1, 2, 3, 0, 5, 6, 4], true), n_draws);
        for (size, [mean, variance]) in sizes.into_iter().zip(found) {
            let expected = f64::from(size) * (1.0 - f64::from(size) / n);
            assert!((mean - f64::from(size)).abs() < 5.0 * (expected / n_draws as f64).sqrt());
            assert!((variance / expected - 1.0).abs() < 0.06, "{size}: {variance} {expected}");
        }
        assert!((covariance / (-300.0 * 70.0 / n) - 1.0).abs() < 0.06, "{covariance}");
    }

    #[test]
    fn draw_adds_up_to_the_rows_for_few_cells_and_many() {
        for n in [1, 2, 15, 16, 17, 40, 5000] {
            let urn = Urn::of_rows(n, true);
            let mut counts = vec![9_u8; n];
            for replicate in 0..20 {
                urn.draw(&mut Stream::new(1, replicate), &mut counts);
                assert_eq!(counts.iter().map(|count| usize::from(*count)).sum::<usize>(), n);
            }
        }
    }

    #[test]
    fn draw_without_a_fixed_sum_is_poisson() {
        let sizes = [1, 64, 130, 5];
        let (found, covariance) = moments(&Urn::of_cells(&sizes, &[0, 1, 2, 3], false), 40_000);
        for (size, [mean, variance]) in sizes.into_iter().zip(found) {
            let expected = f64::from(size);
            assert!((mean - expected).abs() < 5.0 * (expected / 40_000.0).sqrt());
            assert!((variance / expected - 1.0).abs() < 0.06);
        }
        assert!(covariance.abs() < 0.2);
    }

    #[test]
    fn table_gives_the_chances_of_the_formula() {
        for mean in [0.3, 1.0, 7.5, 64.0] {
            let table = PoissonTable::new(mean);
            let (mut sum, mut log_term) = (0.0, -mean);
            for (k, chance) in table.chances.iter().enumerate() {
                sum += log_term.exp();
                assert!((*chance as f64 / 2.0_f64.powi(64) - sum).abs() < 1e-13, "{mean} {k}");
                log_term += mean.ln() - ((k + 1) as f64).ln();
            }
            for digit in 0..1_u64 << DIGIT_BITS {
                let first = digit << (64 - DIGIT_BITS);
                let settled = table.settled[usize::try_from(digit).unwrap()];
                if settled != UNSETTLED {
                    for uniform in [first, first | 0xabcd, first | (u64::MAX >> DIGIT_BITS)] {
                        assert_eq!(table.invert(uniform), usize::from(settled));
                    }
                }
            }
        }
    }
}
