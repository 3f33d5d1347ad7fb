"""The catalogue: exact on method and path, and deaf to every second spelling."""

from hypothesis import assume, given
from hypothesis import strategies as st

from deepseek_local.access import Body, Risk
from deepseek_local.policy import routes

KNOWN = sorted({(route.method, route.access.route) for route in routes.CATALOGUE})
EXACT = [(method, path) for method, path in KNOWN if "{" not in path]


def test_health_is_the_only_public_route():
    public = [(route.method, route.access.route) for route in routes.CATALOGUE if route.access.risk is Risk.PUBLIC]
    assert public == [("GET", "/health")]


def test_no_route_is_listed_twice():
    assert len(KNOWN) == len(routes.CATALOGUE)


def test_every_known_route_is_found():
    for method, path in EXACT:
        access = routes.match(method, path)
        assert access is not None
        assert access.route == path


def test_a_variable_part_takes_one_segment():
    access = routes.match("GET", "/v1/responses/resp_0a-B")
    assert access is not None
    assert (access.route, access.resource, access.action) == ("/v1/responses/{id}", "responses_store", "read")
    for part in ("", "..", ".", "a/b", "a%2fb", "a b", "ä", "a\0", "a" * 129, "a\n"):
        assert routes.match("GET", f"/v1/responses/{part}") is None


def test_dangerous_routes_and_aliases_can_never_be_opened():
    closed = {route.access.route for route in routes.CATALOGUE if route.access.risk is Risk.NEVER}
    assert {
        "/invocations",
        "/collective_rpc",
        "/openapi.json",
        "/inference/v1/generate",
        "/adapters",
        "/sleep",
    } <= closed


def test_inference_routes_expect_a_json_body():
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/tokenize"):
        access = routes.match("POST", path)
        assert access is not None
        assert access.body is Body.JSON


def test_another_method_is_another_route():
    assert routes.match("GET", "/v1/chat/completions") is None
    assert routes.match("OPTIONS", "/v1/chat/completions") is None
    assert routes.match("HEAD", "/health") is None
    assert routes.match("post", "/v1/chat/completions") is None
    assert routes.match("GET", "/v1/realtime") is None
    assert routes.match("WEBSOCKET", "/v1/realtime") is not None


@given(st.sampled_from(EXACT), st.data())
def test_no_other_spelling_of_a_known_path_matches(known: tuple[str, str], data: st.DataObject):
    method, path = known
    position = data.draw(st.integers(0, len(path)))
    inserted = data.draw(
        st.sampled_from(["/", "/.", "/./", "/../", "%2f", "%76", "\0", "\n", " ", "ä", ";", "?", "#", "//x/.."])
    )
    assume((method, spelled := path[:position] + inserted + path[position:]) not in EXACT)
    # `/v1/responses/` plus harmless characters is a path of its own; none of the insertions is harmless.
    assert routes.match(method, spelled) is None


@given(st.sampled_from(EXACT), st.data())
def test_upper_case_matches_nothing(known: tuple[str, str], data: st.DataObject):
    method, path = known
    letters = [index for index, character in enumerate(path) if character.isalpha()]
    index = data.draw(st.sampled_from(letters))
    assert routes.match(method, path[:index] + path[index].upper() + path[index + 1 :]) is None


@given(
    st.sampled_from(EXACT),
    st.sampled_from(["http://host{}", "//host{}", "{}/", "{}//", "/x/..{}", "{}?", "{}%00", "/%2e{}"]),
)
def test_a_decorated_path_matches_nothing(known: tuple[str, str], decoration: str):
    method, path = known
    assert routes.match(method, decoration.format(path)) is None
