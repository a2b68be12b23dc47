# Balance tables of lalonde by MatchIt's summary(): as it is, weighted, in subclasses, by each denominator.
#
#     Rscript tests/reference/lalonde_balance.R
#
# summary() reads the weights of any matchit object, so that inverse probability weights take the place of those of
# coarsened exact matching. Its eCDF columns are for the terms as they are, its variance ratio is none for 0/1 terms.

source("tests/reference/lalonde.R")
suppressPackageStartupMessages(library(MatchIt))

terms <- c("distance", "age", "educ", "raceblack", "racehispan", "racewhite", "married", "nodegree", "re74", "re75")
treated <- lalonde$treat == 1
weightings <- list(
  ipw.ATE = ifelse(treated, 1 / scores, 1 / (1 - scores)),
  ipw.ATT = ifelse(treated, 1, scores / (1 - scores)),
  ipw.ATC = ifelse(treated, (1 - scores) / scores, 1),
  overlap = ifelse(treated, 1 - scores, scores)
)
denominators <- c(ATT = "treated", ATC = "control", ATE = "pooled")

values <- list()
for (estimand in names(denominators)) {
  of <- denominators[[estimand]]
  cem <- matchit(score_formula, lalonde, method = "cem", estimand = estimand)
  cem$distance <- scores
  values[[paste("unadjusted", of, sep = ".")]] <- tabled(summary(cem)$sum.all, terms)
  values[[paste("cem", estimand, of, sep = ".")]] <- tabled(summary(cem)$sum.matched, terms)
  subclasses <- matchit(score_formula, lalonde, method = "subclass", distance = scores, subclass = 6,
                        estimand = estimand, min.n = 0)
  values[[paste("subclass.6", estimand, of, sep = ".")]] <- tabled(summary(subclasses)$sum.across, terms)
  for (name in names(weightings)) {
    weighted <- cem
    weighted$weights <- weightings[[name]]
    values[[paste(name, of, sep = ".")]] <- tabled(summary(weighted)$sum.matched, terms)
  }
}

# Squares and products of pairs, which summary() calls interactions.
cem <- matchit(score_formula, lalonde, method = "cem", estimand = "ATE")
cem$weights <- weightings$ipw.ATE
values[["interactions.ipw.ATE.pooled"]] <- tabled(summary(cem, interactions = TRUE)$sum.matched)

write_values("lalonde_balance", "MatchIt", values)
