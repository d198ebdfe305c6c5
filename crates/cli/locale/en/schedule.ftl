# The schedule and its runs.
