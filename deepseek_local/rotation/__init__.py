"""Certificates in service: renewed, put in front of nginx and proved there, taken back, and their authorities succeeded."""
