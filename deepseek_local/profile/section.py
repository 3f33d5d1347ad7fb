"""What every section of a profile has in common, and the kinds of text that several of them use."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from deepseek_local.access import PRINCIPAL

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
PrincipalName = Annotated[str, StringConstraints(pattern=f"^{PRINCIPAL.pattern}$")]


class Section(BaseModel):
    """What all sections have in common: frozen, strict, no unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, protected_namespaces=()
    )
