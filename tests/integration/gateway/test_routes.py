"""Every route of the catalogue, asked without identity, with a wrong role and with a right one; and what the record says of it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from deepseek_local.access import Risk
from deepseek_local.policy import routes
from deepseek_local.policy.routes import Route
from tests.integration.gateway.conftest import Door, wait_until
from tests.support.route_requests import content_of, path_of

pytestmark = pytest.mark.integration

Records = Mapping[str, list[Mapping[str, Any]]]
RIGHTS = {
    "olga": (("inference_",), "execute"),
    "ann": (("model_",), "read"),
    "canary": (("inference_chat", "inference_completion"), "execute"),
}
"""How the resources begin, and the action, that the shipped policy allows."""


class Answer(NamedTuple):
    route: Route
    status: int
    request_id: str


class Asked(NamedTuple):
    """All routes, asked by one principal."""

    answers: list[Answer]
    records: Records
    reached: set[str]
    """Request ids that the engine saw."""


def ask(door: Door, route: Route, token: str | None) -> Answer:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if route.method == routes.WEBSOCKET:
        return Answer(route, *dial(door, path_of(route), headers))
    content = content_of(route)
    if content is not None:
        headers["content-type"] = content[0]
    response = door.client.request(route.method, path_of(route), headers=headers, content=content and content[1])
    return Answer(route, response.status_code, response.headers["x-request-id"])


def dial(door: Door, path: str, headers: dict[str, str]) -> tuple[int, str]:
    try:
        with connect(f"ws://127.0.0.1:{door.port}{path}", additional_headers=headers, proxy=None) as conversation:
            response = conversation.response
            conversation.send("hello")
            conversation.recv()
    except InvalidStatus as error:
        response = error.response
    assert response is not None
    return response.status_code, response.headers["x-request-id"]


def ask_all(door: Door, token: str | None) -> Asked:
    answers = [ask(door, route, token) for route in routes.CATALOGUE]
    wait_until(lambda: all(len(found) == 2 for found in allowed(door).values()), "all outcomes are recorded")
    return Asked(answers, by_request(door), {seen.id for seen in door.engine.seen})


def by_request(door: Door) -> Records:
    found = defaultdict(list)
    for record in door.sequencer.records():
        if record["kind"] in {"decision", "outcome"}:
            found[record["req"]].append(record)
    return found


def allowed(door: Door) -> Records:
    return {name: found for name, found in by_request(door).items() if found[0]["dec"] == "allow"}


def assert_refused(asked: Asked, answer: Answer, status: int, reason: str) -> None:
    (record,) = asked.records[answer.request_id]
    found = (answer.status, record["kind"], record["dec"], record["reason"], record["status"])
    assert found == (status, "decision", "deny", reason, status), answer.route
    assert answer.request_id not in asked.reached, answer.route


def assert_let_through(asked: Asked, answer: Answer, status: int) -> None:
    decision, outcome = asked.records[answer.request_id]
    access = answer.route.access
    assert (answer.status, decision["kind"], decision["dec"]) == (status, "decision", "allow"), answer.route
    assert (decision["route"], decision["obj"], decision["act"]) == (
        f"{answer.route.method} {access.route}",
        access.resource,
        access.action,
    )
    assert (outcome["kind"], outcome["status"]) == ("outcome", status)
    assert answer.request_id in asked.reached, answer.route


def assert_unasked(asked: Asked, answer: Answer) -> None:
    """Only a probe is answered whoever asks, and leaves no record."""
    assert (answer.route.access.route, answer.status) == ("/health", 200)
    assert (answer.request_id in asked.records, answer.request_id in asked.reached) == (False, True)


def assert_by_risk(asked: Asked, answer: Answer) -> None:
    if answer.route.access.risk is Risk.PUBLIC:
        assert_unasked(asked, answer)
    else:
        assert_refused(asked, answer, 404, "no_route")


def test_without_identity_no_route_is_open(door: Door):
    asked = ask_all(door, None)
    for answer in asked.answers:
        if answer.route.access.risk is Risk.GUARDED:
            assert_refused(asked, answer, 401, "unauthenticated")
        else:
            assert_by_risk(asked, answer)


@pytest.mark.parametrize("name", RIGHTS)
def test_with_a_role_only_its_routes_are_open(door: Door, name: str):
    prefixes, action = RIGHTS[name]
    asked = ask_all(door, getattr(door, name))
    for answer in asked.answers:
        access = answer.route.access
        if access.risk is not Risk.GUARDED:
            assert_by_risk(asked, answer)
        elif access.resource.startswith(prefixes) and access.action == action:
            assert_let_through(asked, answer, 101 if answer.route.method == routes.WEBSOCKET else 200)
        else:
            assert_refused(asked, answer, 403, "forbidden")


def test_an_admin_reaches_every_route_that_a_rule_can_open(door: Door):
    asked = ask_all(door, door.root)
    for answer in asked.answers:
        if answer.route.access.risk is Risk.GUARDED:
            assert_let_through(asked, answer, 101 if answer.route.method == routes.WEBSOCKET else 200)
        else:
            assert_by_risk(asked, answer)
