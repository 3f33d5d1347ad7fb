"""Nobody gets anywhere without identity, on any route that the engine could have."""

import json
from contextlib import closing
from http.client import HTTPConnection

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from deepseek_local.access import Risk
from deepseek_local.policy import routes

pytestmark = pytest.mark.e2e

EXPECTED = {Risk.PUBLIC: 200, Risk.GUARDED: 401, Risk.NEVER: 404}


def path_of(route: routes.Route) -> str:
    return route.access.route.replace("{id}", "resp-1").replace("{name}", "adapter")


@pytest.mark.parametrize("how", ["without a token", "with a token that was never made"])
def test_no_route_of_the_catalogue_answers_a_stranger(deployment, how: str) -> None:
    token = None if how == "without a token" else f"dsk_0a1b2c3d4e5f_{'A' * 43}"
    with deployment.http(token) as client:
        answers = {
            (route.method, route.access.route): client.request(route.method, path_of(route), json={}).status_code
            for route in routes.CATALOGUE
            if route.method != routes.WEBSOCKET
        }
    assert answers == {
        (route.method, route.access.route): EXPECTED[route.access.risk]
        for route in routes.CATALOGUE
        if route.method != routes.WEBSOCKET
    }


def test_no_websocket_opens_to_a_stranger(deployment) -> None:
    for route in routes.CATALOGUE:
        if route.method == routes.WEBSOCKET:
            with (
                pytest.raises(InvalidStatus) as caught,
                connect(deployment.url.replace("http", "ws") + path_of(route), proxy=None),
            ):
                pass
            assert caught.value.response.status_code in (401, 403)


def test_only_health_is_public() -> None:
    assert [route.access.route for route in routes.CATALOGUE if route.access.risk is Risk.PUBLIC] == ["/health"]


@pytest.mark.parametrize(
    "path", ["/", "/v1/models/", "//v1/models", "/v1/%6dodels", "/V1/models", "/v1/./models", "/nothing"]
)
def test_another_spelling_is_another_path_and_unknown_even_to_an_admin(deployment, admin, path: str) -> None:
    # Sent as it stands: httpx would tidy some of them up.
    connection = HTTPConnection("127.0.0.1", httpx.URL(deployment.url).port)
    with closing(connection):
        connection.request("GET", path, headers={"authorization": f"Bearer {admin}"})
        assert connection.getresponse().status == 404


def test_a_refusal_has_openais_shape_and_our_request_id(deployment, stranger) -> None:
    with deployment.http(
        stranger,
    ) as client:
        refused = client.post("/v1/chat/completions", json={}, headers={"x-request-id": "mine"})
    assert refused.status_code == 403
    assert refused.json()["error"]["type"] == "permission_error"
    assert refused.headers["x-request-id"] != "mine"
    (record,) = deployment.records(refused.headers["x-request-id"])
    assert (record["kind"], record["dec"], record["sub"]["id"]) == ("decision", "deny", "u:stranger")


def test_the_record_names_the_peer_whatever_a_header_says(deployment, stranger) -> None:
    with deployment.http(stranger) as client:
        refused = client.get("/v1/models", headers={"x-forwarded-for": "203.0.113.9"})
    (record,) = deployment.records(refused.headers["x-request-id"])
    assert record["ip"] == "127.0.0.1"


def test_every_role_gets_what_the_seed_policy_says(deployment, admin) -> None:
    expected = {"u:root": (200, 200, 200), "u:demo": (200, 200, 403)}
    for principal, statuses in expected.items():
        with deployment.http(admin if principal == "u:root" else deployment.token) as client:
            body = {"model": "demo", "prompt": "Hello", "max_tokens": 1}
            seen = (
                client.post("/v1/completions", json=body).status_code,
                client.get("/v1/models").status_code,
                client.get("/metrics").status_code,
            )
        assert seen == statuses


def test_prompts_and_tokens_are_in_no_file_of_the_deployment(deployment) -> None:
    secret = "zanzibar-marmalade-4711"
    with deployment.http(deployment.token) as client:
        body = {"model": "demo", "messages": [{"role": "user", "content": secret}], "max_tokens": 1}
        assert client.post("/v1/chat/completions", json=body).status_code == 200
        refused = client.post("/v1/chat/completions", content=json.dumps({**body, "max_tokens": "many"}))
        assert refused.status_code == 400
    files = [path for path in deployment.home.rglob("*") if path.is_file() and path.name != "local.token"]
    for path in (*files, deployment.log):
        content = path.read_bytes()
        assert secret.encode() not in content, path
        assert deployment.token.encode() not in content, path
