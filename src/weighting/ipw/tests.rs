use super::*;

#[test]
fn ipw_recovers_a_stratified_effect() {
    // Two strata, scores 1/4 and 3/4 as in the data; the effect is 1 in both, the levels differ.
    let treatment = [true, false, false, false, true, true, true, false];
    let outcome = [1.0, 0.0, 0.0, 0.0, 11.0, 11.0, 11.0, 10.0];
    let scores = [0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75];
    let data = IpwData {
        outcome: &outcome,
        treatment: &treatment,
        scores: &scores,
        row_weights: RowWeights::default(),
    };
    for estimand in [Estimand::Ate, Estimand::Att, Estimand::Atc, Estimand::Ato, Estimand::Atm] {
        let found = ipw(&data, IpwSpec::of(estimand), None).unwrap();
        assert!((found.means.difference() - 1.0).abs() < 1e-14);
    }
}
