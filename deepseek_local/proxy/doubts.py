"""What nginx would accept and an operator would not expect: settings of a profile by which nobody gets through to the front door."""

from collections.abc import Iterator

from deepseek_local.profile.schema import Profile


def doubts(profile: Profile) -> Iterator[str]:
    """Say what the profile lacks, and what to set."""
    if profile.gateway.socket_group is None:
        yield (
            "gateway.socket_group is not set, so nginx's workers reach the socket of the front door only as its own user or group; "
            "set it to the group of nginx's workers"
        )
    if not profile.gateway.certificates.issuers:
        yield (
            "gateway.certificates.issuers is empty, so the front door knows nobody by a certificate; "
            "set it to [pki/trust/client-issuers.pem]"
        )
    if profile.tls.stream_seconds < profile.engine.drain_timeout_seconds:
        yield (
            f"tls.stream_seconds ({profile.tls.stream_seconds}) is less than engine.drain_timeout_seconds "
            f"({profile.engine.drain_timeout_seconds}), so nginx cuts streams for which the engine would wait; raise it"
        )
