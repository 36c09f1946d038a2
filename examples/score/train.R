# Makes model.rds: how many days pupils are absent from school, by a negative binomial
# regression on the data set `quine` of MASS (Aitkin 1978).

model <- MASS::glm.nb(Days ~ Eth + Sex + Age + Lrn, data = MASS::quine)

# Predicting needs neither the rows nor what they were fitted by.
for (part in c("y", "model", "data", "residuals", "fitted.values", "effects", "weights",
               "prior.weights", "linear.predictors", "offset"))
  model[[part]] <- NULL
model$qr$qr <- NULL

saveRDS(model, "model.rds", compress = "xz")
