//! One kernel at a time, on few rows and one thread, for callgrind to count: `make instructions`, which
//! compares the counts with `instructions.json`. Without a name it lists the kernels.

#![allow(clippy::unwrap_used)] // the worlds are sound

mod worlds;

use std::hint::black_box;

use ndarray::ArrayView2;
use propensity::balance::{self, Denominator};
use propensity::design::covariates::Covariates;
use propensity::matching::{self, Focal, MatchedRows, NearestSpec, Quantity};
use propensity::monitor::Monitor;
use propensity::outcome::adjustment::{AdjustmentSpec, Method};
use propensity::outcome::kinds::OutcomeModel;
use propensity::pipeline::{Data, Estimator, Pipeline};
use propensity::resampling::bootstrap::BootstrapSpec;
use propensity::resampling::resample::{Resample, Scheme};
use propensity::resampling::stream::Stream;
use propensity::score::links::Link;
use propensity::score::logistic;
use propensity::score::spec::PropensitySpec;
use propensity::units::cells::Cells;
use propensity::units::frequency::RowWeights;
use propensity::weighting::estimand::Estimand;
use propensity::weighting::influence::ScoreFit;
use propensity::weighting::ipw::{IpwData, IpwSpec, ipw};
use rayon::ThreadPoolBuilder;

use worlds::World;

/// Enough rows for several blocks of each kernel, few enough to count in a second.
const N: usize = 20_000;

const NEAREST: NearestSpec = NearestSpec {
    focal: Focal::Treated,
    n_neighbors: 1,
    caliper: None,
    quantity: Quantity::Score,
    variance_neighbors: 1,
};

const KERNELS: [(&str, fn()); 15] = [
    ("logistic_fit", logistic_fit),
    ("logistic_fit_wide", logistic_fit_wide),
    ("ipw_influence", ipw_influence),
    ("match_nearest", match_nearest),
    ("matching_effect", matching_effect),
    ("smd", smd),
    ("balance", balance_table),
    ("collapse", collapse),
    ("multinomial_counts", multinomial_counts),
    ("bootstrap_cells", bootstrap_cells),
    ("bootstrap_rows", bootstrap_rows),
    ("bootstrap_wide", bootstrap_wide),
    ("bootstrap_linear", bootstrap_linear),
    ("bootstrap_linear_wide", bootstrap_linear_wide),
    ("bootstrap_logistic", bootstrap_logistic),
];

fn main() {
    let asked = std::env::args().nth(1).filter(|name| !name.starts_with("--"));
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for (name, kernel) in KERNELS {
        if asked.is_none() {
            println!("{name}");
        } else if asked.as_deref() == Some(name) {
            pool.install(kernel);
        }
    }
}

/// What is counted: callgrind's `--toggle-collect` switches on and off at this name.
#[inline(never)]
fn counted<T>(kernel: impl Fn() -> T) {
    black_box(kernel());
}

fn logistic_fit() {
    fit(&World::continuous(N, 4));
}

fn logistic_fit_wide() {
    fit(&World::continuous(N / 5, 30));
}

fn fit(world: &World) {
    let (spec, monitor) = (PropensitySpec::default(), Monitor::default());
    counted(|| logistic::fit(world.x.view(), &world.treatment, None, &spec, &monitor).unwrap());
}

fn ipw_influence() {
    let World { x, treatment, outcome, scores } = World::continuous(N, 4);
    let covariates = Covariates::standardized(x.view()).unwrap();
    let (scores, row_weights) = (&scores[..], RowWeights::default());
    let data = IpwData { outcome: &outcome, treatment: &treatment, scores, row_weights };
    counted(|| {
        ipw(
            &data,
            IpwSpec::of(Estimand::Ate),
            Some(ScoreFit { covariates: &covariates, penalty: 0.0, link: Link::Logit }),
        )
        .unwrap()
    });
}

fn match_nearest() {
    let World { treatment, scores, .. } = World::continuous(N, 2);
    let monitor = Monitor::default();
    counted(|| matching::nearest(&scores, &treatment, &NEAREST, &monitor).unwrap());
}

fn matching_effect() {
    let World { treatment, outcome, scores, .. } = World::continuous(N, 2);
    let rows = MatchedRows { outcome: &outcome, treatment: &treatment, scores: &scores };
    let monitor = Monitor::default();
    counted(|| matching::effect(&rows, &NEAREST, None, &monitor).unwrap());
}

fn smd() {
    let World { x, treatment, scores, .. } = World::continuous(N, 4);
    let once = RowWeights::default();
    counted(|| {
        balance::smd(x.view(), &treatment, Some(&scores), once, Denominator::Pooled).unwrap()
    });
}

fn balance_table() {
    let World { x, treatment, scores, .. } = World::continuous(N, 4);
    let (monitor, once) = (Monitor::default(), RowWeights::default());
    counted(|| {
        let weightings: [&[f64]; 1] = [&scores];
        balance::balance(x.view(), &treatment, &weightings, once, Denominator::Pooled, &monitor)
            .unwrap()
    });
}

fn collapse() {
    let World { x, treatment, outcome, .. } = World::discrete(N);
    counted(|| Cells::collapse(x.view(), &treatment, &outcome, None).unwrap());
}

fn multinomial_counts() {
    let resample = Resample::new(Scheme::Multinomial, N, None, None).unwrap();
    counted(|| {
        let mut counts = vec![0_u32; N];
        resample.count(Stream::new(7, 0), |row, count| counts[row] += count);
        counts
    });
}

const SCORE_ALONE: [Estimator; 2] =
    [Estimator::Ipw(IpwSpec::of(Estimand::Ate)), Estimator::Nearest(NEAREST)];

fn bootstrap_cells() {
    replicates(&World::discrete(N), &SCORE_ALONE);
}

fn bootstrap_rows() {
    replicates(&World::continuous(N / 4, 10), &SCORE_ALONE);
}

fn bootstrap_wide() {
    replicates(&World::continuous(N / 5, 40), &SCORE_ALONE);
}

fn bootstrap_linear() {
    replicates(&World::discrete(N), &[aipw(OutcomeModel::Linear)]);
}

fn bootstrap_linear_wide() {
    replicates(&World::continuous(N / 5, 40), &[aipw(OutcomeModel::Linear)]);
}

fn bootstrap_logistic() {
    replicates(&World::discrete(N), &[aipw(OutcomeModel::Logistic)]);
}

fn aipw(outcome_model: OutcomeModel) -> Estimator {
    let (method, estimand) = (Method::Aipw, Estimand::Ate);
    Estimator::Adjusted(AdjustmentSpec { method, estimand, outcome_model })
}

fn replicates(world: &World, estimators: &[Estimator]) {
    let columns: Vec<usize> = (0..world.x.ncols()).collect();
    let x: ArrayView2<'_, f64> = world.x.view();
    let (treatment, outcome) = (&world.treatment[..], &world.outcome[..]);
    let (score_columns, outcome_columns) = (&columns[..], &columns[..]);
    let data = Data {
        x,
        treatment,
        outcome,
        sample_weight: None,
        frequency: None,
        score_columns,
        outcome_columns,
        balanced_columns: &[],
    };
    let (spec, monitor) = (PropensitySpec::default(), Monitor::default());
    let pipeline = Pipeline::new(data, estimators, spec, &monitor).unwrap();
    let resample = Resample::new(Scheme::Multinomial, world.x.nrows(), None, None).unwrap();
    let spec = BootstrapSpec { n_reps: 5, seed: 7 };
    counted(|| pipeline.bootstrap(&resample, &spec).unwrap());
}
