"""The function boundary: any function, any argument, one way across the line."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from guards import (
    Blocked,
    Call,
    Denied,
    Event,
    Exhausted,
    Flow,
    Guard,
    Part,
    Reply,
    Run,
    UpstreamError,
    Usage,
    screen,
)
from orchestrator import Orchestrator, VirtualClock, World, arun, bind, chain, run
from orchestrator._engine.session import current
from orchestrator.testing import say
from tests.engine.example_guards import Again, Stamp, Words


@dataclass
class Rules:
    """The part of a policy that an orchestrator needs."""

    both: tuple[Guard, ...] = ()
    models: Any = None
    only: str = "*"
    helpers: Any = field(default_factory=dict)

    def guards(self, kind: str, target: str) -> tuple[Guard, ...]:
        return self.both if self.only in ("*", target) else ()


def gate(*guards: Guard, **more: Any) -> Orchestrator:
    return Orchestrator(Rules(guards), **more)  # type: ignore[arg-type]


def shout(call: Call) -> Flow:
    reply: Reply = yield call.rewrite(lambda part: part.text.upper())
    return reply.rewrite(lambda part: part.text + "!")


def reask_once(call: Call) -> Flow:
    first: Reply = yield replace(call, stream=False)
    said = Part(text=first.text, role="assistant")
    again: Reply = yield replace(call, stream=False).add(said, Part(text="again", role="user"))
    return again


class Person(BaseModel):
    name: str
    age: int = 3


@dataclass
class Order:
    note: str
    lines: list[dict[str, Any]]


ARGUMENTS: list[tuple[Any, Any]] = [
    ("a", "A"),
    ([{"role": "user", "content": "a"}], [{"role": "user", "content": "A"}]),
    (
        [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "n": 1}]}],
        [{"role": "user", "content": [{"type": "text", "text": "A"}, {"type": "image", "n": 1}]}],
    ),
    ({"q": ["a", {"deep": ("b", 1)}]}, {"q": ["A", {"deep": ("B", 1)}]}),
    (Person(name="a"), Person(name="A")),
    (Order("a", [{"x": "b"}]), Order("A", [{"x": "B"}])),
]


# Chat messages are for models; to a tool, they are data like any other.
KINDS = [
    (kind, *case)
    for kind in ("model", "tool")
    for case in ARGUMENTS
    if kind == "model" or "role" not in str(case)
]


@pytest.mark.parametrize(("kind", "argument", "expected"), KINDS)
@pytest.mark.parametrize("way", ["positional", "keyword"])
def test_every_string_of_the_arguments_is_content(kind: str, argument: Any, expected: Any, way: str) -> None:
    @getattr(gate(shout), kind)("m")
    def echo(value: Any, extra: int = 1, *, more: Any = None) -> Any:
        assert value == expected
        return value

    @getattr(gate(shout), kind)("m")
    async def aecho(value: Any, extra: int = 1, *, more: Any = None) -> Any:
        return value

    args, kwargs = ((argument,), {}) if way == "positional" else ((), {"value": argument})
    assert asyncio.run(aecho(*args, **kwargs)) == echo(*args, **kwargs)


def test_an_untouched_argument_is_the_same_object() -> None:
    seen = []

    @gate(Stamp("")).tool("t")
    def keep(value: Any, *rest: Any, **named: Any) -> Any:
        seen.append((value, rest, named))
        return value

    value = {"a": ["x"]}
    assert keep(value, value, other=value) is value
    assert all(one is value for one in (seen[0][0], seen[0][1][0], seen[0][2]["other"]))


@given(
    st.lists(st.text(max_size=3), max_size=4),
    st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), st.text(max_size=3)),
)
def test_arguments_bind_as_python_binds_them(args: list[str], kwargs: dict[str, str]) -> None:
    def one(a: str, b: str = "B", c: str = "C") -> Any:
        return a, b, c

    def two(a: str, /, b: str = "B", *rest: str, c: str, d: str = "D", **named: str) -> Any:
        return a, b, rest, c, d, named

    for function in (one, two):
        wrapped = gate(shout).tool("t")(function)
        try:
            expected = function(*[a.upper() for a in args], **{k: v.upper() for k, v in kwargs.items()})
        except TypeError:
            with pytest.raises(TypeError):
                wrapped(*args, **kwargs)
        else:
            got = gate(upper).tool("t")(function)(*args, **kwargs)
            assert repr(got).upper() == repr(expected).upper()


def upper(call: Call) -> Flow:
    reply: Reply = yield call.rewrite(lambda part: part.text.upper())
    return reply


def test_methods_static_and_class_methods_keep_their_owner_out_of_it() -> None:
    it = gate(shout)

    @dataclass
    class Client:
        secret: str

        @it.model("m")
        def ask(self, prompt: str) -> str:
            return f"{self.secret} {prompt}"

        @it.model("m")
        @classmethod
        def of(cls, prompt: str) -> str:
            return f"{cls.__name__} {prompt}"

        @it.model("m")
        @staticmethod
        def plain(prompt: str) -> str:
            return prompt

    client = Client("s3cret")
    assert client.ask("hi") == "s3cret HI!"
    assert client.secret == "s3cret"
    assert client.of("hi") == "Client HI!"
    assert Client.plain("hi") == "HI!"


def test_a_function_keeps_its_name_and_signature() -> None:
    @gate().model("m")
    def ask(prompt: str, *, n: int = 1) -> str:
        """Asks."""
        return prompt

    assert (ask.__name__, ask.__doc__) == ("ask", "Asks.")
    assert str(inspect.signature(ask)) == "(prompt: str, *, n: int = 1) -> str"


QUOTED = "Your previous reply was, between the lines:\n---\nanswer\n---"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"messages": [{"role": "user", "content": "q"}]},
            [{"role": "user", "content": "q"}, {"role": "assistant"}, {"role": "user", "content": "again"}],
        ),
        ({"messages": "q"}, None),
    ],
)
def test_a_re_ask_goes_to_the_messages_where_there_are_any(arguments: Any, expected: Any) -> None:
    seen: list[Any] = []

    @gate(reask_once).model("m")
    def ask(messages: Any, system: str = "be kind") -> str:
        seen.append(messages)
        return "answer"

    assert ask(**arguments) == "answer"
    if expected is None:
        assert seen[1] == f"q\n\n{QUOTED}\n\nagain"
    else:
        assert [m["role"] for m in seen[1]] == [m["role"] for m in expected]
        assert seen[1][1]["content"] == "answer"
        assert seen[1][0] is seen[0][0]


def test_a_re_ask_goes_to_the_argument_that_was_named() -> None:
    seen: list[Any] = []

    @gate(reask_once).model("m", prompt="question")
    def ask(style: str, question: str) -> str:
        seen.append((style, question))
        return "answer"

    ask("short", "why?")
    assert seen[1] == ("short", f"why?\n\n{QUOTED}\n\nagain")
    with pytest.raises(TypeError, match="no parameter 'qestion'; it has style, question"):
        gate().model("m", prompt="qestion")(lambda style, question: "")


def test_a_re_ask_without_a_place_is_refused() -> None:
    @gate(reask_once).model("m")
    def ask(form: dict[str, str]) -> str:
        return "answer"

    with pytest.raises(Denied, match="name one with prompt="):
        ask({"a": "b"})


def test_a_model_call_without_text_is_refused_and_a_tool_call_is_not() -> None:
    @gate(shout).model("m")
    def ask(number: int) -> str:
        raise AssertionError

    @gate(shout).tool("t")
    def add(number: int) -> int:
        return number + 1

    with pytest.raises(Denied, match="without any text; pass it in one of: number"):
        ask(1)
    assert add(1) == 2
    with pytest.raises(TypeError, match="needs a parameter that holds the prompt"):
        gate().model("m")(lambda: "")


def openai_reply(text: str) -> dict[str, Any]:
    return {
        "id": "abc",
        "model": "gpt-x",
        "choices": [
            {
                "index": 0,
                "finish_reason": "length",
                "message": {
                    "role": "assistant",
                    "content": text,
                    "tool_calls": [{"id": "t1", "function": {"name": "f", "arguments": '{"a": "b"}'}}],
                },
            }
        ],
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 5},
        },
    }


def anthropic_reply(text: str) -> dict[str, Any]:
    return {
        "id": "msg",
        "type": "message",
        "model": "claude-x",
        "stop_reason": "max_tokens",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": text},
            {"type": "tool_use", "id": "u", "name": "f", "input": {"a": "b"}},
        ],
        "usage": {
            "input_tokens": 4,
            "output_tokens": 7,
            "cache_read_input_tokens": 5,
            "cache_creation_input_tokens": 2,
        },
    }


def responses_reply(text: str) -> dict[str, Any]:
    return {
        "id": "resp",
        "model": "gpt-x",
        "output": [
            {"type": "message", "content": [{"type": "output_text", "text": text}]},
            {"type": "function_call", "name": "f", "arguments": '{"a": "b"}'},
        ],
        "usage": {"input_tokens": 11, "output_tokens": 7, "input_tokens_details": {"cached_tokens": 5}},
    }


@pytest.mark.parametrize("shape", [openai_reply, anthropic_reply, responses_reply])
def test_provider_objects_are_read_and_patched_in_their_text_alone(shape: Callable[[str], Any]) -> None:
    seen: list[Reply] = []

    def look(call: Call) -> Flow:
        reply: Reply = yield call
        seen.append(reply)
        return reply.rewrite(lambda part: part.text.replace("hello", "goodbye"))

    @gate(look).model("m")
    def ask(prompt: str) -> Any:
        return shape("hello")

    assert ask("hi") == shape("goodbye")
    assert seen[0].usage == Usage(input=11, output=7, cached=5)
    assert seen[0].model in ("gpt-x", "claude-x")
    assert seen[0].finish == ("" if shape is responses_reply else "length")
    assert [part.name for part in seen[0].parts if part.kind == "tool_call"] == ["f"]


def test_real_provider_objects_read_like_their_json() -> None:
    from orchestrator.boundaries import _shapes

    class Message(BaseModel):
        role: str = "assistant"
        content: str = "hello"
        tool_calls: None = None

    class Choice(BaseModel):
        index: int = 0
        finish_reason: str = "stop"
        message: Message = Message()

    class Completion(BaseModel):
        model: str = "gpt-x"
        choices: list[Choice] = [Choice()]
        usage: None = None

    reply = _shapes.heard(Completion())
    assert (reply.text, reply.finish, reply.usage, reply.plain) == ("hello", "stop", Usage(), False)

    @gate(shout).model("m")
    def ask(prompt: str) -> Completion:
        return Completion()

    assert ask("hi").choices[0].message.content == "hello!"


def test_messages_know_who_said_what() -> None:
    from orchestrator.boundaries import _shapes

    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "t"},
        {"role": "stranger", "content": "x"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "2", "name": "g", "input": {"a": "i"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "2", "content": "r"}]},
    ]
    parts = list(_shapes.asked("messages", messages))
    assert [(p.text, p.role, p.kind, p.origin) for p in parts] == [
        ("s", "system", "text", "trusted"),
        ("u", "user", "text", "user"),
        ("{}", "assistant", "tool_call", "untrusted"),
        ("t", "tool", "tool_result", "untrusted"),
        ("x", "user", "text", "user"),
        ("i", "assistant", "tool_call", "untrusted"),
        ("r", "tool", "tool_result", "untrusted"),
    ]
    assert [p.role for p in _shapes.asked("system", "be kind")] == ["system"]


def test_a_tool_s_own_exception_passes_unchanged_and_a_model_s_is_named() -> None:
    class Own(Exception):
        pass

    mistake = Own("message")
    mistake.__cause__ = KeyError("why")

    def fails(text: str) -> str:
        raise mistake

    with pytest.raises(Own) as raised:
        gate(shout).tool("t")(fails)("x")
    assert raised.value is mistake
    assert isinstance(mistake.__cause__, KeyError)
    with pytest.raises(UpstreamError, match="m failed: Own") as named:
        gate(shout).model("m")(fails)("x")
    assert named.value.__cause__ is mistake
    clock = VirtualClock()
    slow = gate(Timed(), world=World(clock=clock)).tool("t")(lambda text: clock.advance(7))
    with pytest.raises(UpstreamError, match="timeout"):
        slow("x")


@dataclass(frozen=True)
class Timed:
    def __call__(self, call: Call) -> Flow:
        reply: Reply = yield replace(call, timeout=5.0)
        return reply


def test_what_would_pass_unseen_is_refused() -> None:
    async def later(text: str) -> str:
        return text

    for result in (lambda text: later(text), lambda text: iter([text])):
        with pytest.raises(Denied, match="declare the function async, or as a generator"):
            gate(shout).tool("t")(result)("x")


def test_an_empty_policy_is_not_in_the_way_but_a_deadline_is() -> None:
    clock = VirtualClock()
    it = gate(world=World(clock=clock))

    @it.tool("t")
    def slow() -> str:
        clock.advance(10)
        return "done"

    assert slow() == "done"
    with it.session(timeout=5), pytest.raises(Exhausted, match="deadline"):
        slow()

    @it.tool("t")
    async def aslow() -> str:
        return "done"

    assert asyncio.run(aslow()) == "done"


# --- streams


def pieces(*chunks: Any) -> Any:
    def plain(prompt: str) -> Iterator[Any]:
        yield from chunks

    async def later(prompt: str) -> AsyncIterator[Any]:
        for chunk in chunks:
            yield chunk

    return plain, later


def both_ways(it: Orchestrator, *chunks: Any) -> list[Any]:
    """What a generator and an async generator give through the gate; they agree."""
    plain, later = pieces(*chunks)

    async def gathered() -> list[Any]:
        return [chunk async for chunk in it.model("m")(later)("hi")]

    def end(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:
            return type(error), getattr(error, "partial", None)

    first = end(lambda: list(it.model("m")(plain)("hi")))
    assert end(lambda: asyncio.run(gathered())) == first
    return first  # type: ignore[no-any-return]


def openai_chunk(text: str | None, index: int = 0) -> dict[str, Any]:
    return {
        "id": "c",
        "choices": [{"index": index, "delta": {"content": text} if text else {"role": "assistant"}}],
    }


def anthropic_chunk(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def test_streams_flow_through_their_filters() -> None:
    it = gate(screen(Words(), then="redact"))
    assert "".join(both_ways(it, "x a", "b y")) == "x - y"
    assert both_ways(gate(), "x", "y") == ["x", "y"]
    assert both_ways(gate(Stamp("")), "", "y") == ["", "y"]
    assert both_ways(it) == []


def test_provider_chunks_keep_their_shape_and_their_channels() -> None:
    it = gate(screen(Words(), then="redact"))
    chunks = [
        openai_chunk(None),
        openai_chunk("a"),
        openai_chunk("b", 1),
        openai_chunk("b"),
        openai_chunk("a ", 1),
    ]
    out = both_ways(it, *chunks)
    assert out[0] == chunks[0]
    texts = ["", ""]
    for chunk in out:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts == ["-", "- "]

    start = {"type": "message_start", "message": {"id": "aa"}}
    out = both_ways(it, start, anthropic_chunk("a"), anthropic_chunk("b "))
    assert out[0] == start
    assert "".join(chunk["delta"]["text"] for chunk in out[1:]) == "- "

    response = {"type": "response.output_text.delta", "output_index": 0, "delta": "ab "}
    assert "".join(chunk["delta"] for chunk in both_ways(it, response)) == "- "

    tool = {
        "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "ab "}}]}}]
    }
    out = both_ways(it, tool)
    assert "".join(c["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for c in out) == "- "


def test_a_blocked_stream_ends_with_an_error_and_what_had_passed() -> None:
    assert both_ways(gate(screen(Words(2))), "....... ", "....... ab .......") == (Blocked, "....")


def test_chunks_that_cannot_be_read_are_refused() -> None:
    assert both_ways(gate(screen(Words())), 1, 2)[0] is Denied
    assert both_ways(gate(), 1, 2) == [1, 2]


def test_a_stream_that_a_guard_needs_whole_is_collected_and_replayed() -> None:
    assert both_ways(gate(reask_once), "a", "b") == ["ab"]
    out = both_ways(gate(reask_once, Stamp("!")), openai_chunk(None), openai_chunk("a"), openai_chunk("b"))
    assert [c["choices"][0]["delta"].get("content") for c in out] == [None, "ab!", ""]

    def canned(call: Call) -> Flow:
        return say("canned", raw=None)
        yield call

    assert both_ways(gate(canned), "a") == ["canned"]


def test_a_stream_is_tried_again_only_before_its_first_text() -> None:
    tries: list[int] = []

    def flaky(prompt: str) -> Iterator[Any]:
        tries.append(1)
        yield openai_chunk(None)
        if len(tries) == 1:
            raise ConnectionError
        yield openai_chunk("ok")
        raise ConnectionError

    world = World(clock=VirtualClock())
    stream = gate(Again(3), world=world).model("m")(flaky)("hi")
    assert [next(stream), next(stream)] == [openai_chunk(None), openai_chunk("ok")]
    with pytest.raises(UpstreamError):
        next(stream)
    assert len(tries) == 2


def test_a_stream_ends_at_its_deadline_and_a_tool_s_own_error_is_its_own() -> None:
    clock = VirtualClock()
    it = gate(Stamp(""), world=World(clock=clock))

    @it.tool("t")
    def slow(text: str) -> Iterator[str]:
        yield "a"
        clock.advance(9)
        yield "b"

    session = it.session(timeout=5)
    with pytest.raises(Exhausted) as raised, session:
        list(slow("x"))
    assert raised.value.target == "t"

    @it.tool("t")
    def fails(text: str) -> Iterator[str]:
        yield "a"
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        list(fails("x"))


def test_a_stream_that_is_left_closes_its_source() -> None:
    closed: list[str] = []

    @gate(Stamp("")).model("m")
    def plain(prompt: str) -> Iterator[str]:
        try:
            while True:
                yield "a"
        finally:
            closed.append("plain")

    @gate(Stamp("")).model("m")
    async def later(prompt: str) -> AsyncIterator[str]:
        try:
            while True:
                yield "a"
        finally:
            closed.append("later")

    stream = plain("x")
    next(stream)
    stream.close()  # type: ignore[attr-defined]

    async def main() -> None:
        flow = later("x")
        await anext(flow)
        await flow.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())
    assert closed == ["plain", "later"]


# --- whose request it is


def test_a_session_is_carried_into_tasks_threads_and_nested_calls() -> None:
    import threading

    it = gate(world=World(clock=VirtualClock()))
    seen: list[Run] = []

    @it.tool("t")
    def note() -> None:
        seen.append(current())

    async def main() -> None:
        async with it.session(
            request_id="r", user="u", roles=["agent"], tags={"a": "1"}, timeout=10
        ) as outer:
            await asyncio.gather(*(asyncio.to_thread(note) for _ in range(2)))
            worker = threading.Thread(target=bind(note))
            worker.start()
            worker.join()
            with it.session(region="eu", session="s", tags={"b": "2"}, timeout=99):
                note()
            assert seen[:3] == [replace(outer, depth=1)] * 3

    asyncio.run(main())
    inner = seen[3]
    assert (inner.request_id, inner.user, inner.roles) == ("r", "u", frozenset({"agent"}))
    assert (inner.region, inner.session, inner.deadline) == ("eu", "s", 10)
    assert dict(inner.tags) == {"a": "1", "b": "2"}
    assert current().request_id != current().request_id
    assert current().user == ""


def test_roles_are_a_collection() -> None:
    with pytest.raises(TypeError, match=r"write roles=\['admin'\]"):
        gate().session(roles="admin")


def test_sessions_may_nest_in_themselves_and_be_used_again() -> None:
    session = gate().session(user="u")
    with session, session:
        assert current().user == "u"
    assert current().user == ""


# --- the orchestrator


def test_chains_are_made_once_for_each_target() -> None:
    it = Orchestrator(Rules((shout,), only="m"))  # type: ignore[arg-type]
    assert it.chain("model", "m") is it.chain("model", "m")
    assert it.chain("model", "m").guards == (shout,)
    assert it.chain("tool", "other").guards == ()


def test_a_policy_s_prices_are_charged() -> None:
    class Dear:
        def cost(self, usage: Usage) -> float:
            return usage.output * 2.0

    events: list[Event] = []
    it = Orchestrator(Rules(models={"m": Dear()}), world=World(sink=events.append))  # type: ignore[arg-type]
    it.model("m")(lambda prompt: openai_reply("x"))("hi")
    it.model("n")(lambda prompt: openai_reply("x"))("hi")
    assert [event.data["cost"] for event in events if event.what == "call"] == [14.0, None]


def test_a_function_is_told_what_it_may_be_asked_again() -> None:
    seen: list[Any] = []

    def look(call: Call) -> Flow:
        seen.append(call.options.get("idempotent"))
        reply: Reply = yield call
        return reply

    gate(look).tool("t", idempotent=True)(str)("x")
    gate(look).tool("t")(lambda text: text)("x")
    assert seen == [True, None]


def test_a_function_that_returns_a_type_gives_the_validated_value() -> None:
    from guards.schema import Schema

    answers = iter(["no", '```\n{"name": "ann", "age": 4}\n```', '{"name": "bob"}'])

    @gate().model("m", returns=Person)
    def ask(prompt: str) -> str:
        return next(answers)

    @gate(Schema(attempts=0)).model("m", returns=Person)
    async def aask(prompt: str) -> str:
        return next(answers)

    assert ask("hi") == Person(name="ann", age=4)
    assert asyncio.run(aask("hi")) == Person(name="bob")
    with pytest.raises(UpstreamError, match="m failed: StopIteration"):
        ask("hi")


def test_an_async_model_s_failure_is_named() -> None:
    @gate(shout).model("m")
    async def ask(prompt: str) -> str:
        raise ConnectionError

    with pytest.raises(UpstreamError, match="m failed: connection"):
        asyncio.run(ask("hi"))


def test_a_guard_that_adds_nothing_new_leaves_the_arguments_be() -> None:
    def rewrites(call: Call) -> Flow:
        reply: Reply = yield replace(call, parts=tuple(replace(part) for part in call.parts))
        return reply

    seen: list[Any] = []
    value = {"a": ["x"]}
    gate(rewrites).tool("t")(seen.append)(value)
    assert seen[0] is value


def test_drivers_may_be_used_without_an_orchestrator() -> None:
    async def perform(call: Call) -> Reply:
        return say(call.text)

    call = Call(kind="tool", target="t", parts=(Part(text="x"),))
    assert run(chain([shout]), call, lambda call: say(call.text)).text == "X!"
    assert asyncio.run(arun(shout, call, perform)).text == "X!"


# --- what an adversary found


def masked(*chunks: Any, **settings: Any) -> list[Any]:
    from guards.mask import Mask

    it = gate(Mask(entities=("EMAIL_ADDRESS",), **settings))

    @it.model("m")
    def ask(prompt: str) -> Iterator[Any]:
        yield from chunks

    return list(ask("ann@example.com"))


def test_what_tools_take_and_give_is_content_whatever_its_keys_are_called() -> None:
    from orchestrator.boundaries import _shapes

    inside = {"id": "a", "status": "b", "name": "c", "type": "d", "content": [{"role": "e"}]}
    messages = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "-", "name": "-", "input": inside}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "-", "content": [{"json": inside}]}],
        },
    ]
    found = [part.text for part in _shapes.asked("messages", messages)]
    assert found == ["a", "b", "c", "d", "e"] * 2


def test_a_text_that_a_stream_repeats_is_filtered_too() -> None:
    pieces = [{"type": "response.output_text.delta", "output_index": 0, "delta": d} for d in ("x a", "b")]
    done = {"type": "response.output_text.done", "output_index": 0, "text": "x ab"}
    assert both_ways(gate(screen(Words(2))), *pieces, done)[0] is Blocked
    redacted = both_ways(gate(screen(Words(), then="redact")), *pieces, done)
    assert redacted[-1]["text"] == "x -"  # what was held back comes before what closes
    assert "".join(chunk.get("delta", "") for chunk in redacted) == "x -"
    out = masked({"type": "response.output_text.done", "text": "to <EMAIL_ADDRESS_1>"})
    assert out[0]["text"] == "to ann@example.com"
    whole = masked({"type": "response.output_text.done", "text": "to bob@example.com"}, new="redact")
    assert whole[0]["text"] == "to <EMAIL_ADDRESS>"
    with pytest.raises(Denied, match="cannot be read"):
        masked({"text": "bob@example.com"}, new="redact")


def test_a_choice_ends_with_all_of_its_text_and_its_usage_once() -> None:
    text = openai_chunk("<EMAIL_ADDRESS_")
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"n": 1}}
    out = masked(text, openai_chunk("1"), last)
    assert out[-1] == last
    said = "".join(c["choices"][0]["delta"].get("content", "") for c in out)
    assert said == "ann@example.com"
    both = {"choices": [{"index": n, "delta": {"content": "<EMAIL_"}} for n in (0, 1)], "usage": {"n": 1}}
    assert sum(chunk["usage"] is not None for chunk in masked(both)) == 1
    closing = {"choices": [{"index": 0, "delta": {"content": "<EMAIL_ADDRESS_1"}, "finish_reason": "stop"}]}
    assert masked(closing)[0]["choices"][0]["delta"]["content"] == "ann@example.com"
    block = anthropic_chunk("<EMAIL_ADDRESS_1")
    stop = {"type": "content_block_stop", "index": 0}
    assert masked(block, stop)[-1] == stop


def test_what_nobody_can_look_at_is_refused() -> None:
    class Message:
        role, content = "user", "ann@example.com"

    @gate(shout).model("m")
    def ask(messages: Any, more: Any = None) -> str:
        raise AssertionError

    with pytest.raises(Denied, match="a message of type Message cannot be read"):
        ask([{"role": "user", "content": "hi"}, Message()])
    with pytest.raises(Denied, match="more is read only once"):
        ask("hi", iter(["ann@example.com"]))


def test_a_stream_that_stalls_ends_at_its_deadline() -> None:
    @gate(Stamp("")).model("m")
    async def stalls(prompt: str) -> AsyncIterator[str]:
        yield "a"
        await asyncio.Event().wait()

    release = __import__("threading").Event()

    @gate(Stamp("")).model("m")
    def hangs(prompt: str) -> Iterator[str]:
        yield "a"
        release.wait(10)

    async def main() -> list[str]:
        with gate().session(timeout=0.05):
            return [chunk async for chunk in stalls("hi")]

    with pytest.raises(Exhausted, match="deadline"):
        asyncio.run(main())
    with gate().session(timeout=0.05), pytest.raises(Exhausted, match="deadline"):
        list(hangs("hi"))
    release.set()


def test_a_timeout_longer_than_any_clock_is_no_timeout() -> None:
    ask = gate(Stamp("")).model("m")(lambda prompt: prompt)
    for timeout in (float("inf"), 1e12):
        with gate().session(timeout=timeout):
            assert ask("hi") == "hi"


def test_older_function_calls_and_blocks_of_content_are_read() -> None:
    def reply(text: str) -> dict[str, Any]:
        return {
            "choices": [
                {
                    "message": {
                        "content": [{"type": "text", "text": text}],
                        "function_call": {"name": "f", "arguments": text},
                    }
                }
            ]
        }

    ask = gate(shout).model("m")(lambda prompt: reply("x"))
    assert ask("hi") == reply("x!")
