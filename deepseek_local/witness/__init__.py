"""Witnesses: a second machine that signs what continues all that it has seen, so that a log cannot show two histories."""
