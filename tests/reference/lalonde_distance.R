# Mahalanobis distances between the treated and the controls of lalonde, by MatchIt.
#
#     Rscript tests/reference/lalonde_distance.R
#
# The covariance is that within the arms, with divisor n - 2. Per choice of columns: the distance of each treated
# unit's nearest control, the sum of all 185 x 429, and those of NSW1 to the first five controls. The robust distance
# is not among them: in this version of MatchIt it ends in an error.

source("tests/reference/lalonde.R")
suppressPackageStartupMessages(library(MatchIt))

formulas <- list(
  covariates = score_formula,
  numeric = treat ~ age + educ + married + nodegree + re74 + re75
)
values <- list()
for (columns in names(formulas)) {
  distances <- mahalanobis_dist(formulas[[columns]], lalonde)
  values[[paste("mahalanobis", columns, sep = ".")]] <-
    list(nearest = unname(apply(distances, 1, min)), sum = sum(distances), first = unname(distances[1, 1:5]))
}

write_values("lalonde_distance", "MatchIt", values)
