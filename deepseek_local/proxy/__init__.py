"""nginx in front of the front door: its configuration from the profile, tested before anybody reads it, and read again on request."""
