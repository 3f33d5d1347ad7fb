"""Questions written by hand: read exactly or refused with what would be right."""

import pytest

from deepseek_local.access import Risk, Strength
from deepseek_local.policy import questions


def test_a_route_means_what_the_catalogue_says():
    question = questions.ask("u:alice", "POST /v1/chat/completions", ["model=deepseek-67b", "stream=true", "hour=22"])
    assert (question.access.resource, question.access.action) == ("inference_chat", "execute")
    assert question.attributes == {"model": "deepseek-67b", "stream": True, "hour": 22}
    assert (question.principal.name, question.principal.tenant) == ("u:alice", None)


def test_a_resource_without_a_route_can_be_asked_for():
    access = questions.ask("s:batch", "audit_log:read", []).access
    assert (access.resource, access.action, access.risk) == ("audit_log", "read", Risk.GUARDED)


def test_tenant_and_strength_belong_to_the_credential_too():
    principal = questions.ask("u:alice", "model_list:read", ["tenant=radiology", "auth_strength=3"]).principal
    assert (principal.tenant, principal.strength) == ("radiology", Strength.CERTIFICATE)


def test_a_question_is_written_as_it_is_read():
    assert str(questions.ask("u:alice", "audit_log:read", [])) == "u:alice, audit_log:read"
    question = questions.ask("u:alice", "GET /v1/models", ["stream=false", "ip=10.0.0.5"])
    assert str(question) == "u:alice, GET /v1/models, stream=false ip=10.0.0.5"


@pytest.mark.parametrize(
    ("name", "request_text", "words", "part"),
    [
        ("alice", "model_list:read", [], "'alice' is no principal"),
        ("", "model_list:read", [], "'' is no principal"),
        ("u:alice", "POST /v1//models", [], "the catalogue has no route"),
        ("u:alice", "/v1/models", [], "is no request"),
        ("u:alice", "model_list:fly", [], "is no request"),
        ("u:alice", "model_list:*", [], "is no request"),
        ("u:alice", "*:read", [], "is no request"),
        ("u:alice", "", [], "is no request"),
        ("u:alice", "model_list:read", ["color=red"], "attribute 'color' is unknown"),
        ("u:alice", "model_list:read", ["hour"], "attribute hour has no value"),
        ("u:alice", "model_list:read", ["model="], "attribute model has no value"),
        ("u:alice", "model_list:read", ["hour=1", "hour=2"], "attribute hour is given twice"),
        ("u:alice", "model_list:read", ["hour=24"], "attribute hour can never be '24', it is 0 to 23"),
        ("u:alice", "model_list:read", ["hour=-1"], "is a whole number"),
        ("u:alice", "model_list:read", ["hour=٣"], "is a whole number"),
        ("u:alice", "model_list:read", ["stream=yes"], "is true or false"),
        ("u:alice", "model_list:read", ["auth_strength=4"], "it is 1 to 3"),
        ("u:alice", "model_list:read", ["ip=10.0.0"], "it is an address"),
        ("u:alice", "model_list:read", ["tenant=*"], "it is a lower-case letter"),
    ],
)
def test_what_is_no_question_is_refused_with_what_would_be_one(
    name: str, request_text: str, words: list[str], part: str
):
    with pytest.raises(ValueError, match=r".") as caught:
        questions.ask(name, request_text, words)
    assert part in str(caught.value)
