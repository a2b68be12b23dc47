# Subclassification, coarsened exact and exact matching by MatchIt, on lalonde: sizes, weights, effects.
#
#     Rscript tests/reference/lalonde_groups.R
#
# Its nearest neighbours are not to be trusted in this version; these methods share no code with them. Effects
# are weighted differences of means, their errors cluster-robust by subclass (HC1), as MatchIt recommends.

source("tests/reference/lalonde.R")
suppressPackageStartupMessages({
  library(MatchIt)
  library(sandwich)
})

described <- function(found) {
  kept <- found$weights > 0
  frame <- data.frame(lalonde, weight = found$weights, subclass = found$subclass)[kept, ]
  fit <- lm(re78 ~ treat, frame, weights = weight)
  sizes <- table(factor(found$subclass), lalonde$treat)
  list(
    estimate = coef(fit)[["treat"]], std_error = sqrt(vcovCL(fit, ~subclass)["treat", "treat"]),
    n_treated = sum(kept & lalonde$treat == 1), n_control = sum(kept & lalonde$treat == 0),
    n_subclasses = nrow(sizes),
    sizes_treated = unname(sizes[, "1"]), sizes_control = unname(sizes[, "0"]),
    weights = summed(found$weights)
  )
}

values <- list()
for (estimand in c("ATT", "ATC", "ATE")) {
  for (n in c(5, 6, 10)) {
    found <- matchit(score_formula, lalonde, method = "subclass", distance = scores,
                     subclass = n, estimand = estimand, min.n = 0)
    values[[paste("subclass", n, estimand, sep = ".")]] <- described(found)
  }
  methods <- list(
    cem = matchit(score_formula, lalonde, method = "cem", estimand = estimand),
    cem.cutpoints = matchit(
      score_formula, lalonde, method = "cem", estimand = estimand,
      cutpoints = list(age = c(20.5, 25.5, 30.5, 40.5), educ = c(8.5, 11.5, 12.5), re74 = c(1, 5000, 10000),
                       re75 = 4)
    ),
    exact = matchit(treat ~ race + married + nodegree + educ, lalonde, method = "exact", estimand = estimand)
  )
  for (method in names(methods)) values[[paste(method, estimand, sep = ".")]] <- described(methods[[method]])
}

write_values("lalonde_groups", c("MatchIt", "sandwich"), values)
