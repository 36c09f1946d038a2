# Loads the namespaces named in LAYR_LOAD, one after the other, and says of each how it went.
for (name in strsplit(Sys.getenv("LAYR_LOAD"), " ", fixed = TRUE)[[1L]]) {
    cat("layr-load-begin\t", name, "\n", sep = "")
    message <- tryCatch({ loadNamespace(name); "" }, error = conditionMessage)
    outcome <- if (nzchar(message)) "failed" else "loaded"
    cat("layr-load-end\t", name, "\t", outcome, "\t", gsub("[\r\n\t]+", " ", message), "\n", sep = "")
}
