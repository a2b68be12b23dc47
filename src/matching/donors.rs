//! The rows of one arm that may donate, sorted by value.

use std::ops::Range;

use rayon::prelude::*;

use super::arm::Arm;
use super::grid::{Grid, Keyed, Part, value};
use super::search::{Found, Search};

#[derive(Debug)]
pub struct Donors {
    pub grid: Grid,
    /// Their distinct values, and how many rows share each; no outcomes.
    pub groups: Arm,
    /// The rows of group g are `rows[first_row[g]..first_row[g + 1]]`.
    pub first_row: Vec<u32>,
    /// By value, ties by row number.
    pub rows: Vec<usize>,
    /// The groups of cell c are `first_group[c]..first_group[c + 1]`.
    first_group: Vec<usize>,
}

impl Donors {
    /// Sort the rows for which `is_donor` holds. The order is that of values and row numbers alone,
    /// however many threads there are.
    pub fn new(values: &[f64], is_donor: impl Fn(usize) -> bool + Sync) -> Self {
        let grid = Grid::over(values, &is_donor);
        let parts = grid.drop_rows(values, &is_donor);
        let stretches: Vec<Stretch> =
            grid.stretches().map(|cells| Stretch::new(&parts, cells)).collect();
        let ((value, rows_in_group), (rows, first_row)) = rayon::join(
            || {
                let rows =
                    gathered(&stretches, |stretch| &stretch.rows_in_group[..], |n| f64::from(*n));
                (gathered(&stretches, |stretch| &stretch.value[..], |value| *value), rows)
            },
            || {
                let mut end = 0;
                let mut first_row = vec![0];
                first_row.extend(stretches.iter().flat_map(|s| &s.rows_in_group).map(|rows| {
                    end += rows;
                    end
                }));
                (gathered(&stretches, |stretch| &stretch.rows[..], |row| *row as usize), first_row)
            },
        );
        let mut first_group = Vec::with_capacity(grid.cells + 1);
        first_group.push(0);
        let mut groups = 0;
        for stretch in &stretches {
            first_group.extend(stretch.last_group.iter().map(|last| groups + last));
            groups += stretch.value.len();
        }
        let groups = Arm { value, rows: rows_in_group, outcome: Vec::new() };
        Self { grid, groups, first_row, rows, first_group }
    }

    /// The donors of a value that lies in this cell.
    pub fn find(&self, search: &Search, cell: usize, value: f64) -> Found {
        let (first, last) = (self.first_group[cell], self.first_group[cell + 1]);
        let below = self.groups.value[first..last].partition_point(|donor| *donor < value);
        search.around(value, first + below, &self.groups)
    }
}

/// One list of all stretches, end to end.
fn gathered<'a, A: 'a, B>(
    stretches: &'a [Stretch],
    list: impl Fn(&'a Stretch) -> &'a [A],
    convert: impl Fn(&A) -> B,
) -> Vec<B> {
    let mut all = Vec::with_capacity(stretches.iter().map(|stretch| list(stretch).len()).sum());
    for stretch in stretches {
        all.extend(list(stretch).iter().map(&convert));
    }
    all
}

/// Some neighbouring cells, sorted.
struct Stretch {
    value: Vec<f64>,
    rows_in_group: Vec<u32>,
    rows: Vec<u32>,
    /// Where the groups of each cell end.
    last_group: Vec<usize>,
}

impl Stretch {
    fn new(parts: &[Part], cells: Range<usize>) -> Self {
        let mut stretch = Self {
            value: Vec::new(),
            rows_in_group: Vec::new(),
            rows: Vec::new(),
            last_group: Vec::with_capacity(cells.len()),
        };
        let mut sorted: Vec<Keyed> = Vec::new();
        for cell in cells {
            sorted.clear();
            for part in parts {
                sorted.extend(part.cell(cell));
            }
            sorted.sort_unstable();
            for group in sorted.chunk_by(|a, b| a.0 == b.0) {
                stretch.value.push(value(group[0].0));
                stretch.rows_in_group.push(group.iter().map(|_| 1).sum());
                stretch.rows.extend(group.iter().map(|(_, row)| row));
            }
            stretch.last_group.push(stretch.value.len());
        }
        stretch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every third row is none.
    fn is_donor(row: usize) -> bool {
        !row.is_multiple_of(3)
    }

    fn worlds() -> [Vec<f64>; 4] {
        let waves: Vec<f64> = (0..5000).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let tied = waves.iter().map(|x| (x * 4.0).round() * 0.25 + 0.0).collect();
        let crowded = waves.iter().map(|x| x.powi(41)).collect();
        [waves, tied, crowded, vec![0.5; 300]]
    }

    #[test]
    fn donors_are_sorted_by_value_then_row() {
        for values in worlds() {
            let donors = Donors::new(&values, is_donor);
            let mut rows: Vec<usize> = (0..values.len()).filter(|row| is_donor(*row)).collect();
            rows.sort_by(|a, b| values[*a].total_cmp(&values[*b]).then(a.cmp(b)));
            assert_eq!(donors.rows, rows);
            assert!(donors.groups.value.windows(2).all(|pair| pair[0] < pair[1]));
            for (group, value) in donors.groups.value.iter().enumerate() {
                let [first, last] = [group, group + 1].map(|g| donors.first_row[g] as usize);
                let own = &donors.rows[first..last];
                assert!(own.iter().all(|row| values[*row].to_bits() == value.to_bits()));
                assert!((donors.groups.rows[group] - own.len() as f64).abs() < f64::EPSILON);
            }
        }
    }

    #[test]
    fn donors_do_not_depend_on_the_number_of_threads() {
        let [values, ..] = worlds();
        let on = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| Donors::new(&values, is_donor).rows)
        };
        assert_eq!(on(1), on(5));
    }

    #[test]
    fn find_agrees_with_a_search_over_all_groups() {
        let own = Arm { value: vec![0.0], rows: vec![1.0], outcome: vec![0.0] };
        for mut values in worlds() {
            values.extend([-9.0, 9.0, 0.3]); // the first and last of these are donors
            let donors = Donors::new(&values, is_donor);
            let others = donors.grid.drop_rows(&values, |row| !is_donor(row));
            for (n_neighbors, caliper_width) in [(1.0, f64::INFINITY), (3.0, 0.01)] {
                let search = Search { n_neighbors, caliper_width };
                let cells = others
                    .iter()
                    .flat_map(|part| (0..donors.grid.cells).map(|cell| (cell, part.cell(cell))));
                for (cell, (_, row)) in
                    cells.flat_map(|(cell, rows)| rows.iter().map(move |r| (cell, r)))
                {
                    let wanted = values[*row as usize];
                    let focal = Arm { value: vec![wanted], ..own.clone() };
                    search.each(&focal, &donors.groups, 0..1, |_, expected| {
                        assert_eq!(donors.find(&search, cell, wanted), expected);
                    });
                }
            }
        }
    }
}
