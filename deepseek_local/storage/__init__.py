"""Encrypted volumes whose passphrase only an HSM can unwrap: LUKS2 made, opened, closed and rekeyed by cryptsetup."""
