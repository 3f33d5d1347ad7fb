"""The units and drop-ins that a preparation installs."""

FIREWALL = """[Unit]
Description=Firewall of deepseek-local: what nobody opened is dropped
DefaultDependencies=no
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
# A restart of nftables.service empties every table, ours included.
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/deepseek-local/firewall.nft
ExecReload=/usr/sbin/nft -f /etc/deepseek-local/firewall.nft

[Install]
WantedBy=sysinit.target
"""

PERSISTENCE = """# Some packages start it with --no-persistence-mode.
[Service]
ExecStart=
ExecStart=/usr/bin/nvidia-persistenced --user nvidia-persistenced --persistence-mode
"""

_SHARED_MEMORY = """[Unit]
Description=Size of /dev/shm for deepseek-local
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount -o remount,size={bytes} /dev/shm

[Install]
WantedBy=sysinit.target
"""


def shared_memory(size_bytes: int) -> str:
    """Return the unit that gives /dev/shm its size at every boot."""
    return _SHARED_MEMORY.format(bytes=size_bytes)
