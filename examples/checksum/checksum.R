# SHA-256 of what is sent, and a page that says how to ask.

page <- "<!doctype html><title>SHA-256</title><p>POST what you want the SHA-256 of to /sha256."

answer <- function(status, body, type = "application/json") {
  list(statusCode = status, headers = list("content-type" = type), body = body)
}

handler <- function(request) {
  switch(paste(request$method, request$path),
    "GET /" = answer(200, page, "text/html"),
    "POST /sha256" = checksum(request$body),
    answer(404, list(error = paste("there is nothing at", request$path)))
  )
}

checksum <- function(body) {
  if (!is.character(body) && !is.raw(body))
    return(answer(415, list(error = "send text or bytes")))
  answer(200, list(sha256 = digest::digest(body, algo = "sha256", serialize = FALSE)))
}
