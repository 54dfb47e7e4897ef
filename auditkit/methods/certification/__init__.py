"""Lower bounds: what can be proved of a classifier, for every point of a ball at once."""
