"""Checks of what is installed: the engine, and a script that it would run without being asked."""

from collections.abc import Iterator
from pathlib import Path

from deepseek_local.engine.installed import installed_version
from deepseek_local.finding import Finding, error
from deepseek_local.plan import Plan
from deepseek_local.profile.schema import Vendor

SAGEMAKER_SCRIPT = Path("/opt/ml/model/model.py")


def engine(plan: Plan) -> Iterator[Finding]:
    """Find the engine."""
    if installed_version() is None:
        extra = "cpu" if plan.profile.hardware.vendor is Vendor.CPU else "cuda"
        yield error(
            "engine.missing",
            "vLLM is not installed beside this program",
            f"run: pip install 'deepseek-local-kit[{extra}]'",
        )


def foreign_script(_: Plan, script: Path = SAGEMAKER_SCRIPT) -> Iterator[Finding]:
    """Find the script that vLLM's SageMaker part executes if it exists (`model_hosting_container_standards/sagemaker`)."""
    if script.exists():
        yield error("engine.foreign-script", f"{script} exists, and the engine would run it", "remove it")
