# What the scripts about lalonde share: the data, a converged score, and weights in short.

source("tests/reference/writing.R")

lalonde <- read.csv("python/propensity/data/lalonde.csv", row.names = "unit", stringsAsFactors = TRUE)
score_formula <- treat ~ age + educ + race + married + nodegree + re74 + re75
dummies <- as.matrix(cbind(
  lalonde[c("age", "educ")],
  black = as.numeric(lalonde$race == "black"), hispan = as.numeric(lalonde$race == "hispan"),
  lalonde[c("married", "nodegree", "re74", "re75")]
))

score_model <- glm(score_formula, binomial, lalonde, epsilon = 1e-14, maxit = 50)
# The same to the last bit for rows with the same covariates.
pattern <- do.call(paste, as.data.frame(dummies))
logits <- score_model$linear.predictors[match(pattern, pattern)]
scores <- plogis(logits)

# Weights over the 614 rows, boiled down to what no other weights would share: how many are not 0, their sum by
# arm, the sum of their squares, and their sum when each is multiplied by its row's number (from 1).
summed <- function(weights) {
  treated <- lalonde$treat == 1
  list(
    n_treated = sum(weights[treated] > 0), n_control = sum(weights[!treated] > 0),
    treated = sum(weights[treated]), control = sum(weights[!treated]),
    squares = sum(weights^2), moment = sum(weights * seq_along(weights))
  )
}
