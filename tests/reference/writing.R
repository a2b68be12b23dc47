# How the scripts write what they found: values and the versions of the software that gave them, as JSON.

suppressPackageStartupMessages(library(jsonlite))

write_values <- function(name, packages, values, folder = "tests/reference") {
  versions <- sapply(packages, function(package) as.character(packageVersion(package)))
  meta <- list(software = as.list(c(R = paste(R.version$major, R.version$minor, sep = "."), versions)))
  content <- list(meta = meta, values = values)
  text <- toJSON(content, auto_unbox = TRUE, na = "null", null = "null", digits = I(17), pretty = 1)
  writeLines(text, file.path(folder, paste0(name, ".json")))
}

# A balance table of MatchIt's summary(), column by column, for these terms; NA where a measure is none.
measures <- c(
  mean_treated = "Means Treated", mean_control = "Means Control", smd = "Std. Mean Diff.",
  variance_ratio = "Var. Ratio", ecdf_difference = "eCDF Mean", ks = "eCDF Max"
)
tabled <- function(table, terms = rownames(table)) {
  columns <- lapply(measures, function(measure) ifelse(is.na(table[terms, measure]), NA, table[terms, measure]))
  c(list(term = terms), columns)
}
