"""How an option takes the name of a key in an HSM: `callback=token_uri.parse`."""

import click

from deepseek_local.errors import HSMError
from deepseek_local.hsm import uri
from deepseek_local.hsm.uri import TokenURI


def parse(_context: click.Context, _parameter: click.Parameter, value: str | None) -> TokenURI | None:
    """Read a `pkcs11:` URI, where one was given. Raises `click.BadParameter`."""
    try:
        return None if value is None else uri.parse(value)
    except HSMError as error:
        raise click.BadParameter(str(error)) from error
