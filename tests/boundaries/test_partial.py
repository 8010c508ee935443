"""A guarded stream of text as values that grow: sync, async, methods, provider chunks."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from guards import Call, Event, Flow, Invalid, Reply
from guards.mask import Mask
from guards.schema import Schema
from orchestrator import Orchestrator, World
from policies import Policy


class Person(BaseModel):
    name: str
    tags: list[str] = []


TEXT = '{"name": "Ann", "tags": ["a", "b"]}'
GROWN = [
    {"name": "Ann"},
    {"name": "Ann", "tags": ["a"]},
    {"name": "Ann", "tags": ["a", "b"]},
    {"name": "Ann", "tags": ["a", "b"]},
]


def gate(*guards: Any, **more: Any) -> Orchestrator:
    return Orchestrator(Policy.of(model=guards), **more)


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text, **more}, "finish_reason": None}]}


def shapes(text: str) -> list[list[Any]]:
    return [
        list(text),
        [chat("", reasoning_content='{"name": "no"}'), *map(chat, text)],
        [{"type": "content_block_delta", "index": 0, "delta": {"text": one}} for one in text],
    ]


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_a_stream_of_any_shape_gives_partial_values_and_last_the_typed_one(shape: int) -> None:
    @gate().model("m", returns=Person, partial=True)
    def ask(prompt: str) -> Iterator[Any]:
        yield from shapes(TEXT)[shape]

    @gate().model("m", returns=Person, partial=True)
    async def aask(prompt: str) -> AsyncIterator[Any]:
        for chunk in shapes(TEXT)[shape]:
            yield chunk

    async def all_of() -> list[Any]:
        return [value async for value in aask("hi")]

    for values in (list(ask("hi")), asyncio.run(all_of())):
        assert [dict(value) for value in values[:-1]] == GROWN
        assert values[-1] == Person(name="Ann", tags=["a", "b"])


def test_the_policy_s_own_schema_is_used_and_mask_gives_back_inside_the_values() -> None:
    schema = {"type": "object", "properties": {"mail": {"type": "string"}, "n": {"type": "integer"}}}

    @gate(Schema(schema), Mask()).model("m", partial=True)
    def ask(prompt: str) -> Iterator[str]:
        assert "ann@example.com" not in prompt
        yield from json.dumps({"mail": prompt.rpartition(" ")[2], "n": 1})

    values = [dict(value) for value in ask("write to ann@example.com")]
    assert values == [{"mail": "ann@example.com"}] + [{"mail": "ann@example.com", "n": 1}] * 2


def test_a_stream_that_does_not_fit_ends_in_a_structured_error() -> None:
    @gate().model("m", returns=Person, partial=True)
    def ask(prompt: str) -> Iterator[str]:
        yield '{"name": "Ann", "tags": [{}'
        yield "]}"

    values = ask("hi")
    assert next(values) == {"name": "Ann"}
    with pytest.raises(Invalid) as caught:
        next(values)
    assert (caught.value.target, caught.value.boundary) == ("m", "model")
    assert caught.value.partial == '{"name": "Ann", "tags": [{}]}'


def whole(call: Call) -> Flow:
    """A guard that needs the whole reply."""
    from dataclasses import replace

    reply: Reply = yield replace(call, stream=False)
    return reply


def test_a_stream_that_another_guard_asks_to_have_whole_is_judged_and_asked_for_again() -> None:
    texts = iter(["no", TEXT])
    events: list[Event] = []

    @gate(whole, world=World(sink=events.append)).model("m", returns=Person, partial=True)
    def ask(prompt: str) -> Iterator[str]:
        yield from next(texts)

    assert list(ask("hi"))[-1] == Person(name="Ann", tags=["a", "b"])
    assert [event.what for event in events] == ["call", "re-asked", "call", "repaired", "crossed"]


def test_leaving_a_stream_early_closes_what_it_comes_from() -> None:
    closed = []

    class Client:
        @gate().model("m", partial=True)
        @staticmethod
        def ask(prompt: str) -> Iterator[str]:
            try:
                yield from TEXT
            finally:
                closed.append(prompt)

    for _ in Client.ask("hi"):
        break
    assert closed == ["hi"]


def test_what_is_no_generator_has_no_partial_values() -> None:
    with pytest.raises(TypeError, match="make the function a generator"):
        gate().model("m", partial=True)(lambda prompt: "x")  # type: ignore[type-var]


def test_structured_output_is_asked_for_where_the_function_takes_it_and_nobody_chose() -> None:
    seen: list[Any] = []
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}

    @gate(Schema(schema)).model("m")
    def ask(prompt: str, response_format: Any = None) -> str:
        seen.append(response_format)
        return '{"a": 1}'

    @gate(Schema(schema)).model("m")
    def plain(prompt: str) -> str:
        return '{"a": 1}'

    assert ask("hi") == plain("hi") == '{"a": 1}'
    ask("hi", response_format={"type": "json_object"})
    assert seen[0]["json_schema"]["schema"] == schema
    assert seen[1] == {"type": "json_object"}
