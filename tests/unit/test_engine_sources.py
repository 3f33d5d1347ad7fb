"""The reader of route declarations misses none that vLLM's way of writing them allows, and stops at one that it cannot read."""

from pathlib import Path

import engine_sources
import pytest


def scanned(directory: Path, source: str) -> list[str]:
    (directory / "api_router.py").write_text(source)
    return engine_sources.scan(directory)


@pytest.mark.parametrize(
    ("source", "routes"),
    [
        ('@router.post("/a")\ndef f(): ...', ["POST /a"]),
        ('@router.post("/a")\n@router.get("/a")\nasync def f(): ...', ["GET /a", "POST /a"]),
        ('def attach(app):\n    @app.get("/docs", x=1)\n    def f(): ...', ["GET /docs"]),
        ('@self.render_router.delete("/a/{name}")\ndef f(): ...', ["DELETE /a/{}"]),
        ('@router.websocket("/w")\ndef f(): ...', ["WEBSOCKET /w"]),
        ('router.add_api_route("/a", f, methods=["POST", "PUT"])', ["POST /a", "PUT /a"]),
        ('router.add_api_route(path="/a", endpoint=f)', ["GET /a"]),
        ('app.mount("/static", files)', ["GET /static"]),
        ('app.routes.append(Mount("/metrics", other))', ["GET /metrics"]),
        ('session.get("/a"); values.get("b"); request.app.state.get("c")', []),
    ],
)
def test_a_declaration_is_read(tmp_path: Path, source: str, routes: list[str]):
    assert scanned(tmp_path, source) == routes


@pytest.mark.parametrize(
    "source",
    ["router.get(PATH)(f)", 'router.get(f"/a/{x}")(f)', 'APIRouter(prefix="/v1")', 'router.get("a")(f)'],
)
def test_a_declaration_that_cannot_be_read_is_an_error_with_its_place(tmp_path: Path, source: str):
    with pytest.raises(ValueError, match=r"^api_router\.py:1: "):
        scanned(tmp_path, source)


def test_other_servers_are_left_out(tmp_path: Path):
    (tmp_path / "benchmarks").mkdir()
    assert scanned(tmp_path / "benchmarks", '@app.get("/a")\ndef f(): ...') == ["GET /a"]
    assert engine_sources.scan(tmp_path) == []
