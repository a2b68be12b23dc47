use super::*;

#[test]
fn solve_inverts_a_positive_definite_matrix() {
    let matrix = [4.0, 2.0, 0.5, 2.0, 3.0, 1.0, 0.5, 1.0, 2.0];
    let mut x = [1.0, -2.0, 3.0];
    Cholesky::factor(&matrix, 3, 1e-11, &[]).unwrap().solve(&mut x);
    for (row, expected) in [1.0, -2.0, 3.0].iter().enumerate() {
        let product: f64 = (0..3).map(|k| matrix[row * 3 + k] * x[k]).sum();
        assert!((product - expected).abs() < 1e-14);
    }
}

#[test]
fn factor_sets_the_later_of_two_equal_columns_aside() {
    let matrix = [2.0, 2.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 3.0];
    let factor = Cholesky::factor(&matrix, 3, 1e-11, &[]).unwrap();
    assert_eq!(factor.aliased(), [false, true, false]);
    let mut x = [3.0, 3.0, 4.0];
    factor.solve(&mut x);
    assert!((x[0] - 1.0).abs() < 1e-14 && x[1] == 0.0 && (x[2] - 1.0).abs() < 1e-14);
}

#[test]
fn factor_does_not_take_what_is_no_number_for_collinear() {
    for (entry, value) in [(0, f64::NAN), (1, f64::NAN), (4, f64::INFINITY), (2, f64::INFINITY)] {
        let mut matrix = [4.0, 2.0, 0.5, 2.0, 3.0, 1.0, 0.5, 1.0, 2.0];
        matrix[entry] = value;
        assert_eq!(Cholesky::factor(&matrix, 3, 1e-11, &[]).unwrap_err(), NotFinite);
    }
}

#[test]
fn inverse_factor_squares_to_the_inverse() {
    let matrix = [4.0, 2.0, 0.5, 2.0, 3.0, 1.0, 0.5, 1.0, 2.0];
    for skip in [[false; 3], [false, true, false]] {
        let factor = Cholesky::factor(&matrix, 3, 1e-11, &skip).unwrap();
        let (rows, inverse) = (factor.inverse_factor(), factor.inverse());
        for (a, b) in [(0, 0), (0, 2), (1, 1), (1, 2), (2, 2)] {
            let entry = |row: &[f64], k: usize| row.get(k).copied().unwrap_or(0.0);
            let product: f64 = rows.iter().map(|row| entry(row, a) * entry(row, b)).sum();
            assert!((product - inverse[3 * a + b]).abs() < 1e-14);
        }
    }
}

#[test]
fn large_systems_are_solved_and_inverted_as_small_ones() {
    let size = 150;
    let rows: Vec<Vec<f64>> = (0..size + 20)
        .map(|row| (0..size).map(|k| ((row * (k + 3)) as f64 * 0.7).sin()).collect())
        .collect();
    let entry = |a: usize, b: usize| rows.iter().map(|row| row[a] * row[b]).sum::<f64>();
    let mut matrix: Vec<f64> =
        (0..size * size).map(|place| entry(place / size, place % size)).collect();
    for k in 0..size {
        matrix[k * size + k] += 1.0;
    }
    let mut skip = vec![false; size];
    skip[70] = true;
    let factor = Cholesky::factor(&matrix, size, 1e-11, &skip).unwrap();
    let inverse = factor.inverse();
    for column in [0, 3, 69, 70, 71, 149] {
        let mut solved = vec![0.0; size];
        solved[column] = 1.0;
        factor.solve(&mut solved);
        let times = |row: usize, x: &[f64]| dot(&matrix[row * size..(row + 1) * size], x);
        for row in (0..size).filter(|row| *row != 70) {
            let expected = f64::from(u8::from(row == column && column != 70));
            assert!((times(row, &solved) - expected).abs() < 1e-10, "{row} {column}");
            assert!((inverse[row * size + column] - solved[row]).abs() < 1e-12);
        }
    }
}

#[test]
fn product_gives_the_matrix_back() {
    let matrix = [4.0, 2.0, 0.5, 2.0, 3.0, 1.0, 0.5, 1.0, 2.0];
    let found = Cholesky::factor(&matrix, 3, 1e-11, &[false, true, false]).unwrap().product();
    for (found, expected) in found.iter().zip([4.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 2.0]) {
        assert!((found - expected).abs() < 1e-14);
    }
    let found = Cholesky::factor(&matrix, 3, 1e-11, &[]).unwrap().product();
    assert!(found.iter().zip(matrix).all(|(a, b)| (a - b).abs() < 1e-14));
}

#[test]
fn relation_says_what_an_aliased_column_is_made_of() {
    // The third column is the first less twice the second.
    let columns = [[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 2.0, 5.0], [1.0, -1.0, -3.0, -9.0]];
    let matrix: Vec<f64> =
        columns.iter().flat_map(|a| columns.iter().map(move |b| dot(a, b))).collect();
    let factor = Cholesky::factor(&matrix, 3, 1e-11, &[]).unwrap();
    assert_eq!(factor.aliased(), [false, false, true]);
    for (found, expected) in factor.relation(2).iter().zip([-1.0, 2.0, 1.0]) {
        assert!((found - expected).abs() < 1e-13);
    }
}

#[test]
fn eigen_takes_a_matrix_apart() {
    let matrix = vec![2.0, 1.0, 0.5, 1.0, 3.0, -0.25, 0.5, -0.25, 1.0];
    let (values, vectors) = eigen(matrix.clone(), 3);
    for row in 0..3 {
        for column in 0..3 {
            let part = |k: usize| values[k] * vectors[k * 3 + row] * vectors[k * 3 + column];
            let product: f64 = (0..3).map(part).sum();
            assert!((product - matrix[row * 3 + column]).abs() < 1e-14);
        }
    }
}

#[test]
fn eigen_finds_what_is_missing_of_full_rank() {
    let (mut values, _) = eigen(vec![1.0, 1.0, 1.0, 1.0], 2);
    values.sort_by(f64::total_cmp);
    assert!(values[0].abs() < 1e-15 && (values[1] - 2.0).abs() < 1e-15);
}
