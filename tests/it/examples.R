# Runs the examples of packages in LIBRARY, each page in a process of its own, as the manuals
# of the packages in MANUALS have them. Among what they say themselves, a line for each page:
# how it ended, package, page.
#
#   Rscript examples.R MANUALS LIBRARY SECONDS

words <- commandArgs(trailingOnly = TRUE)
manuals <- words[1]
.libPaths(words[2])
seconds <- as.numeric(words[3])

# Some call another page's, which is in the manuals.
example <- function(topic, ...) {
  topic <- as.character(substitute(topic))
  utils::example(topic, ..., character.only = TRUE, lib.loc = manuals)
}

outcome <- function(package, page) {
  if (is.null(page)) {
    return(NA_character_)
  }
  code <- tempfile(fileext = ".R")
  tools::Rd2ex(page, code, commentDontrun = TRUE, commentDonttest = TRUE)
  if (!file.exists(code)) {
    return(NA_character_)
  }
  setTimeLimit(elapsed = seconds)
  folder <- tempfile("examples-")
  dir.create(folder)
  setwd(folder)
  set.seed(1)
  grDevices::pdf(NULL)
  sink(nullfile())
  tryCatch({
    library(package, character.only = TRUE)
    source(code, local = new.env(), echo = FALSE)
    "ran"
  }, error = function(error) paste("failed:", gsub("\\s+", " ", conditionMessage(error))))
}

for (package in list.files(words[2])) {
  pages <- tools::Rd_db(package, lib.loc = manuals)
  # One alone would not be given a process of its own.
  two <- c(pages, list(none = NULL))
  how <- suppressWarnings(parallel::mclapply(two, function(page) outcome(package, page),
                                             mc.cores = 2L, mc.preschedule = FALSE))
  for (page in names(pages)) {
    ended <- how[[page]]
    if (!is.character(ended) || length(ended) != 1L) ended <- "ended without a word"
    if (!is.na(ended)) cat(paste0("\npage\t", ended, "\t", package, "\t", page, "\n"))
  }
}
