use super::super::assignment::{self, Cost, Edges};
use super::super::layout::Coordinates;
use super::*;

/// Numbers below a limit, the same in each run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn points<'a>(&mut self, n: usize, parts: usize, widths: &'a [f64]) -> Coordinates<'a> {
        let dimensions = 2 + widths.len();
        let flat = (0..n * dimensions).map(|_| self.below(parts) as f64 / 7.0).collect();
        Coordinates { flat, dimensions, metric: 2, widths }
    }

    fn costs(&mut self, n: usize, steps: usize, length: usize) -> Vec<Cost> {
        let cost = |draws: &mut Self| Cost {
            steps: draws.below(steps + 1) as f64,
            length: draws.below(length + 1) as f64 / 3.0,
        };
        (0..n).map(|_| cost(self)).collect()
    }
}

/// All pairs within reach.
fn edges(sides: &InSpace<'_>) -> Edges {
    let InSpace { rows, columns, reach } = sides;
    let edge = |row: usize, column: usize| {
        let (a, b) = (rows.point(row), columns.point(column));
        let squares = a.iter().zip(b).take(rows.metric).map(|(a, b)| (a - b).powi(2));
        let length = squares.sum::<f64>().sqrt();
        let further = a.iter().zip(b).skip(rows.metric).zip(rows.widths);
        let near =
            length <= *reach && further.into_iter().all(|((a, b), width)| (a - b).abs() <= *width);
        near.then_some((column, length))
    };
    let of_row = |row: usize| (0..columns.len()).filter_map(|column| edge(row, column)).collect();
    Edges { by_row: (0..rows.len()).map(of_row).collect(), n_columns: columns.len() }
}

fn total(edges: &Edges, node_costs: NodeCosts<'_>, column_of: &[usize]) -> Cost {
    let mut total = Cost::default();
    for (row, column) in column_of.iter().enumerate() {
        if *column == NONE {
            total += node_costs.without[row];
            continue;
        }
        let found = edges.by_row[row].iter().find(|(other, _)| other == column);
        // A pair beyond reach would cost more than anything.
        total += found.map_or(Cost { steps: 1e9, length: 0.0 }, |edge| Cost::length(edge.1));
        total -= node_costs.used[*column];
    }
    total
}

#[test]
fn assign_has_the_least_cost_along_all_edges() {
    let mut draws = Draws(1);
    for round in 0..3000 {
        let widths: &[f64] = if round % 3 == 0 { &[0.5] } else { &[] };
        let parts = [3, 8, 1000][draws.below(3)];
        let n_rows = 1 + draws.below(12);
        let rows = draws.points(n_rows, parts, widths);
        let n_columns = 1 + draws.below(12);
        let columns = draws.points(n_columns, parts, widths);
        let reach = [f64::INFINITY, 0.3, 20.0][draws.below(3)];
        let sides = InSpace { rows, columns, reach };
        let (steps, length) = [(0_usize, 20), (1, 0), (2, 0)][draws.below(3)];
        let without = draws.costs(n_rows, 0, length);
        let without: Vec<Cost> = without
            .into_iter()
            .map(|cost| if steps > 0 { cost + Cost::STEP } else { cost })
            .collect();
        let used = draws.costs(n_columns, steps.saturating_sub(1), length);
        let node_costs = NodeCosts { without: &without, used: &used };
        let found = assign(&sides, node_costs, &Monitor::default()).unwrap();
        let edges = edges(&sides);
        let slow = assignment::assign(&edges, node_costs, &Monitor::default()).unwrap();
        let gap = total(&edges, node_costs, &found) - total(&edges, node_costs, &slow.column_of);
        assert!(gap.steps == 0.0 && gap.length.abs() < 1e-9, "round {round}: {gap:?}");
    }
}

#[test]
fn over_has_potentials_that_prove_the_least_of_all_pairs() {
    let mut draws = Draws(2);
    for (parts, n) in [(5, 900), (1_000_000, 900), (1_000_000, 301)] {
        let mut rows = draws.points(300, parts, &[]);
        // All in a corner, where there are too few columns for them.
        rows.flat.iter_mut().for_each(|value| *value *= 0.4);
        let columns = draws.points(n, parts, &[]);
        let sides = InSpace { rows, columns, reach: f64::INFINITY };
        let (without, used) = (vec![Cost::STEP; 300], vec![Cost::default(); n]);
        let node_costs = NodeCosts { without: &without, used: &used };
        let held = over(&sides, node_costs, &Monitor::default()).unwrap();
        let edges = edges(&sides);
        for (row, cost) in held.costs.iter().enumerate() {
            assert!(*cost <= held.without[row]);
            for (column, length) in &edges.by_row[held.rows.item(row)] {
                let place = (0..n).find(|place| held.columns.item(*place) == *column).unwrap();
                let length = held.measure.whole(held.measure.length(*length));
                assert!(length - held.columns.saving(place) >= *cost - 1, "{parts}");
            }
        }
        let free = (0..n).filter(|column| held.row_of[*column] == NOBODY);
        for column in free {
            assert_eq!(held.columns.saving(column), held.used[column]);
        }
        // Primal and dual: the total, and what rows cost less what columns save beyond what they are used for.
        let total = total(&edges, node_costs, &held.assigned());
        let saved: Whole = (0..n).map(|at| held.columns.saving(at) - held.used[at]).sum();
        let dual = held.costs.iter().sum::<Whole>() + saved;
        let one = held.measure.whole(held.measure.length(1.0)) as f64;
        let gap = (dual as f64 / one - total.length).abs();
        assert!(total.steps == 0.0 && gap < 1e-12 * total.length, "{parts}");
    }
}
