"""`certs rotate` against a real nginx: what is due is renewed and served, and what does not work is taken back."""

import pytest

from deepseek_local.errors import ExitCode

pytestmark = pytest.mark.integration


def test_the_first_run_proves_what_is_served_and_the_next_does_nothing(site, capsys):
    with site.served():
        assert "completed" in str(site.json(capsys, "rotate", *site.nginx_words()))
        assert "not due" in str(site.json(capsys, "rotate", *site.nginx_words()))
        assert site.served_serial() == site.current_serial()


def test_a_renewed_certificate_is_served_and_three_versions_stay(site):
    with site.served():
        seen = [site.served_serial()]
        for _ in range(4):
            assert site.rotate("--now") == 0
            seen.append(site.served_serial())
    assert len(set(seen)) == 5
    assert [version.name for version in site.layout.server.all()] == ["v0003", "v0004", "v0005"]
    assert site.current_serial() == seen[-1]


def test_what_another_hand_made_nginx_serve_is_put_right(site, capsys):
    with site.served():
        assert site.rotate() == 0
        assert site.certs("rotate", "--now") == 0  # without nginx: nothing is reloaded
        assert site.served_serial() != site.current_serial()
        assert "reloaded" in str(site.json(capsys, "rotate", *site.nginx_words()))
        assert site.served_serial() == site.current_serial()


def test_a_broken_configuration_stops_the_run_before_anything_is_made(site, capsys):
    with site.served():
        assert site.rotate() == 0
        before, served = site.current_serial(), site.served_serial()
        text = site.configuration.read_text()
        site.configuration.write_text(text.replace("proxy_buffering off;", "no_such_directive on;"))
        assert site.rotate("--now") == ExitCode.FAILED
        assert "no_such_directive" in capsys.readouterr().err
        assert (site.current_serial(), site.served_serial()) == (before, served)
        assert len(site.layout.server.all()) == 1
        site.configuration.write_text(text)
        assert site.rotate("--now") == 0


def test_a_server_that_does_not_run_gets_no_new_certificate(site, capsys):
    with site.served():
        assert site.rotate() == 0
    assert site.rotate("--now") == ExitCode.FAILED
    assert "does not serve TLS" in capsys.readouterr().err
    assert len(site.layout.server.all()) == 1


def test_a_new_name_in_the_profile_is_a_reason_to_renew(site, capsys):
    with site.served():
        assert site.rotate() == 0
        site.sets = ('tls.server_names=["api.hospital.example", "127.0.0.1", "chat.hospital.example"]',)
        assert "renewed" in str(site.json(capsys, "rotate", *site.nginx_words()))
        assert "not due" in str(site.json(capsys, "rotate", *site.nginx_words()))


def test_metrics_tell_what_is_served_and_how_often_it_failed(site, tmp_path):
    file = tmp_path / "certs.prom"
    with site.served():
        assert site.rotate("--metrics", str(file)) == 0
        text = file.read_text()
        assert "deepseek_local_certificate_served_not_after_seconds 1" in text
        assert "deepseek_local_certificate_rotation_failures 0" in text
        assert text.count("deepseek_local_crl_next_update_seconds{") == 4
    for failures in (1, 2):
        assert site.rotate("--metrics", str(file)) == ExitCode.FAILED
        assert f"deepseek_local_certificate_rotation_failures {failures}" in file.read_text()
    assert "served_not_after_seconds 1" not in file.read_text()
    assert "deepseek_local_certificate_rotation_last_success_seconds 1" in file.read_text()
