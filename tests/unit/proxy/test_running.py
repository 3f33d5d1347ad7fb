"""What nginx says of itself, told by small programs in its place."""

import pytest

from deepseek_local.errors import ProxyError
from deepseek_local.proxy.running import Program


@pytest.fixture
def saying(tmp_path):
    def make(text: str, code: int = 0) -> Program:
        place = tmp_path / "nginx"
        place.write_text(f"#!/bin/sh\nprintf '%s' '{text}' >&2\nexit {code}\n")
        place.chmod(0o700)
        return Program(str(place))

    return make


def test_versions_are_read_with_what_distributions_add(saying):
    assert saying("nginx version: nginx/1.22.1\n").version() == (1, 22, 1)
    assert saying("nginx version: nginx/1.24.0 (Ubuntu)").version() == (1, 24, 0)
    assert saying("nginx version: openresty/1.27.1.2").version() == (1, 27, 1)


def test_what_is_too_old_or_no_nginx_is_refused(saying):
    with pytest.raises(ProxyError, match=r"nginx 1\.18\.0 is older than 1\.22\.0; install a newer one"):
        saying("nginx version: nginx/1.18.0").version()
    with pytest.raises(ProxyError, match="which is no version of nginx"):
        saying("hello").version()


def test_a_missing_nginx_is_named():
    with pytest.raises(ProxyError, match="there is no program /nowhere/nginx; install nginx"):
        Program("/nowhere/nginx").version()


def test_the_complaint_of_nginx_is_one_sentence(saying, tmp_path):
    said = 'nginx: [emerg] unknown directive "x" in /a:2\nnginx: configuration file /a test failed\n'
    with pytest.raises(ProxyError) as caught:
        saying(said, 1).check(tmp_path / "a")
    text = str(caught.value)
    assert text.endswith('(exit code 1): unknown directive "x" in /a:2; configuration file /a test failed')
    with pytest.raises(ProxyError, match="cannot be told to reload"):
        saying('nginx: [error] invalid PID number "" in "/x"', 1).reload(tmp_path / "a")
