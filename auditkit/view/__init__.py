"""Past audits in a browser: a list, comparisons and trends, on this machine alone."""
