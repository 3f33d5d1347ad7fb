"""A credential that proves nothing: what every way of proving an identity raises, so that none is followed by a second try."""


class CredentialError(Exception):
    """What was shown is no identity; the text says why, may be told to whoever showed it, and repeats nothing of it."""
