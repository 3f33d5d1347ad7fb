"""A user of this host, as an option takes one: by name or by number."""

import pwd

import click


class UserID(click.ParamType[int]):
    """Gives the number; a number needs no entry among the users, as in containers."""

    name = "uid|user"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the user id."""
        text = str(value)
        if text.isascii() and text.isdigit():
            return int(text)
        try:
            return pwd.getpwnam(text).pw_uid
        except KeyError:
            self.fail(f"there is no user {text!r} on this host; name one, or write a number", param, ctx)
