"""Checks of the checkpoint: it can be served, and it is the one that the profile means."""

from collections.abc import Iterator

from deepseek_local.errors import ModelError
from deepseek_local.finding import Finding, error
from deepseek_local.models import checkpoint
from deepseek_local.plan import Plan


def model(plan: Plan) -> Iterator[Finding]:
    """Look the checkpoint over and compare its digest with the one that the profile names."""
    try:
        found = checkpoint.inspect(plan.model_path)
    except ModelError as reason:
        yield error("model.unusable", str(reason))
        return
    wanted = plan.profile.model.revision
    if wanted is not None and found.revision != wanted:
        yield error(
            "model.revision",
            f"the checkpoint {plan.model_path} is {found.revision}, but model.revision is {wanted}",
            "copy the right checkpoint, or correct the profile if this one is meant",
        )
