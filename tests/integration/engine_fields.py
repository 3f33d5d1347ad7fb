"""
Print, as JSON lines, every field of every request model that the installed vLLM reads on a route with a JSON body.

Run as a program of its own, like `engine_routes`, whose conditions it shares.
"""

import json
import types
import typing

from engine_routes import CONDITIONS, built, name_the_cpu_build
from pydantic import BaseModel


def models(annotation: object) -> list[type[BaseModel]]:
    """Return the models that an annotation names, on its own, in a union or in `Annotated`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in {typing.Union, types.UnionType, typing.Annotated}:
        return [model for argument in typing.get_args(annotation) for model in models(argument)]
    return []


def main() -> None:
    name_the_cpu_build()
    for condition in CONDITIONS:
        for route in built(condition).routes:
            for parameter in getattr(getattr(route, "dependant", None), "body_params", ()):
                for model in models(parameter.field_info.annotation):
                    names = {name: field.alias for name, field in model.model_fields.items()}
                    print(json.dumps([route.path, model.__name__, sorted({*names, *filter(None, names.values())})]))


if __name__ == "__main__":
    main()
