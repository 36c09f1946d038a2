# The R side of bootstrap: reads requests from one pipe, calls the handler, writes replies
# to another. A request is a list that was serialized by bootstrap; a reply is the length
# of a serialized list in four bytes, then the list. What they hold: session.rs.
#
# All of it lives in one local environment, so that the handler finds the workspace empty.

local({
  pipes <- paste0("/proc/self/fd/", commandArgs(trailingOnly = TRUE))
  requests <- file(pipes[1L], "rb", raw = TRUE)
  replies <- file(pipes[2L], "wb", raw = TRUE)

  # `refhook` keeps environments and pointers from being written with all they hold.
  reply <- function(...) {
    bytes <- serialize(list(...), NULL, xdr = FALSE, version = 2L, refhook = function(x) typeof(x))
    suspendInterrupts({
      writeBin(length(bytes), replies)
      writeBin(bytes, replies)
      flush(replies)
    })
    invisible()
  }

  # The outermost frames are ours, and no news; two of them are `eval()`'s. All of them
  # are, as long as none of the function's code has run.
  skip <- Inf
  eval_apart <- function(...) {
    skip <<- sys.nframe() + 2L
    eval(...)
  }

  # Calls from the outermost to the one that failed, as text.
  stack <- function(calls) {
    calls <- calls[seq_along(calls) > skip]
    heads <- lapply(calls, function(call) call[[1L]])
    signalled <- which(vapply(heads, identical, NA, quote(.handleSimpleError)))
    kept <- if (length(signalled)) signalled[1L] - 1L else length(calls) - 1L
    calls <- calls[seq_len(max(kept, 0L))]
    if (length(calls) > 50L) calls <- c(calls[1:25], quote(...), calls[length(calls) - 24:0])
    vapply(calls, shown, "")
  }

  shown <- function(call) {
    text <- deparse(call, width.cutoff = 80L, nlines = 1L)[1L]
    source <- attr(call, "srcref")
    file <- if (!is.null(source)) attr(source, "srcfile")$filename
    if (is.null(file) || !nzchar(file)) text else paste0(text, " at ", file, ":", source[1L])
  }

  warned <- function(condition) {
    # Ignored, or made an error: both are R's own doing.
    if (getOption("warn") < 0L || getOption("warn") >= 2L) return()
    call <- conditionCall(condition)
    where <- if (is.null(call)) "" else paste0(" in ", deparse(call, nlines = 1L)[1L])
    reply("log", "WARN", paste0("Warning", where, ": ", conditionMessage(condition)))
    tryInvokeRestart("muffleWarning")
  }

  noted <- function(condition) {
    reply("log", "INFO", sub("\n$", "", conditionMessage(condition)))
    tryInvokeRestart("muffleMessage")
  }

  # Packages that were built for another R or machine, since an init that failed may be
  # due to them. `Built` is e.g. "R 4.5.0; x86_64-pc-linux-gnu; …; unix", its second part
  # empty without compiled code.
  strangers <- function() {
    files <- Sys.glob(file.path(.libPaths(), "*", "DESCRIPTION"))
    built <- vapply(files, function(file) read.dcf(file, "Built")[1L], "")
    parts <- strsplit(built[!is.na(built)], "; *")
    same_r <- function(part) identical(sub("^R ([0-9]+[.][0-9]+).*", "\\1", part[1L]), r_minor)
    same_machine <- function(part) part[2L] %in% c("", R.version$platform)
    r_minor <- sub("[.][0-9]+$", "", as.character(getRversion()))
    strange <- parts[!(vapply(parts, same_r, NA) & vapply(parts, same_machine, NA))]
    if (!length(strange)) return("")
    shown <- paste0("`", basename(dirname(names(strange))), "` for ", vapply(strange, paste, "", collapse = ", "))
    paste0(
      "; there are packages built for another R or machine than this one, ", R.version.string, " on ",
      R.version$platform, ": ", paste(shown, collapse = "; "), "; build the layers again for it"
    )
  }

  # Evaluates `expr` with interrupts allowed, and replies with what it gives, or why not.
  attempt <- function(expr) {
    calls <- character()
    skip <<- Inf
    remember <- function(condition) calls <<- stack(sys.calls())
    failed <- function(condition) {
      message <- paste0(conditionMessage(condition), if (is.null(handler)) strangers(), collapse = "\n")
      reply("failure", class(condition), message, calls)
    }
    tryCatch(
      withCallingHandlers(
        reply("value", allowInterrupts(expr)),
        error = remember, interrupt = remember, warning = warned, message = noted
      ),
      error = failed, interrupt = failed
    )
  }

  handler <- NULL
  handler_name <- NULL

  # Sources `file` and looks for function `name` in it, or takes it from `package`.
  load <- function(file, name, package) {
    if (nzchar(package)) {
      skip <<- sys.nframe()
      handler <<- getExportedValue(package, name)
      handler_name <<- call("::", as.name(package), as.name(name))
    } else {
      for (expression in parse(file, keep.source = TRUE, encoding = "UTF-8")) {
        eval_apart(expression, globalenv())
      }
      handler <<- get0(name, globalenv(), mode = "function", inherits = FALSE)
      handler_name <<- as.name(name)
    }
    if (!is.function(handler)) {
      skip <<- Inf
      stop(missing_function(file, name))
    }
    arguments <- formals(args(handler))
    hook <- function(name) exists(name, globalenv(), mode = "function", inherits = FALSE)
    list(as.character(names(arguments)), hook(".Last"), hook(".before_snapshot"), hook(".after_restore"))
  }

  missing_function <- function(file, name) {
    functions <- Filter(function(name) is.function(get(name, globalenv())), ls(globalenv()))
    has <- if (length(functions)) paste0("`", functions, "`", collapse = ", ") else "none"
    structure(
      class = c("handler_not_found", "error", "condition"),
      list(message = paste0("no function `", name, "` in ", file, "; functions there: ", has), call = NULL)
    )
  }

  invoke <- function(arguments, context) {
    if (is.null(context$trace_id)) {
      Sys.unsetenv("_X_AMZN_TRACE_ID")
    } else {
      Sys.setenv("_X_AMZN_TRACE_ID" = context$trace_id)
    }
    if ("context" %in% names(formals(args(handler)))) {
      arguments$context <- with_functions(context)
    }
    # The call names its arguments by symbol, so that a stack shows it and not all data.
    call <- as.call(c(handler_name, lapply(names(arguments), as.name)))
    names(call) <- c("", names(arguments))
    eval_apart(call, list2env(arguments, parent = globalenv()))
  }

  with_functions <- function(context) {
    deadline <- as.numeric(context$deadline)
    context$remaining_ms <- function() max(0, (deadline - as.numeric(Sys.time())) * 1000)
    # Begins a streamed response, and gives the function that writes its pieces.
    context$stream <- function(type = "application/octet-stream", status = NULL, headers = NULL, cookies = NULL) {
      reply("stream", type, as.integer(status), as.list(headers), as.character(cookies))
      function(piece) {
        reply("chunk", if (is.raw(piece)) piece else charToRaw(enc2utf8(paste(piece, collapse = "\n"))))
      }
    }
    context
  }

  # An interrupt that came too late for the call it was meant for must not end the next.
  forget_interrupts <- function() {
    tryCatch(allowInterrupts(NULL), interrupt = function(condition) NULL)
  }

  # The workspace's own `.Last()` runs in `quit()`.
  hook <- function(name) if (exists(name, globalenv(), inherits = FALSE)) get(name, globalenv())()

  serve <- function() {
    request <- tryCatch(unserialize(requests), error = function(condition) list("quit"))
    forget_interrupts()
    switch(request[[1L]],
      load = attempt(load(request[[2L]], request[[3L]], request[[4L]])),
      call = attempt(invoke(request[[2L]], request[[3L]])),
      before_snapshot = attempt(hook(".before_snapshot")),
      after_restore = attempt({
        set.seed(request[[2L]])
        hook(".after_restore")
      }),
      quit = quit("no", runLast = TRUE)
    )
  }

  suspendInterrupts(repeat serve())
})
