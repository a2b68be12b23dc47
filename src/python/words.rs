//! The words of the core's arguments, each read into what it stands for.

use crate::balance::Denominator;
use crate::error::{Error, Result};
use crate::matching::{CaliperUnit, Discard, Metric, Order, Quantity};
use crate::outcome::adjustment::{AdjustmentSpec, Method};
use crate::outcome::kinds::OutcomeModel;
use crate::resampling::resample::Scheme;
use crate::score::boosting::{Loss, Stop};
use crate::score::links::Link;
use crate::weighting::balancing::Balancing;
use crate::weighting::estimand::Estimand;

/// In any case, and by its other names: ATET is the ATT, ATU the ATC.
pub fn estimand(name: &str) -> Result<Estimand> {
    match name.to_ascii_uppercase().as_str() {
        "ATE" => Ok(Estimand::Ate),
        "ATT" | "ATET" => Ok(Estimand::Att),
        "ATC" | "ATU" => Ok(Estimand::Atc),
        "ATO" => Ok(Estimand::Ato),
        "ATM" => Ok(Estimand::Atm),
        _ => unknown("estimand", name, "\"ATE\", \"ATT\", \"ATC\", \"ATO\" or \"ATM\""),
    }
}

pub fn adjustment(method: &str, of_whom: &str, outcome_model: &str) -> Result<AdjustmentSpec> {
    let method = match method {
        "aipw" => Method::Aipw,
        "ipwra" => Method::Ipwra,
        "regression" => Method::Regression,
        _ => return unknown("method", method, "\"aipw\", \"ipwra\" or \"regression\""),
    };
    let (estimand, outcome_model) = (estimand(of_whom)?, self::outcome_model(outcome_model)?);
    Ok(AdjustmentSpec { method, estimand, outcome_model })
}

pub fn score_model(name: &str) -> Result<Link> {
    match name {
        "logistic" => Ok(Link::Logit),
        "probit" => Ok(Link::Probit),
        "cloglog" => Ok(Link::Cloglog),
        _ => unknown("score_model", name, "\"logistic\", \"probit\" or \"cloglog\""),
    }
}

pub fn score_model_name(link: Link) -> &'static str {
    match link {
        Link::Logit => "logistic",
        Link::Probit => "probit",
        Link::Cloglog => "cloglog",
    }
}

pub fn outcome_model(name: &str) -> Result<OutcomeModel> {
    match name {
        "linear" => Ok(OutcomeModel::Linear),
        "logistic" => Ok(OutcomeModel::Logistic),
        "poisson" => Ok(OutcomeModel::Poisson),
        "gamma" => Ok(OutcomeModel::Gamma),
        _ => unknown("outcome_model", name, "\"linear\", \"logistic\", \"poisson\" or \"gamma\""),
    }
}

pub fn balancing(method: &str) -> Result<Balancing> {
    match method {
        "entropy" => Ok(Balancing::Entropy),
        "cbps" => Ok(Balancing::Cbps),
        "ipt" => Ok(Balancing::Tilting),
        _ => unknown("method", method, "\"entropy\", \"cbps\" or \"ipt\""),
    }
}

pub fn stop(name: Option<&str>) -> Result<Stop> {
    match name {
        None => Ok(Stop::Never),
        Some("balance") => Ok(Stop::Balance),
        Some("log_loss") => Ok(Stop::LogLoss),
        Some(other) => unknown("stop", other, "\"balance\", \"log_loss\" or none"),
    }
}

pub fn loss(name: &str) -> Result<Loss> {
    match name {
        "squared" => Ok(Loss::Squared),
        "logistic" => Ok(Loss::Logistic),
        "poisson" => Ok(Loss::Poisson),
        _ => unknown("loss", name, "\"squared\", \"logistic\" or \"poisson\""),
    }
}

pub fn loss_name(loss: Loss) -> &'static str {
    match loss {
        Loss::Squared => "squared",
        Loss::Logistic => "logistic",
        Loss::Poisson => "poisson",
    }
}

pub fn scheme(resampling: &str) -> Result<Scheme> {
    match resampling {
        "multinomial" => Ok(Scheme::Multinomial),
        "poisson" => Ok(Scheme::Poisson),
        "bayesian" => Ok(Scheme::Bayesian),
        _ => unknown("resampling", resampling, "\"multinomial\", \"poisson\" or \"bayesian\""),
    }
}

pub fn denominator(name: &str) -> Result<Denominator> {
    match name {
        "pooled" => Ok(Denominator::Pooled),
        "treated" => Ok(Denominator::Treated),
        "control" => Ok(Denominator::Control),
        "all" => Ok(Denominator::All),
        _ => unknown("denominator", name, "\"pooled\", \"treated\", \"control\" or \"all\""),
    }
}

pub fn metric(on: &str) -> Result<Metric> {
    match on {
        "score" => Ok(Metric::Line(Quantity::Score)),
        "logit" => Ok(Metric::Line(Quantity::Logit)),
        "mahalanobis" => Ok(Metric::Mahalanobis),
        "robust_mahalanobis" => Ok(Metric::RobustMahalanobis),
        "euclidean" => Ok(Metric::Euclidean),
        _ => unknown(
            "on",
            on,
            "\"score\", \"logit\", \"mahalanobis\", \"robust_mahalanobis\" or \"euclidean\"",
        ),
    }
}

/// By default those with the fewest neighbours choose first; where there is no score to tell, a draw
/// decides, never the order of the rows.
pub fn order(name: Option<&str>, has_scores: bool) -> Result<Order> {
    match name {
        None if has_scores => Ok(Order::Scarcest),
        None | Some("random") => Ok(Order::Random),
        Some("largest") => Ok(Order::Largest),
        Some("smallest") => Ok(Order::Smallest),
        Some("closest") => Ok(Order::Closest),
        Some("data") => Ok(Order::Data),
        Some(other) => unknown(
            "order",
            other,
            "\"largest\", \"smallest\", \"closest\", \"random\" or \"data\"",
        ),
    }
}

pub fn caliper_unit(unit: &str, sd: &str) -> Result<CaliperUnit> {
    match (unit, sd) {
        ("raw", "all" | "pooled") => Ok(CaliperUnit::Raw),
        ("sd", "all") => Ok(CaliperUnit::All),
        ("sd", "pooled") => Ok(CaliperUnit::Pooled),
        ("raw" | "sd", _) => unknown("caliper_sd", sd, "\"all\" or \"pooled\""),
        _ => unknown("caliper_unit", unit, "\"sd\" or \"raw\""),
    }
}

pub fn discard(arm: Option<&str>) -> Result<Discard> {
    match arm {
        None => Ok(Discard::Nobody),
        Some("treated") => Ok(Discard::Treated),
        Some("control") => Ok(Discard::Control),
        Some("both") => Ok(Discard::Both),
        Some(other) => unknown("discard", other, "\"treated\", \"control\", \"both\" or none"),
    }
}

pub fn unknown<T>(name: &'static str, found: &str, allowed: &'static str) -> Result<T> {
    Err(Error::Argument { name, found: format!("{found:?}"), allowed })
}
