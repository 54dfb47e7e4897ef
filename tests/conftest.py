"""Settings of every test."""

from hypothesis import settings

# No deadline: machines are shared. Derandomised: the same commit gives the same answer.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
