"""arguments: what reaches a tool fits its schema, holds no placeholder, and what does not fit is refused."""

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from guards import Call, Denied, Exhausted, Invalid, Part, Run
from guards._body import leaves
from guards.arguments import Arguments
from guards.mask import Mask
from orchestrator import Orchestrator, VirtualClock, World
from orchestrator.testing import play, say
from policies import Policy, load, loads
from tests.guards.schemas import JSON, SCHEMAS

SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["amount"],
    "additionalProperties": False,
}
RUN = Run(request_id="r", session="s")
SECRET = "ann@example.com"


def tool(arguments: Any, target: str = "pay", schema: Any = None, run: Run = RUN) -> Call:
    parts = tuple(Part(text=text, at=at, kind="tool_call") for at, text in leaves(arguments))
    options = {} if schema is None else {"parameters": schema}
    return Call(kind="tool", target=target, parts=parts, raw=arguments, options=options, run=run)


def left(call: Call) -> Any:
    """What a boundary would call the tool with."""
    from guards._arguments import arguments

    return arguments(call)


@settings(max_examples=200, deadline=None)
@given(
    SCHEMAS, st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON, max_size=3), st.booleans(), st.booleans()
)
@example({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": "5"}, False, False)
@example({"type": "object", "properties": {"a": {"type": "boolean"}}}, {"a": "true"}, True, False)
def test_arguments_that_reach_a_tool_satisfy_its_schema(
    schema: Any, arguments: dict[str, Any], as_text: bool, lossy: bool
) -> None:
    raw = json.dumps(arguments) if as_text else arguments
    outcome = play(
        Arguments(lossy=lossy), tool(raw, schema={"$defs": {"shared": {}}, **_object(schema)}), [say("")]
    )
    event("refused" if outcome.error else "passed")
    if outcome.error is not None:
        assert isinstance(outcome.error, Invalid)
        assert not outcome.calls
        return
    sent = left(outcome.calls[0])
    assert isinstance(sent, dict)
    assert Draft202012Validator({"$defs": {"shared": {}}, **_object(schema)}).is_valid(sent)


def _object(schema: Any) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {"not": {}} if schema is False else {}


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["amount", "note", "other"]), JSON, max_size=3))
def test_arguments_that_fit_are_left_as_they_are(arguments: dict[str, Any]) -> None:
    outcome = play(Arguments(), tool(arguments, schema=SCHEMA), [say("")])
    if Draft202012Validator(SCHEMA).is_valid(arguments):
        assert outcome.calls[0].raw is arguments
    elif outcome.calls:
        assert left(outcome.calls[0]) != arguments


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"amount": "5"}, {"amount": 5}),
        ({"Amount": 5, "note": "x"}, {"amount": 5, "note": "x"}),
        ("{\"amount\": 5, note: 'x',}", {"amount": 5, "note": "x"}),
        ('```json\n{"amount": 5}\n```', {"amount": 5}),
    ],
)
def test_a_repair_loses_nothing_and_is_recorded_without_content(given: Any, sent: dict[str, Any]) -> None:
    outcome = play(Arguments(), tool(given, schema=SCHEMA), [say("")])
    assert left(outcome.calls[0]) == sent
    assert [part.text for part in outcome.calls[0].parts] == [v for v in sent.values() if isinstance(v, str)]
    assert "repaired" in [event.what for event in outcome.events]
    assert SECRET not in repr(outcome.events)
    assert isinstance(play(Arguments(repair=False), tool(given, schema=SCHEMA), []).error, Invalid)


def test_what_a_repair_would_lose_is_refused_unless_the_policy_lets_it() -> None:
    given = {"amount": 5, "other": SECRET}
    assert isinstance(play(Arguments(), tool(given, schema=SCHEMA), []).error, Invalid)
    outcome = play(Arguments(lossy=True), tool(given, schema=SCHEMA), [say("")])
    assert left(outcome.calls[0]) == {"amount": 5}


def test_a_refusal_tells_the_model_what_is_needed_and_quotes_nothing() -> None:
    error = play(Arguments(), tool({"amount": SECRET, SECRET: 1}, schema=SCHEMA), []).error
    assert isinstance(error, Invalid)
    assert "no valid arguments after 1 attempts" in str(error)
    assert "/amount: integer" in str(error)
    assert SECRET not in str(error) + json.dumps(error.detail())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([1, "no"]), max_size=8), st.none() | st.integers(0, 3))
def test_a_run_may_correct_itself_so_many_times_and_no_more(amounts: list[Any], attempts: int | None) -> None:
    guard, world, wrong = Arguments(attempts=attempts), World(clock=VirtualClock()), 0
    for amount in amounts:
        outcome = play(guard, tool({"amount": amount}, schema=SCHEMA), [say("")], world=world)
        if amount == 1:
            assert outcome.error is None
            continue
        wrong += 1
        beyond = attempts is not None and wrong > attempts
        assert isinstance(outcome.error, Exhausted if beyond else Invalid)
        assert beyond or outcome.error.tries == wrong
    other = tool({"amount": "no"}, schema=SCHEMA, run=Run(request_id="other"))
    assert attempts == 0 or isinstance(play(guard, other, [], world=world).error, Invalid)


WORDS = st.text(alphabet='ab"\\\n<>1_', max_size=6)


@settings(max_examples=100, deadline=None)
@given(
    WORDS,
    WORDS,
    st.sampled_from(["session", "tenant"]),
    st.booleans(),
    st.sampled_from([SECRET, 'x"y@example.com']),
)
def test_placeholders_that_the_vault_knows_never_reach_a_tool(
    before: str, after: str, scope: Any, as_text: bool, value: str
) -> None:
    world = World(clock=VirtualClock())
    run = Run(request_id="r", session="s", tags={"tenant": "t"})
    asked = Call(kind="model", target="m", parts=(Part(text=value),), run=run)
    mask = Mask(entities=("EMAIL_ADDRESS",), deny=(value,), scope=scope, nlp="none")
    (sent,) = play(mask, asked, [say("")], world=world).calls
    placeholder = sent.text
    assert value not in placeholder
    said = f"{before} {placeholder} {after}"
    given: Any = {"note": said, "amount": 1}
    call = tool(json.dumps(given) if as_text else given, schema=SCHEMA, run=run)
    (reached,) = play(Arguments(), call, [say("")], world=world).calls
    note = left(reached)["note"]
    assert value in note
    assert placeholder not in note
    stranger = Run(request_id="q", session="z", tags={"tenant": "y"})
    (kept,) = play(Arguments(), tool({"note": said, "amount": 1}, run=stranger), [say("")], world=world).calls
    assert left(kept)["note"] == said


def test_what_a_tool_answers_is_untrusted() -> None:
    reply = play(Arguments(), tool({}), [replace(say("hi"), parts=(Part(text="hi"),))]).reply
    assert reply is not None
    assert [part.origin for part in reply.parts] == ["untrusted"]


def test_the_first_schema_that_names_a_tool_counts_and_one_that_nobody_knows_may_be_refused() -> None:
    guard = Arguments(schemas={"pay": SCHEMA, "p*": False}, unknown="refuse")
    assert play(guard, tool({"amount": 1}, schema=False), [say("")]).error is None
    assert isinstance(play(guard, tool({}, "post"), []).error, Invalid)
    assert isinstance(play(guard, tool({}, "see"), []).error, Denied)
    assert isinstance(play(guard, tool([]), []).error, Invalid)


@dataclass
class Payment:
    amount: int


def test_a_schema_may_be_a_type_or_a_file(tmp_path: Any) -> None:
    typed = Arguments(schemas={"pay": f"{__name__}:Payment"})
    (call,) = play(typed, tool({"amount": 5}), [say("")]).calls
    assert left(call) == {"amount": 5}
    assert isinstance(play(typed, tool({"amount": "x"}), []).error, Invalid)
    (tmp_path / "pay.json").write_text(json.dumps(SCHEMA))
    policy = tmp_path / "p.yaml"
    policy.write_text("wardline: 1\ntool:\n  - {use: arguments, schemas: {pay: pay.json}}\n")
    assert isinstance(play(load(policy).guards("tool", "pay")[0], tool({}), []).error, Invalid)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("attempts: -1", "at least 0"),
        ("repair: false, lossy: true", "does nothing"),
        ("schemas: {a: 1}", "a"),
    ],
)
def test_a_wrong_setting_is_refused(keys: str, problem: str) -> None:
    with pytest.raises(Exception, match=problem):
        loads(f"wardline: 1\ntool:\n  - {{use: arguments, {keys}}}\n")


GATE = Orchestrator(Policy.of(tool=[Arguments()]))


@dataclass
class Line:
    item: str
    count: int = 1


NOTHING = object()


def book(
    amount: int,
    when: date,
    lines: list[Line] = NOTHING,  # type: ignore[assignment]  # a default that its own hint does not take
    note: str = None,  # type: ignore[assignment]  # noqa: RUF013
    unhinted=None,  # type: ignore[no-untyped-def]
    odd: object = NOTHING,
) -> Any:
    return {"amount": amount, "when": when, "lines": lines, "note": note, "unhinted": unhinted, "odd": odd}


@GATE.tool("book")
async def abook(amount: int, when: date, note: str | None = None) -> Any:
    return [amount, when.isoformat(), note]


def test_a_function_s_hints_are_its_schema() -> None:
    guarded = GATE.tool("book")(book)
    day, anything = date(2026, 1, 2), object()
    assert guarded(5, day) == book(5, day)
    assert guarded(5, day, unhinted=anything, odd=anything) == book(5, day, unhinted=anything, odd=anything)
    from_model = {"amount": "5", "when": "2026-01-02", "lines": [{"item": "a", "count": "2"}]}
    assert guarded(**from_model) == book(5, day, [Line("a", 2)])  # type: ignore[arg-type]
    for wrong in (
        {"amount": 1, "when": day, "lines": [{}]},
        {"amount": "x", "when": day},
        {"amount": 1},
        {"amount": 1, "when": day, "more": 1},
    ):
        with pytest.raises(Invalid):
            guarded(**wrong)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["amount", "when", "note", "more"]),
        JSON | st.sampled_from(["5", "2026-01-02", 7, date(2026, 1, 2)]),
        max_size=4,
    )
)
@example({"amount": "5", "when": "2026-01-02"})
def test_sync_and_async_agree_on_what_a_tool_is_called_with(arguments: dict[str, Any]) -> None:
    @GATE.tool("book")
    def sync(amount: int, when: date, note: str | None = None) -> Any:
        return [amount, when.isoformat(), note]

    def ended(call: Any) -> Any:
        try:
            return call()
        except Invalid as error:
            return str(error), error.problems

    assert ended(lambda: sync(**arguments)) == ended(lambda: asyncio.run(abook(**arguments)))


def test_true_is_not_one_however_deep_it_stands() -> None:
    @GATE.tool("flags")
    def flags(whole: bool, each: list[bool], named: dict[str, list[bool]], pair: tuple[bool, int]) -> Any:
        return repr((whole, each, named, pair))

    meant = repr((True, [True], {"a": [False]}, (True, 1)))
    assert flags(1, [1], {"a": [0]}, (1, 1)) == meant  # type: ignore[arg-type]
    assert flags(True, [True], {"a": [False]}, (True, 1)) == meant


def test_methods_and_tools_that_take_anything_have_their_arguments_judged_by_name() -> None:
    class Shop:
        @GATE.tool("shop.pay")
        def pay(self, amount: int, *more: int, **named: str) -> Any:
            return self, amount, more, named

        @GATE.tool("shop.any", parameters=SCHEMA)
        def any(self, **arguments: Any) -> Any:
            return self, arguments

        @staticmethod
        def plain(amount: int) -> int:
            return amount

    shop = Shop()
    assert shop.pay(1, 2, x="y") == (shop, 1, (2,), {"x": "y"})
    assert shop.pay(amount="3") == (shop, 3, (), {})
    assert shop.any(amount="5", note="n") == (shop, {"amount": 5, "note": "n"})
    with pytest.raises(Invalid):
        shop.any(amount=5, more=1)
    assert GATE.tool("plain")(staticmethod(Shop.plain)).__func__("4") == 4


def test_a_function_that_is_not_judged_refuses_what_it_does_not_know_itself() -> None:
    policy = loads("wardline: 1\ntool:\n  - {use: arguments, mode: observe}\n")
    sync = Orchestrator(policy).tool("book")(book)
    with pytest.raises(TypeError, match="more"):
        sync(amount=1, when=date(2026, 1, 2), more=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="when"):
        sync(amount=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        sync(1)  # type: ignore[call-arg]


class Later:
    """Its method's hints cannot be read."""

    @GATE.tool("later")
    def run(self, what: "Unknown") -> Any:  # type: ignore[name-defined]  # noqa: F821
        return what


def test_hints_that_cannot_be_read_let_anything_pass() -> None:
    assert Later().run(3) == 3
    assert Later().run(what="3") == "3"
