//! The words of `match_nn`, read into a specification.

use super::ipw::parse_estimand;
use crate::error::{Error, Result};
use crate::matching::{CaliperUnit, Discard, Focal, MatchSpec, Metric, Order, Quantity, Reuse};

/// The keyword arguments as they come.
pub struct Words<'a> {
    pub estimand: &'a str,
    pub n_neighbors: usize,
    pub replace: bool,
    pub max_reuse: Option<u32>,
    pub method: &'a str,
    pub order: Option<&'a str>,
    pub on: &'a str,
    pub caliper: Option<f64>,
    pub caliper_unit: &'a str,
    pub caliper_sd: &'a str,
    pub discard: Option<&'a str>,
    pub seed: u64,
    pub has_scores: bool,
}

impl Words<'_> {
    pub fn read(&self) -> Result<MatchSpec> {
        Ok(MatchSpec {
            focal: Focal::try_from(parse_estimand(self.estimand)?)?,
            n_neighbors: self.n_neighbors,
            metric: self.metric()?,
            reuse: self.reuse()?,
            order: self.order()?,
            caliper: self.caliper,
            unit: self.unit()?,
            discard: self.discard()?,
            seed: self.seed,
        })
    }

    fn metric(&self) -> Result<Metric> {
        match self.on {
            "score" => Ok(Metric::Line(Quantity::Score)),
            "logit" => Ok(Metric::Line(Quantity::Logit)),
            "mahalanobis" => Ok(Metric::Mahalanobis),
            "robust_mahalanobis" => Ok(Metric::RobustMahalanobis),
            "euclidean" => Ok(Metric::Euclidean),
            _ => unknown(
                "on",
                self.on,
                "\"score\", \"logit\", \"mahalanobis\", \"robust_mahalanobis\" or \"euclidean\"",
            ),
        }
    }

    fn reuse(&self) -> Result<Reuse> {
        match (self.replace, self.max_reuse) {
            (true, None) => Ok(Reuse::Unlimited),
            (true, Some(uses)) => Ok(Reuse::AtMost(uses)),
            (false, None | Some(1)) => Ok(Reuse::AtMost(1)),
            (false, Some(uses)) => {
                let found = uses.to_string();
                let allowed = "left out with replace=False, where a row serves once";
                Err(Error::Argument { name: "max_reuse", found, allowed })
            }
        }
    }

    fn order(&self) -> Result<Order> {
        match (self.method, self.order) {
            ("nearest", _) => self.turn(),
            ("optimal", None) => Ok(Order::AllAtOnce),
            ("optimal", Some(order)) => {
                unknown("order", order, "left out for optimal pairs, where nobody chooses first")
            }
            (other, _) => unknown("method", other, "\"nearest\" or \"optimal\""),
        }
    }

    /// By default those with the fewest neighbours choose first; where there is no score to tell, a draw
    /// decides, never the order of the rows.
    fn turn(&self) -> Result<Order> {
        match self.order {
            None if self.has_scores => Ok(Order::Scarcest),
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

    fn unit(&self) -> Result<CaliperUnit> {
        match (self.caliper_unit, self.caliper_sd) {
            ("raw", "all" | "pooled") => Ok(CaliperUnit::Raw),
            ("sd", "all") => Ok(CaliperUnit::All),
            ("sd", "pooled") => Ok(CaliperUnit::Pooled),
            ("raw" | "sd", other) => unknown("caliper_sd", other, "\"all\" or \"pooled\""),
            (other, _) => unknown("caliper_unit", other, "\"sd\" or \"raw\""),
        }
    }

    fn discard(&self) -> Result<Discard> {
        match self.discard {
            None => Ok(Discard::Nobody),
            Some("treated") => Ok(Discard::Treated),
            Some("control") => Ok(Discard::Control),
            Some("both") => Ok(Discard::Both),
            Some(other) => unknown("discard", other, "\"treated\", \"control\", \"both\" or none"),
        }
    }
}

fn unknown<T>(name: &'static str, found: &str, allowed: &'static str) -> Result<T> {
    Err(Error::Argument { name, found: format!("{found:?}"), allowed })
}
