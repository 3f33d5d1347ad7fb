"""Judge GPUs: driver, fabric manager, persistence, ROCm, and transfers from GPU to GPU."""

from collections.abc import Iterator

from deepseek_local.finding import Finding, error, warning
from deepseek_local.host import drivers
from deepseek_local.host.facts import Facts, dotted


def driver(facts: Facts) -> Iterator[Finding]:
    """Hold NVIDIA's driver against the CUDA version of the installed torch."""
    found, cuda = facts.accelerators.driver, facts.software.cuda
    if facts.accelerators.nvidia == 0:
        if cuda is not None:
            yield error(
                "gpu.none",
                f"torch is built for CUDA {dotted(cuda)}, but no GPU of NVIDIA is on the PCI bus",
                "look into the firmware's settings, or install the build for this host",
            )
        return
    if found is None:
        yield error(
            "driver.missing",
            f"{facts.accelerators.nvidia} GPUs of NVIDIA are there, but no driver is loaded",
            "install the data center driver, and look whether Secure Boot refuses its module",
        )
    elif cuda is not None:
        yield from _matching(found, cuda)


def _matching(found: tuple[int, ...], cuda: tuple[int, ...]) -> Iterator[Finding]:
    least, native = drivers.least(cuda), drivers.native(cuda)
    if least is None:
        yield warning(
            "driver.unknown",
            f"which driver CUDA {dotted(cuda)} needs is not known here, and {drivers.named(found)} is loaded",
            "look into the release notes of the CUDA Toolkit",
        )
    elif found < least:
        yield error(
            "driver.old",
            f"the driver is {drivers.named(found)}, and CUDA {dotted(cuda)} of the installed torch needs {drivers.named(least)}",
            f"install {drivers.named(native or least)} or newer",
        )
    elif native is not None and found < native:
        yield warning(
            "driver.behind",
            f"the driver {drivers.named(found)} is older than CUDA {dotted(cuda)} of the installed torch",
            f"kernels from PTX may fail: install {drivers.named(native)} or newer",
        )


def fabric(facts: Facts) -> Iterator[Finding]:
    """Look at the fabric manager, without which GPUs behind NVSwitches refuse to compute."""
    seen = facts.accelerators
    if seen.nvswitches == 0:
        return
    if seen.fabric_manager is None and not seen.is_fabric_managed:
        yield error(
            "fabric.missing",
            f"{seen.nvswitches} NVSwitches are there, but no fabric manager",
            "install nvidia-fabricmanager in the driver's version",
        )
    elif not seen.is_fabric_managed:
        yield error(
            "fabric.stopped", "the fabric manager does not run", "run: systemctl enable --now nvidia-fabricmanager"
        )
    if None not in (seen.fabric_manager, seen.driver) and seen.fabric_manager != seen.driver:
        versions = [drivers.named(each) for each in (seen.fabric_manager, seen.driver) if each]
        yield error(
            "fabric.version",
            f"the fabric manager is {versions[0]} and the driver {versions[1]}",
            "install both in one version",
        )


def persistence(facts: Facts) -> Iterator[Finding]:
    """Look at persistence mode."""
    modes = facts.accelerators.persistent
    if facts.accelerators.nvidia and facts.accelerators.driver and modes is None:
        yield warning(
            "persistence.unseen",
            "nvidia-smi did not tell the GPUs' persistence mode",
            "install it, and look why it hangs or fails",
        )
    elif modes and not all(modes):
        yield warning(
            "persistence.off",
            f"persistence mode is off on {modes.count(False)} of {len(modes)} GPUs",
            "let nvidia-persistenced keep it, as `host prepare` does",
        )


def rocm(facts: Facts) -> Iterator[Finding]:
    """Look at AMD's driver and ROCm."""
    seen = facts.accelerators
    if seen.amd == 0:
        if facts.software.rocm is not None:
            yield error(
                "gpu.none",
                f"torch is built for ROCm {dotted(facts.software.rocm)}, but no GPU of AMD is on the PCI bus",
                "look into the firmware's settings, or install the build for this host",
            )
        return
    if seen.amdgpu is None or not seen.has_kfd:
        what = "the module amdgpu is not loaded" if seen.amdgpu is None else "/dev/kfd is missing"
        yield error(
            "amdgpu.missing", f"{seen.amd} GPUs of AMD are there, but {what}", "install amdgpu-dkms of the ROCm release"
        )
    wanted = facts.software.rocm
    if seen.rocm is not None and wanted is not None and seen.rocm[:2] < wanted[:2]:
        yield warning(
            "rocm.old", f"ROCm is {dotted(seen.rocm)}, and torch is built for {dotted(wanted)}", "install that release"
        )


def peers(facts: Facts) -> Iterator[Finding]:
    """Look at what stands between GPUs of one host; in a virtual machine that is the host's affair."""
    seen = facts.accelerators
    if seen.nvidia + seen.amd < 2 or seen.is_virtual:  # noqa: PLR2004 -- one GPU has no peer
        return
    if seen.redirecting is None:
        yield warning(
            "acs.unseen", "only root can see whether PCI bridges redirect transfers between GPUs", "run this as root"
        )
    elif seen.redirecting:
        yield warning(
            "acs.redirects",
            f"{len(seen.redirecting)} PCI bridges, such as {seen.redirecting[0]}, send transfers between GPUs through the root complex",
            "turn Access Control Services off in the firmware, if no virtual machine gets a GPU",
        )
    if seen.translates:
        yield warning(
            "iommu.translates", "the IOMMU translates every transfer of the GPUs", "start the kernel with iommu=pt"
        )
