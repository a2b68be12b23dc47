# The tutorial's users: matching by Matching::Match (the first 5,000), subclasses and balance by MatchIt (all).
#
#     Rscript tests/reference/tutorial_match.R opt_in_logs.csv.gz
#
# Half the users have tied neighbours; see lalonde_match.R for how Match is told to see ties and no more.

suppressPackageStartupMessages({
  library(MatchIt)
  library(Matching)
  library(sandwich)
})
source("tests/reference/writing.R")
everyone <- read.csv(commandArgs(trailingOnly = TRUE)[1], stringsAsFactors = TRUE)
formula <- opt_in_agent_mode ~ engagement_tier + query_confidence

fitted_score <- function(logs) {
  model <- glm(formula, binomial, logs, epsilon = 1e-14, maxit = 50)
  pattern <- paste(logs$engagement_tier, format(logs$query_confidence, digits = 17))
  logits <- model$linear.predictors[match(pattern, pattern)]
  list(logit = logits, score = plogis(logits))
}

logs <- head(everyone, 5000)
outcome <- logs$task_completed
treated <- logs$opt_in_agent_mode
tier <- as.integer(logs$engagement_tier)
x <- cbind(light = tier == 2, medium = tier == 3, query_confidence = logs$query_confidence) * 1
matched <- function(x, scale = NULL, se = TRUE, ...) {
  x <- as.matrix(x)
  if (is.null(scale)) scale <- diag(1e4, ncol(x))
  found <- Match(outcome, treated, x, Weight = 3, Weight.matrix = scale, Var.calc = 1, distance.tolerance = 0, ...)
  rows <- seq_along(treated)
  weights <- tapply(rep(found$weights, 2), factor(c(found$index.treated, found$index.control), rows), sum)
  weights[is.na(weights)] <- 0
  list(
    estimate = c(found$est), std_error = if (se) found$se, n_matched = round(sum(found$weights)),
    n_pairs = length(found$weights), squares = sum(weights^2), moment = sum(weights * rows)
  )
}
values <- list()
quantities <- fitted_score(logs)
spread <- apply(x, 2, sd)
within <- (crossprod(scale(x[treated == 1, ], scale = FALSE)) +
             crossprod(scale(x[treated == 0, ], scale = FALSE))) / (nrow(x) - 2)
metric <- diag(spread) %*% solve(within) %*% diag(spread)
for (estimand in c("ATT", "ATC", "ATE")) {
  for (k in c(1, 4)) for (on in names(quantities)) {
    # On the score no two neighbours are as far below as above, but many are nearly: a narrower tie, 1e-18.
    values[[paste("nn", on, estimand, k, sep = ".")]] <-
      matched(quantities[[on]], if (on == "score") diag(1e8, 1), estimand = estimand, M = k)
  }
  values[[paste("nn.logit.adjusted", estimand, sep = ".")]] <-
    matched(quantities$logit, estimand = estimand, BiasAdjust = TRUE, Z = x)
  values[[paste("exact", estimand, sep = ".")]] <-
    matched(cbind(quantities$logit, tier), estimand = estimand, exact = c(FALSE, TRUE))
  values[[paste("mahalanobis_within", estimand, sep = ".")]] <-
    matched(x, (metric + t(metric)) / 2, estimand = estimand)
  values[[paste("caliper", estimand, sep = ".")]] <-
    matched(quantities$logit, estimand = estimand, caliper = 0.001, se = FALSE)
}

everyones <- fitted_score(everyone)
for (estimand in c("ATT", "ATC", "ATE")) for (n in c(5, 10, 50)) {
  found <- matchit(formula, everyone, method = "subclass", distance = everyones$score, subclass = n,
                   estimand = estimand, min.n = 0)
  frame <- data.frame(everyone, weight = found$weights, subclass = found$subclass)[found$weights > 0, ]
  fit <- lm(task_completed ~ opt_in_agent_mode, frame, weights = weight)
  values[[paste("subclass", n, estimand, sep = ".")]] <- list(
    estimate = coef(fit)[[2]], std_error = sqrt(vcovCL(fit, ~subclass)[2, 2]),
    n_subclasses = length(unique(frame$subclass)), squares = sum(found$weights^2),
    moment = sum(found$weights * seq_along(found$weights))
  )
}

cem <- matchit(formula, everyone, method = "cem", estimand = "ATT")
terms <- c("distance", "engagement_tierheavy", "engagement_tierlight", "engagement_tiermedium", "query_confidence")
fit <- lm(task_completed ~ opt_in_agent_mode, everyone, weights = cem$weights, subset = cem$weights > 0)
values$cem.ATT <- list(
  estimate = coef(fit)[[2]], n_matched = sum(cem$weights > 0), n_subclasses = nlevels(cem$subclass),
  squares = sum(cem$weights^2), moment = sum(cem$weights * seq_along(cem$weights))
)
cem$distance <- everyones$score
values$balance.unadjusted.treated <- tabled(summary(cem)$sum.all, terms)
values$balance.cem.ATT.treated <- tabled(summary(cem)$sum.matched, terms)
cem$weights <- with(everyones, ifelse(everyone$opt_in_agent_mode == 1, 1, score / (1 - score)))
values$balance.ipw.ATT.treated <- tabled(summary(cem)$sum.matched, terms)

write_values("tutorial_match", c("Matching", "MatchIt", "sandwich"), values)
