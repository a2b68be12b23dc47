//! Columns of narrow types as float64.

use super::instructions::dispatched;

dispatched!(
    /// Of float32.
    pub fn widen_singles<'a>(values: &'a [f32], into: &'a mut [f64]) -> (),
    |_| into.iter_mut().zip(values).for_each(|(slot, value)| *slot = f64::from(*value))
);
dispatched!(
    /// Of whole numbers, the nearest.
    pub fn widen_whole<'a>(values: &'a [i64], into: &'a mut [f64]) -> (),
    |_| {
        #[allow(clippy::cast_precision_loss)] // as NumPy converts them
        into.iter_mut().zip(values).for_each(|(slot, value)| *slot = *value as f64);
    }
);
dispatched!(
    /// Of zeros and ones.
    pub fn widen_flags<'a>(values: &'a [u8], into: &'a mut [f64]) -> (),
    |_| into.iter_mut().zip(values).for_each(|(slot, value)| *slot = f64::from(*value))
);
dispatched!(
    /// One where a code is this, and zero elsewhere.
    pub fn widen_level<'a>(codes: &'a [i8], level: i8, into: &'a mut [f64]) -> (),
    |_| {
        for (slot, code) in into.iter_mut().zip(codes) {
            *slot = if *code == level { 1.0 } else { 0.0 };
        }
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    /// More than a vector of any instruction set, and not a whole number of them.
    const N: i8 = 37;

    fn filled(fill: impl Fn(&mut [f64])) -> Vec<f64> {
        let mut values = vec![f64::NAN; (0..N).len()];
        fill(&mut values);
        values
    }

    #[test]
    fn narrow_columns_become_the_numbers_that_they_are() {
        let codes: Vec<i8> = (0..N).map(|row| row * 3 % 11 - 4).collect();
        let expected: Vec<f64> = codes.iter().map(|code| f64::from(*code) / 4.0).collect();
        let singles: Vec<f32> = codes.iter().map(|code| f32::from(*code) / 4.0).collect();
        assert_eq!(filled(|into| widen_singles(&singles, into)), expected);
        let whole: Vec<i64> = codes.iter().map(|code| i64::from(*code) << 40).collect();
        let expected: Vec<f64> =
            codes.iter().map(|code| f64::from(*code) * 2_f64.powi(40)).collect();
        assert_eq!(filled(|into| widen_whole(&whole, into)), expected);
        let flags: Vec<u8> = codes.iter().map(|code| u8::from(*code == -4)).collect();
        let expected: Vec<f64> = flags.iter().map(|flag| f64::from(*flag)).collect();
        assert_eq!(filled(|into| widen_flags(&flags, into)), expected);
        assert_eq!(filled(|into| widen_level(&codes, -4, into)), expected);
        assert!(flags.contains(&1) && flags.contains(&0));
    }
}
