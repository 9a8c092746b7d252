"""As much of JSON Schema as schema.json uses."""

from collections.abc import Iterator
from typing import Any


def check_schema(schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
    """Yield how `value` breaks a JSON schema; ValueError for a keyword that this does not know."""
    unknown = set(schema) - {
        *("$schema", "title", "description", "type", "enum", "minLength"),
        *("required", "properties", "additionalProperties", "items"),
    }
    if unknown:
        raise ValueError(f"schema.json uses {sorted(unknown)}, which the validator does not check")
    types = {"object": dict, "array": list, "string": str, "boolean": bool}
    if "type" in schema and not isinstance(value, types[schema["type"]]):
        yield f"{where}: not of type {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if len(value) < schema.get("minLength", 0) if isinstance(value, str) else False:
        yield f"{where}: empty"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key in schema.get("required", []):
            if key not in value:
                yield f"{where}: {key} is missing"
        for key, each in value.items():
            if key in known:
                yield from check_schema(known[key], each, f"{where}.{key}")
            elif schema.get("additionalProperties") is False:
                yield f"{where}: {key} is no key of a row"
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from check_schema(schema.get("items", {}), each, f"{where}[{number}]")
