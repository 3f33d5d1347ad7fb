"""Profiles: from a YAML file to one frozen, checked value."""
