"""The option that names the log's key in an HSM, `@key_option`, and how a command opens that key."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from deepseek_local.cli import token_uri
from deepseek_local.hsm import ed25519
from deepseek_local.hsm.ed25519 import Ed25519Key
from deepseek_local.hsm.uri import TokenURI

Command = TypeVar("Command", bound=Callable[..., object])


def key_option(command: Command) -> Command:
    """Add `--signing-key`, as the parameter `signing_key: TokenURI | None`."""
    return click.option(
        "--signing-key",
        metavar="pkcs11:...",
        callback=token_uri.parse,
        envvar="DEEPSEEK_LOCAL_AUDIT_SIGNING_KEY",
        show_default="audit.key in --keys",
        show_envvar=True,
        help="Ed25519 key in an HSM that signs checkpoints, as a pkcs11: URI with module-path and pin-source.",
    )(command)


@contextmanager
def opened(name: TokenURI | None) -> Iterator[Ed25519Key | None]:
    """Give the key in the HSM, or None where none is named. Raises `HSMError`."""
    if name is None:
        yield None
        return
    with ed25519.key(name) as key:
        yield key
