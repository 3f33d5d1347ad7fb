"""Transparency log: the arithmetic and the formats of a log that can be proved to an outsider."""
