# Runs in the sandbox's R and installs one package, by R's own installer with two of its
# wastes left out. Neither changes a byte of what is installed.
#
# The installer starts further R processes. The one that writes the indices needs nothing
# that is not here already. The one that compiles the package's functions does it each
# time that it writes one, and S4 keeps a method in several tables: 4884 of Matrix's 7042
# compilations are of functions that were compiled before.

# Read by the process that compiles, before it does.
compile_once <- quote(if (exists("hashtab", asNamespace("utils"))) local({
    compiler <- asNamespace("compiler")
    compile <- compiler$tryCmpfun
    compiled <- utils::hashtab()
    once <- function(f) {
        if (!is.null(attr(f, "srcref"))) return(compile(f))
        # All that the compiler looks at; attributes it only carries over.
        key <- list(formals(f), body(f), environment(f))
        if (is.null(found <- utils::gethash(compiled, key))) {
            found <- utils::sethash(compiled, key, compile(f))
        }
        attributes(found) <- attributes(f)
        if (isS4(f)) asS4(found) else found
    }
    unlockBinding("tryCmpfun", compiler)
    assign("tryCmpfun", once, compiler)
}))

# Takes the place of the installer's way to run code in another R process.
run <- function(cmd = NULL, ...) {
    code <- paste(cmd, collapse = "\n")
    if (startsWith(code, "tools:::.install_package_indices(")) {
        # A new process would sort as the environment says, and not as the installer does.
        installers <- Sys.getlocale("LC_COLLATE")
        Sys.setlocale("LC_COLLATE", "")
        on.exit(Sys.setlocale("LC_COLLATE", installers))
        said <- utils::capture.output(result <- try(eval(str2expression(code), globalenv())))
        return(structure(said, status = if (inherits(result, "try-error")) 1L))
    }
    if (grepl("compiler::compilePKGS", code, fixed = TRUE)) cmd <- c(deparse(compile_once), cmd)
    run_in_new_process(cmd, ...)
}

tools <- asNamespace("tools")
run_in_new_process <- tools$R_runR
if (is.function(run_in_new_process)) {
    unlockBinding("R_runR", tools)
    assign("R_runR", run, tools)
}

# The installer itself needs none of R's default packages. The package's own code and its
# NAMESPACE, where they run in this process, may; other processes start with them, as
# `R CMD INSTALL` has it.
Sys.setenv(R_DEFAULT_PACKAGES = "")
setwd(commandArgs(TRUE)[length(commandArgs(TRUE))])
namespace <- if (file.exists("NAMESPACE")) readLines("NAMESPACE", warn = FALSE)
has_conditions <- any(grepl("^[^#]*\\bif\\b", namespace, useBytes = TRUE)) # of versions, mostly
if (has_conditions || any(file.exists("data", "R/sysdata.rda", "src/install.libs.R"))) {
    for (name in c("methods", "datasets", "utils", "grDevices", "graphics", "stats")) {
        library(name, character.only = TRUE)
    }
}
tools:::.install_packages(commandArgs(TRUE))
