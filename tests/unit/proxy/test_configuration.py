"""The rendered configuration, for every shipped profile and for what a profile can say wrongly."""

from pathlib import Path

import pytest

from deepseek_local.errors import ProxyError
from deepseek_local.profile import library
from deepseek_local.profile.front_door import Listen
from deepseek_local.profile.load import load
from deepseek_local.profile.places import Places
from deepseek_local.proxy import configuration
from deepseek_local.proxy.configuration import render
from deepseek_local.proxy.surroundings import Surroundings

DEBIAN = (1, 22, 1)
NEWER = (1, 27, 4)
PLACES = Places(Path("/var/lib/deepseek-local/test"), Path("/run/deepseek-local/test"))
BEHIND_NGINX = [name for name in library.names() if load(name).gateway.listen is Listen.UNIX]


def surroundings(name: str = "test") -> Surroundings:
    return Surroundings(name, Path(f"/run/deepseek-audit-nginx/{name}/nginx.sock"))


def rendered(*sets: str, name: str = "a100x2", version=DEBIAN, down=()) -> str:
    profile = load(name, sets=('tls.server_names=["api.hospital.example"]', *sets))
    return render(profile, PLACES, surroundings(), version, down)


def line(text: str, beginning: str) -> str:
    (found,) = [each.strip() for each in text.splitlines() if each.strip().startswith(beginning)]
    return found


@pytest.mark.parametrize("name", BEHIND_NGINX)
def test_the_configuration_of_every_shipped_profile_is_as_it_was_reviewed(golden, name):
    profile = load(name, sets=('tls.server_names=["api.hospital.example", "10.0.0.5"]',))
    golden(f"nginx/{name}.conf", render(profile, PLACES, surroundings(name), DEBIAN))


def test_a_newer_nginx_keeps_idle_connections_over_a_reload():
    assert "keepalive_min_timeout" not in rendered(version=(1, 27, 3))
    assert line(rendered(version=NEWER), "keepalive_min_timeout") == "keepalive_min_timeout 10s;"


def test_limits_are_those_of_the_profile():
    text = rendered(
        "gateway.limits.body_bytes=2048",
        "gateway.limits.body_timeout_seconds=0.2",
        "tls.requests_per_second=7",
        "tls.burst=9",
        "tls.concurrent_requests=5",
        "tls.header_bytes=4096",
        "tls.stream_seconds=100",
    )
    assert line(text, "client_max_body_size") == "client_max_body_size 2048;"
    assert line(text, "client_body_timeout") == "client_body_timeout 1s;"
    assert line(text, "limit_req_zone").endswith("rate=7r/s;")
    assert line(text, "limit_req zone") == "limit_req zone=requests_of_certificate burst=9 nodelay;"
    assert line(text, "limit_conn ") == "limit_conn streams_of_certificate 5;"
    assert line(text, "large_client_header_buffers") == "large_client_header_buffers 4 4096;"
    assert line(text, "proxy_read_timeout") == "proxy_read_timeout 100s;"
    assert line(text, "worker_shutdown_timeout") == "worker_shutdown_timeout 160s;"


def test_replicas_are_those_of_the_profile_each_once():
    text = rendered('tls.replicas=["/run/b/front.sock", "/run/b/front.sock"]', down=[Path("/run/b/front.sock")])
    servers = [each.strip() for each in text.splitlines() if each.strip().startswith("server unix:")]
    assert servers == [
        "server unix:/run/deepseek-local/test/front.sock max_fails=3 fail_timeout=5s;",
        "server unix:/run/b/front.sock max_fails=3 fail_timeout=5s down;",
    ]


def test_every_address_is_listened_on():
    text = rendered('tls.addresses=["10.0.0.5", "fd00::5"]', "tls.port=8443")
    listens = [each.strip() for each in text.splitlines() if each.strip().startswith("listen ")]
    assert listens == ["listen 10.0.0.5:8443 ssl;", "listen [fd00::5]:8443 ssl;"]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("gateway.listen=loopback", "set it to unix"),
        ("tls.server_names=[]", "needs a name"),
        ('tls.server_names=["a; include /etc/shadow"]', "neither a host name nor an address"),
        ('tls.server_names=["~^.*$"]', "neither a host name nor an address"),
        ('tls.addresses=["0.0.0.0 default_server"]', "which is no address"),
        ('tls.addresses=["unix:/tmp/x"]', "which is no address"),
        ("tls.addresses=[]", "tls.addresses is empty"),
        ('tls.directory="a b"', "one word"),
        ('tls.directory="a;b"', "one word"),
        ('tls.directory="$a"', "one word"),
        ('tls.replicas=["/a{b"]', "one word"),
    ],
)
def test_what_nginx_would_misread_is_refused(setting, says):
    with pytest.raises(ProxyError, match=says):
        rendered(setting)


def test_a_replica_that_is_none_cannot_be_taken_out_nor_can_all():
    with pytest.raises(ProxyError, match="is no replica of this profile; those are /run/"):
        rendered(down=[Path("/run/x.sock")])
    with pytest.raises(ProxyError, match="no replica would be left"):
        rendered(down=[Path("/run/deepseek-local/test/front.sock")])


def test_no_place_of_a_template_stays_empty_and_no_secret_stands_in_the_text():
    text = rendered()
    assert "@{" not in text
    assert "X-DS-Proxy " not in text
    assert configuration.key_file(b"\x01\xff") == "proxy_set_header X-DS-Proxy 01ff;\n"
