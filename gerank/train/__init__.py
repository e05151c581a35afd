"""Training: an evaluator on logged pages, then a generator against it."""
