"""helpers: what a guard asks goes to the helper and nowhere else, over real connections, sync and async."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import Blocked, Call, GuardFailed, Part, Unavailable, UpstreamError, Usage
from guards._helpers import Helper
from guards.judge import Judge
from guards.residency import Residency
from orchestrator import Orchestrator, World
from orchestrator.boundaries.helpers import LARGEST, Helping, heard, request
from orchestrator.testing import Ask, Plan, Step
from orchestrator.testing._stage import staged
from policies import Model, Policy, PolicyError, Price, explain, loads, worst_case
from tests.guards.test_judge import BAD, GOOD, moderated


class Handler(BaseHTTPRequestHandler):
    """Answers by the path: what a helper would of a text that may or may not pass, or a failure."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, dict[str, str], Any]]] = []

    def log_message(self, *args: Any) -> None: ...

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
        bad = "pirate" in json.dumps(body)
        if self.path == "/moderations":
            self.send(200, moderated(bad, **({"violence": 0.9} if bad else {})))
        elif self.path.endswith("/chat/completions"):
            format_ = "typed" if "response_format" in body else "second"
            message = {
                "role": "assistant",
                "reasoning_content": "unsafe",
                "content": (BAD if bad else GOOD)[format_],
            }
            usage = {"prompt_tokens": 7, "completion_tokens": 3}
            self.send(
                200, json.dumps({"choices": [{"message": message}], "usage": usage, "model": "guard-1"})
            )
        elif self.path == "/plain?v=1":
            self.send(200, json.dumps({"result": [{"flagged": bad}]}))
        elif self.path == "/slow":
            self.server.stopping.wait(10)  # type: ignore[attr-defined]
            self.close_connection = True
        elif self.path == "/endless":
            self.send(200, "x" * (LARGEST + 1))
        elif self.path == "/bytes":
            self.send(200, "x", b"\xff\xfe")
        else:
            self.send(503, "{}")

    def send(self, status: int, text: str, content: bytes = b"") -> None:
        content = content or text.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    def __init__(self, *args: Any) -> None:
        self.stopping = threading.Event()
        super().__init__(*args)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.stopping.set()
        serving.shutdown()
        thread.join()


SHAPES: dict[str, dict[str, Any]] = {
    "moderation": {"shape": "moderation"},
    "typed": {"shape": "chat", "model": "m", "options": {"max_tokens": 50}},
    "llama": {"shape": "chat", "model": "guard", "format": "llama_guard"},
    "http": {"shape": "http", "pointer": "/result/0/flagged", "body": {"in": {"q": "judge {text}"}, "v": 1}},
}


def gate_of(server: str, name: str, guard: Judge | None = None, **more: Any) -> Orchestrator:
    where = f"{server}/plain?v=1" if name == "http" else server
    helper = Helper(**{"url": where} | SHAPES[name] | more)
    return Orchestrator(Policy.of(model=[guard or Judge(ttl=0.0)], helpers={"judge": helper}))


@pytest.mark.parametrize("name", SHAPES)
def test_sync_and_async_get_the_same_verdicts_from_a_real_server(server: str, name: str) -> None:
    gate = gate_of(server, name)

    @gate.model("m")
    def model(prompt: str) -> str:
        return f"about {prompt}"

    @gate.model("m")
    async def amodel(prompt: str) -> str:
        return f"about {prompt}"

    async def both(text: str) -> Any:
        try:
            return await amodel(text)
        except Blocked as error:
            return str(error)
        finally:
            await gate.helpers.aclose()

    assert model("tea") == asyncio.run(both("tea")) == "about tea"
    with pytest.raises(Blocked) as blocked:
        model("a pirate song")
    assert asyncio.run(both("a pirate song")) == str(blocked.value)


def test_a_helper_is_sent_the_text_in_its_own_shape_with_its_key(
    server: str, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-1")
    (tmp_path / "key").write_text("sk-2\n", encoding="utf-8")
    sent: dict[str, Any] = {}
    for name, more in {
        "moderation": {"key_env": "JUDGE_KEY"},
        "typed": {"key_file": str(tmp_path / "key")},
        "llama": {},
        "http": {"key_env": "JUDGE_KEY", "key_header": "x-api-key"},
    }.items():
        gate_of(server, name, **more).model("m")(lambda prompt: "ok")("some tea")
        sent[name] = Handler.asked[-1]
    path, headers, body = sent["moderation"]
    assert (path, headers["authorization"]) == ("/moderations", "Bearer sk-1")
    assert body == {"model": "omni-moderation-latest", "input": "some tea"}
    path, headers, body = sent["typed"]
    assert (path, headers["authorization"]) == ("/chat/completions", "Bearer sk-2")
    assert (body["model"], body["max_tokens"]) == ("m", 50)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "some tea" not in json.dumps(body)  # its words are joined by a sign
    assert body["response_format"]["json_schema"]["strict"] is True
    assert sent["llama"][2]["messages"] == [{"role": "user", "content": "some tea"}]
    path, headers, body = sent["http"]
    assert (path, headers["x-api-key"]) == ("/plain?v=1", "sk-1")
    assert body == {"in": {"q": "judge some tea"}, "v": 1}
    assert "authorization" not in headers


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=30))
def test_any_text_can_be_sent(text: str) -> None:
    call = Call(kind="model", target="m", via="judge", parts=(Part(text=text),))
    asked = request(Helper(shape="moderation"), call)
    sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(asked.body)["input"] == sound


@pytest.mark.parametrize("path", ["/broken", "/endless", "/bytes", "/slow"])
@pytest.mark.parametrize("driver", ["sync", "async"])
def test_a_helper_that_fails_leaves_the_call_unjudged(server: str, path: str, driver: str) -> None:
    helper = Helper(shape="http", url=server + path)
    notes: list[Any] = []
    policy = Policy.of(model=[Judge(seconds=0.1 if path == "/slow" else 5.0)], helpers={"judge": helper})
    gate = Orchestrator(policy, world=World(sink=notes.append))

    @gate.model("m")
    async def amodel(prompt: str) -> str:
        return "passed"

    async def run() -> str:
        try:
            return await amodel("tea")
        finally:
            await gate.helpers.aclose()

    with pytest.raises(Unavailable) as unjudged:
        gate.model("m")(lambda prompt: "passed")("tea") if driver == "sync" else asyncio.run(run())
    (cause,) = unjudged.value.earlier
    assert isinstance(cause, UpstreamError)
    assert (cause.target, cause.status) == ("judge", 503 if path == "/broken" else None)
    assert (cause.kind == "timeout") == (path == "/slow")
    assert "tea" not in repr(notes)


def test_nobody_there_is_a_broken_connection() -> None:
    helper = Helper(shape="http", url="http://127.0.0.1:9")
    gate = Orchestrator(Policy.of(model=[Judge()], helpers={"judge": helper}))
    with pytest.raises(Unavailable) as unjudged:
        gate.model("m")(lambda prompt: "passed")("tea")
    assert unjudged.value.earlier[0].retryable


def test_a_helper_s_tokens_count_and_cost(server: str) -> None:
    spent: list[Any] = []
    price = Price(input=1.0, output=10.0)
    helper = Helper(shape="chat", url=server, model="m", price=price)
    gate = Orchestrator(Policy.of(model=[Judge()], helpers={"judge": helper}), world=World(sink=spent.append))
    gate.model("m")(lambda prompt: "ok")("tea")
    (asked, _) = [event for event in spent if event.what == "call"]
    assert (asked.data["usage"], asked.data["cost"]) == (Usage(input=7, output=3), 37e-6)


FUNCTIONS = Policy.of(model=[Judge(ttl=0.0)], helpers={"judge": Helper(shape="function")})


@pytest.mark.parametrize("answer", [True, 0.9, "unsafe", "true"])
def test_a_function_of_the_program_can_be_the_judge(answer: Any) -> None:
    gate = Orchestrator(FUNCTIONS)
    heard = []

    @gate.helper("judge")
    def judge(text: str) -> Any:
        heard.append(text)
        return answer if "pirate" in text else False

    guarded = gate.model("m")(lambda prompt: "ok")
    assert guarded("tea") == "ok"
    with pytest.raises(Blocked):
        guarded("pirate")
    assert heard == ["tea", "pirate"]


def test_an_async_function_judges_async_calls_only() -> None:
    gate = Orchestrator(FUNCTIONS)

    @gate.helper("judge")
    async def judge(text: str) -> bool:
        await asyncio.sleep(0)
        return "pirate" in text

    @gate.model("m")
    async def model(prompt: str) -> str:
        return "ok"

    assert asyncio.run(model("tea")) == "ok"
    with pytest.raises(Blocked):
        asyncio.run(model("pirate"))
    with pytest.raises(GuardFailed, match="its function is async"):
        gate.model("m")(lambda prompt: "ok")("tea")


def test_a_crash_of_the_judge_s_function_is_a_failure_without_its_words() -> None:
    gate = Orchestrator(FUNCTIONS)

    @gate.helper("judge")
    def judge(text: str) -> bool:
        raise KeyError(text)

    with pytest.raises(Unavailable) as unjudged:
        gate.model("m")(lambda prompt: "ok")("secret")
    assert "secret" not in str(unjudged.value) + repr(unjudged.value.detail()) + str(unjudged.value.earlier)


def test_a_helper_that_is_not_ready_stops_the_call_even_where_a_failing_judge_passes(
    monkeypatch: Any,
) -> None:
    def problem(helper: Helper | None, name: str = "judge") -> str:
        call = Call(kind="model", target="m", via=name, parts=(Part(text="x"),))
        with pytest.raises(GuardFailed) as failed:
            Helping({"judge": helper} if helper else {}).ask(call)
        return str(failed.value)

    monkeypatch.setenv("BROKEN_KEY", "two\nlines")
    monkeypatch.delenv("NO_KEY", raising=False)
    assert "declares no such helper" in problem(None)
    assert "gate.helper('judge')" in problem(Helper(shape="function"))
    assert "NO_KEY holds no key" in problem(Helper(shape="moderation", key_env="NO_KEY"))
    broken = problem(Helper(shape="moderation", key_env="BROKEN_KEY"))
    assert "holds no key" in broken
    assert "two" not in broken
    assert "cannot be read" in problem(Helper(shape="moderation", key_file="/no/such/file"))
    policy = Policy.of(model=[Judge(on_error="pass")], helpers={"judge": Helper(shape="function")})
    with pytest.raises(GuardFailed):
        Orchestrator(policy).model("m")(lambda prompt: "ok")("tea")


def test_only_a_declared_function_can_be_registered() -> None:
    gate = Orchestrator(Policy.of(helpers={"mod": Helper(shape="moderation")}))
    for name, declared in (("mod", "as moderation"), ("x", "not at all")):
        with pytest.raises(ValueError, match=declared):
            gate.helper(name)(str)


def test_staged_a_helper_meets_the_plan_as_the_model_does() -> None:
    gate = Orchestrator(FUNCTIONS)
    function = gate.model("m")(lambda prompt: "never")
    plan = Plan(asks=(Ask(text="tea"),), steps=(Step(text="false"), Step(text="fine")))
    with staged(function, plan) as met:
        assert function("tea") == "fine"
    assert [call.via for call in met.calls] == ["judge", ""]


def test_calls_made_in_a_helper_lie_inside_the_run() -> None:
    gate = Orchestrator(FUNCTIONS)
    depths = []

    @gate.tool("lookup")
    def lookup(text: str) -> str:
        from orchestrator._engine.session import current

        depths.append(current().depth)
        return text

    @gate.helper("judge")
    def judge(text: str) -> bool:
        return lookup(text) == "pirate"

    assert gate.model("m")(lambda prompt: "ok")("tea") == "ok"
    assert depths[0] >= 1


def test_a_policy_file_declares_helpers_and_finds_mistakes(tmp_path: Path) -> None:
    policy = loads(
        """
wardline: 1
helpers:
  judge: {shape: chat, url: "https://host/v1", model: guard-4, format: llama_guard, key_file: key,
          price: {input: 0.1, output: 0.2}, region: eu}
  second: {shape: moderation, key_env: OPENAI_API_KEY}
model:
  - {use: judge, at: [call, reply], categories: [hate, self_harm], on_error: other, other: second}
""",
        folder=tmp_path,
    )
    assert policy.helpers["judge"].key_file == str(tmp_path / "key")
    assert policy.helpers["judge"].facts.region == "eu"
    assert policy.model[0].guard.categories == ("hate", "self_harm")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("helpers", "place", "why"),
    [
        ("[judge]", ":3:10:", "should be a mapping of names to helpers"),
        ("{judge: {shape: moderation, kye_env: X}}", "helpers.judge.kye_env", "did you mean 'key_env'"),
        ("{judge: {shape: chat, url: 'http://x'}}", "helpers.judge", "needs `model`"),
        ("{jduge: {shape: function}}", "model.0", "unknown helper 'judge'; there are jduge"),
    ],
)
def test_a_mistake_in_a_helper_is_found_where_it_stands(helpers: str, place: str, why: str) -> None:
    with pytest.raises(PolicyError) as wrong:
        loads(f"wardline: 1\nname: x\nhelpers: {helpers}\nmodel:\n  - {{use: judge}}\n")
    assert place in str(wrong.value)
    assert why in str(wrong.value)


def test_inherited_helpers_can_be_replaced_and_the_picture_shows_them(tmp_path: Path) -> None:
    base = "wardline: 1\nhelpers:\n  judge: {shape: moderation}\nmodel:\n  - {use: judge}\n"
    (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
    again = "wardline: 1\nextends: base.yaml\nhelpers:\n  judge: {shape: function}\n"
    first, second = loads(base), loads(again, folder=tmp_path)
    assert second.helpers["judge"].shape == "function"
    assert first.digest != second.digest
    assert "helper judge: function, function, price none" in explain(second)
    judged = worst_case(second, "model", "m")
    assert (judged.attempts, judged.seconds) == (2.0, float("inf"))


def test_what_a_model_thinks_before_is_no_verdict() -> None:
    message = {"role": "assistant", "content": None, "reasoning_content": "safe"}
    helper = Helper(shape="chat", url="http://x/v1", model="m", format="llama_guard")
    with pytest.raises(ValueError, match="no chat completion with a text"):
        heard(helper, json.dumps({"choices": [{"message": message}]}).encode())
    with pytest.raises(ValueError, match="no chat completion"):
        heard(helper, b"[]")
    said = {"message": {**message, "content": "unsafe"}}
    assert heard(helper, json.dumps({"choices": [said]}).encode()).text == "unsafe"


def test_a_helper_s_region_counts_as_a_model_s() -> None:
    def gate(region: str) -> Orchestrator:
        helpers = {"judge": Helper(shape="function", region=region)}
        policy = Policy.of(
            model=[Judge(), Residency(default=("eu",))],
            helpers=helpers,
            models={"m": Model(id="m", region="eu")},
        )
        made = Orchestrator(policy)
        made.helper("judge")(lambda text: False)
        return made

    assert gate("eu").model("m")(lambda prompt: "ok")("tea") == "ok"
    with pytest.raises(Unavailable):
        gate("us").model("m")(lambda prompt: "ok")("tea")
