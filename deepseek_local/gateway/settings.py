"""
The settings of the front door: one file, named by one environment variable.

vLLM gives a middleware class no arguments, and its worker processes inherit the environment: so the variable holds only a path, and the
file (mode 0600) holds what is private.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from deepseek_local.errors import LaunchError
from deepseek_local.files import is_private
from deepseek_local.profile.handover import GATEWAY_VARIABLE, GatewaySettings


def load(environment: Mapping[str, str]) -> GatewaySettings:
    """Read the file that the environment names. Raises `LaunchError` if there is none or it cannot be used."""
    name = environment.get(GATEWAY_VARIABLE)
    if not name:
        raise LaunchError(
            f"{GATEWAY_VARIABLE} is not set; start the engine with `deepseek-local serve`, which names its settings there"
        )
    path = Path(name)
    try:
        private = is_private(path)
        content = path.read_bytes()
    except OSError as error:
        raise LaunchError(
            f"the settings {path} cannot be read ({error.strerror}); start with `deepseek-local serve`"
        ) from error
    if not private:
        raise LaunchError(f"the settings {path} can be read or written by others; run: chmod 600 {path}")
    try:
        return GatewaySettings.model_validate_json(content)
    except ValidationError as error:
        # Only places and reasons: values can be secret.
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_input=False)
        )
        raise LaunchError(
            f"the settings {path} are not those of this version ({problems}); start again with `deepseek-local serve`"
        ) from error
