# Write the package's copy of the lalonde data, as MatchIt distributes it, and its experimental benchmark.
#
#     Rscript tests/reference/lalonde_data.R
#
# The benchmark needs the randomized controls, which are not among the 614 rows: Matching distributes them.

suppressPackageStartupMessages(library(MatchIt))

observed <- MatchIt::lalonde
frame <- data.frame(unit = rownames(observed), observed)
write.csv(frame, "python/propensity/data/lalonde.csv", row.names = FALSE, quote = FALSE)

loaded <- new.env()
data(lalonde, package = "Matching", envir = loaded)
trial <- loaded$lalonde
stopifnot(sum(trial$treat) == 185)
stopifnot(max(abs(trial$re78[trial$treat == 1] - observed$re78[observed$treat == 1])) < 0.06)
benchmark <- summary(lm(re78 ~ treat, trial))$coefficients["treat", 1:2]
cat(sprintf("experimental benchmark: %.2f dollars, standard error %.2f\n", benchmark[1], benchmark[2]))
