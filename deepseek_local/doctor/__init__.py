"""Checks of this host, each with a remedy."""
