# Nearest neighbours with replacement by Matching::Match, on lalonde: estimates, standard errors, weights.
#
#     Rscript tests/reference/lalonde_match.R
#
# Match calls two squared, scaled distances tied when they differ by no more than distance.tolerance, whose
# default merges near neighbours and of which 1e-10 stays even at 0. A weight matrix of 1e4 makes that 1e-14 of
# the score's variance: wide enough for the rounding of two neighbours as far below as above, which tie on the logit,
# and narrower than any gap in these data. Rows with the same covariates get the same score to the last bit first.

source("tests/reference/lalonde.R")
suppressPackageStartupMessages(library(Matching))

treated <- lalonde$treat
outcome <- lalonde$re78
quantities <- list(score = scores, logit = logits)

# What a result is: est and both of its standard errors. "std_error" takes the variance of the outcomes from
# the nearest unit of the same arm (Var.calc = 1), "homoscedastic" from the pairs (Var.calc = 0). None within a
# caliper: Match looks for that unit inside the caliper too, and where there is none the variance is 0.
matched <- function(x, scale = NULL, caliper = NULL, ...) {
  x <- as.matrix(x)
  if (is.null(scale)) scale <- diag(1e4, ncol(x))
  run <- function(var_calc) {
    Match(outcome, treated, x, Weight = 3, Weight.matrix = scale, Var.calc = var_calc,
          caliper = caliper, distance.tolerance = 0, ...)
  }
  found <- run(1)
  pairs <- data.frame(treated = found$index.treated, control = found$index.control, weight = found$weights)
  weights <- tapply(c(pairs$weight, pairs$weight), factor(c(pairs$treated, pairs$control), 1:614), sum)
  weights[is.na(weights)] <- 0
  errors <- list(std_error = found$se, homoscedastic = run(0)$se, standard = found$se.standard)
  list(
    estimate = c(found$est), errors = if (is.null(caliper)) errors,
    n_matched = round(sum(pairs$weight)), n_pairs = nrow(pairs), weights = summed(weights)
  )
}

values <- list()
for (on in names(quantities)) for (estimand in c("ATT", "ATC", "ATE")) for (k in c(1, 3, 5)) {
  name <- paste("nn", on, estimand, k, sep = ".")
  values[[name]] <- matched(quantities[[on]], estimand = estimand, M = k)
  values[[paste0(name, ".adjusted")]] <-
    matched(quantities[[on]], estimand = estimand, M = k, BiasAdjust = TRUE, Z = dummies)
}

# A caliper of a quarter of the logit's standard deviation (all rows, n - 1), and of the score's.
for (on in names(quantities)) for (estimand in c("ATT", "ATC", "ATE")) {
  values[[paste("caliper", on, estimand, sep = ".")]] <-
    matched(quantities[[on]], estimand = estimand, caliper = 0.25)
}

# Within the same race and marriage only, nearest on the logit; with a caliper too.
same <- cbind(logits, as.integer(lalonde$race), lalonde$married)
for (estimand in c("ATT", "ATC", "ATE")) {
  values[[paste("exact", estimand, sep = ".")]] <-
    matched(same, estimand = estimand, exact = c(FALSE, TRUE, TRUE))
  values[[paste("exact.caliper", estimand, sep = ".")]] <-
    matched(same, estimand = estimand, exact = c(FALSE, TRUE, TRUE), caliper = c(0.25, 10, 10))
}

# On the covariates. Match applies a weight matrix after it has put each column on its standard deviation.
spread <- apply(dummies, 2, sd)
within <- (crossprod(scale(dummies[treated == 1, ], scale = FALSE)) +
             crossprod(scale(dummies[treated == 0, ], scale = FALSE))) / (nrow(dummies) - 2)
scales <- list(
  mahalanobis_all = diag(spread) %*% solve(cov(dummies)) %*% diag(spread),
  mahalanobis_within = diag(spread) %*% solve(within) %*% diag(spread),
  euclidean_all = diag(ncol(dummies))
)
for (metric in names(scales)) for (estimand in c("ATT", "ATC", "ATE")) for (k in c(1, 4)) {
  name <- paste(metric, estimand, k, sep = ".")
  symmetric <- (scales[[metric]] + t(scales[[metric]])) / 2
  values[[name]] <- matched(dummies, symmetric, estimand = estimand, M = k)
  values[[paste0(name, ".adjusted")]] <-
    matched(dummies, symmetric, estimand = estimand, M = k, BiasAdjust = TRUE, Z = dummies)
}

# Mahalanobis within a caliper on the logit: of the distances the logit is no part.
metric <- rbind(cbind(scales$mahalanobis_within, 0), 0)
metric[8 + 1, 8 + 1] <- 1e-12
for (estimand in c("ATT", "ATC", "ATE")) {
  values[[paste("mahalanobis_within.caliper", estimand, sep = ".")]] <-
    matched(cbind(dummies, logits), (metric + t(metric)) / 2, estimand = estimand,
            caliper = c(rep(1e6, 8), 0.25))
}

write_values("lalonde_match", c("Matching"), values)
