"""Loading a policy: what it means, and every way in which it may be wrong, with place and cure."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import PolicyError
from guards._flow import Observe, Screen
from guards.retry import Retry
from policies import Policy, load, loads, shipped
from policies._when import When

PLUGGED = pytest.mark.usefixtures("plugged")
SECRET = "hunter2-" + "x" * 40


def chain(items: str, **more: str) -> Policy:
    return loads(f"wardline: 1\nmodel:\n{items}")


def refusal(text: str | bytes, **where: Any) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        loads(text, **where)
    return caught.value


WRONG = [
    # text, line, column, what is said
    ("model: []", 1, 1, "needs `wardline: 1`"),
    ("wardline: 2", 1, 11, "reads `wardline: 1`"),
    ("wardline: true", 1, 11, "reads `wardline: 1`"),
    ("wardline: '1'", 1, 11, "reads `wardline: 1`"),
    ("- wardline: 1", 1, 1, "should be a mapping, not a list"),
    ("hello", 1, 1, "should be a mapping, not a text"),
    ("", 1, 1, "the file is empty"),
    ("wardline: 1\nmodells: {}", 2, 1, "did you mean 'models'?"),
    ("wardline: 1\nname: [a]", 2, 7, "should be a text"),
    ("wardline: 1\nmodel:", 2, 7, "should be a list"),
    ("wardline: 1\nmodel: {use: retry}", 2, 8, "should be a list"),
    ("wardline: 1\nmodels: [small]", 2, 9, "should be a mapping"),
    ("wardline: 1\nmodel: [retry]", 2, 9, "write {use: retry}"),
    ("wardline: 1\nmodel: [3]", 2, 9, "written as a mapping"),
    ("wardline: 1\nmodel: [{attempts: 3}]", 2, 9, "needs `use`"),
    ("wardline: 1\nmodel: [{use: 3}]", 2, 15, "the name of a guard"),
    ("wardline: 1\nmodel: [{use: retyr}]", 2, 15, "did you mean 'retry'?"),
    ("wardline: 1\nmodel: [{use: retry, atempts: 3}]", 2, 22, "did you mean 'attempts'?"),
    (
        "wardline: 1\nmodel: [{use: retry, attempts: '3'}]",
        2,
        32,
        "a whole number, not a text (write it without",
    ),
    ("wardline: 1\nmodel: [{use: retry, attempts: true}]", 2, 32, "a whole number, not true or false"),
    ("wardline: 1\nmodel: [{use: retry, attempts: 2.5}]", 2, 32, "a whole number, not a fraction"),
    ("wardline: 1\nmodel: [{use: retry, attempts: ~}]", 2, 32, "a whole number, not nothing"),
    ("wardline: 1\nmodel: [{use: retry, attempts: {a: 1}}]", 2, 32, "a whole number, not a mapping"),
    ("wardline: 1\nmodel: [{use: retry, attempts: 0}]", 2, 32, "model.0.attempts"),
    ("wardline: 1\nmodel: [{use: retry, base: 30x}]", 2, 28, "write it like 30s"),
    ("wardline: 1\nmodel: [{use: retry, base: '1:30'}]", 2, 28, "is not a duration"),
    ("wardline: 1\nmodel: [{use: retry, jitter: ful}]", 2, 30, "did you mean 'full'?"),
    ("wardline: 1\nmodel: [{use: permit, tools: a}]", 2, 30, "put it in [brackets]"),
    ("wardline: 1\nmodel: [{use: permit, tools: [a, 3]}]", 2, 34, "should be a text"),
    ("wardline: 1\nmodel: [{use: retry, mode: obsrve}]", 2, 28, "did you mean 'observe'?"),
    ("wardline: 1\nmodel: [{use: retry, mode: off}]", 2, 28, "should be 'enforce' or 'observe'"),
    ("wardline: 1\nmodel: [{use: retry, at: [call]}]", 2, 22, "only a check takes `at`"),
    ("wardline: 1\nmodel: [{use: retry, then: warn}]", 2, 22, "only a check takes `then`"),
    ("wardline: 1\nmodel: [{use: retry, only: ''}]", 2, 28, "a glob is"),
    ("wardline: 1\nmodel: [{use: retry, only: [a, ' b']}]", 2, 32, "a glob is"),
    ("wardline: 1\nmodel: [{use: retry, only: 'a[b'}]", 2, 28, "not closed"),
    ("wardline: 1\nmodel: [{use: retry, only: 3}]", 2, 28, "should be a list"),
    ("wardline: 1\nmodel: [{use: retry, when: run.usr == 'a'}]", 2, 31, "did you mean 'run.user'?"),
    ("wardline: 1\nmodel: [{use: retry, when: run.user}]", 2, 28, "must be true or false"),
    ("wardline: 1\nmodel: [{use: retry, when: dyn(true)}]", 2, 28, "must be true or false"),
    ("wardline: 1\nmodel: [{use: retry, when: 1 == 'a'}]", 2, 30, "no matching overload"),
    ("wardline: 1\nmodel: [{use: retry, when: 'run.user =='}]", 2, 40, "ends too early"),
    ("wardline: 1\nmodel: [{use: retry, when: true}]", 2, 28, "should be a text"),
    ("wardline: 1\nmodel: [{use: retry, when: '" + "(" * 999 + "'}]", 2, 28, "too deep"),
    (
        "wardline: 1\nmodel:\n- use: retry\n  when: |\n    run.user == 'a' &&\n    run.rolez == 'b'",
        6,
        8,
        "run.roles",
    ),
    ("wardline: 1\nmodel: [inherit]", 2, 9, "nothing to inherit"),
    ("wardline: 1\nextends: defualt", 2, 10, "no shipped policy"),
    ("wardline: 1\nextends: ./nowhere.yaml", 2, 10, "no such file"),
    ("wardline: 1\nextends: [.]", 2, 11, "not a file"),
    ("wardline: 1\nextends: [3]", 2, 11, "should be the name"),
    ("wardline: 1\nextends: " + "x" * 5000 + ".yaml", 2, 10, "not a path"),
    ("wardline: 1\nmodels: {a: gpt}", 2, 13, "should be a mapping"),
    ("wardline: 1\nmodels: {a: {}}", 2, 13, "needs `id`"),
    ("wardline: 1\nmodels: {a: {id: ''}}", 2, 18, "id"),
    ("wardline: 1\nmodels: {a: {id: x, pirce: none}}", 2, 21, "did you mean 'price'?"),
    ("wardline: 1\nmodels: {a: {id: x, price: fre}}", 2, 28, "should be a mapping or 'auto' or 'none'"),
    ("wardline: 1\nmodels: {a: {id: x, price: {input: 1}}}", 2, 28, "needs `output`"),
    (
        "wardline: 1\nmodels: {a: {id: x, price: {input: 1, output: 2, cahced: 3}}}",
        2,
        50,
        "did you mean 'cached'?",
    ),
    ("wardline: 1\nmodels: {a: {id: x, price: {input: -1, output: 2}}}", 2, 28, "not negative"),
    ("wardline: 1\nmodels: {a: {id: no-such-model, price: auto}}", 2, 40, "`price: none`"),
    ("wardline: 1\nexamples: [{model: hi}]", 2, 12, "cannot fail"),
    ("wardline: 1\nexamples: [{expect: passes}]", 2, 12, "either a `model` or a `tool`"),
    ("wardline: 1\nexamples: [{model: a, tool: b, expect: passes}]", 2, 12, "either a `model` or a `tool`"),
    ("wardline: 1\nexamples: [{tool: a, target: b, expect: passes}]", 2, 12, "no other `target`"),
    ("wardline: 1\nexamples: [{model: a, arguments: {b: 1}, expect: passes}]", 2, 12, "`arguments`"),
    ("wardline: 1\nexamples: [{model: a, reply: b, replies: [c], expect: passes}]", 2, 12, "`reply`"),
    ("wardline: 1\nexamples: [{model: a, sends: ''}]", 2, 12, "empty text"),
    ("wardline: 1\nexamples: [{model: a, expect: deneid}]", 2, 31, "did you mean 'denied'?"),
    ("wardline: 1\nexamples: [{model: a, expects: denied}]", 2, 23, "did you mean 'expect'?"),
    ("wardline: 1\nexamples: [{model: a, line: 3, expect: denied}]", 2, 23, "unknown key"),
    ("wardline: 1\nexamples: [a]", 2, 12, "should be a mapping"),
    ("wardline: 1\nname: ${NO_SUCH_VARIABLE}", 2, 7, "NO_SUCH_VARIABLE is not set"),
    ("wardline: 1\nname: ${}", 2, 7, "is written ${NAME}"),
    ("wardline: 1\nname: ${A", 2, 7, "is written ${NAME}"),
    ("wardline: 1\nname: ${1A}", 2, 7, "is written ${NAME}"),
    ("wardline: 1\nname: ${A-B}", 2, 7, "is written ${NAME}"),
]


@pytest.mark.parametrize(("text", "line", "column", "said"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_policy_is_refused_with_place_cause_and_cure(
    text: str, line: int, column: int, said: str
) -> None:
    error = refusal(text, name="claims.yaml")
    assert said in str(error)
    assert (error.file, error.line, error.column) == ("claims.yaml", line, column)
    assert str(error).startswith(f"claims.yaml:{line}:{column}: ")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@PLUGGED
@pytest.mark.parametrize(
    ("item", "column", "said"),
    [
        ("{use: token}", 4, "needs `key`"),
        ("{use: token, key: ab}", 22, "ab is too short"),
        ("{use: token, key: abc, number: 1_0}", 0, ""),
        ("{use: token, key: abc, share: x}", 34, "should be a number, not a text"),
        ("{use: token, key: abc, loud: yes}", 33, "YAML 1.2 knows only true and false"),
        ("{use: token, key: abc, names: [1]}", 35, "should be a text"),
        ("{use: token, key: abc, level: {low: 1, hgih: 2}}", 43, "unknown key"),
        ("{use: token, key: abc, level: {high: 2}}", 34, "needs `low`"),
        ("{use: token, key: abc, level: 3}", 34, "should be a mapping"),
        ("{use: token, key: abc, made: 3}", 27, "unknown key"),
        ("{use: shout, at: []}", 4, "would never look"),
        ("{use: shout, at: [cal]}", 22, "did you mean 'call'?"),
        ("{use: shout, at: call}", 21, "put it in [brackets]"),
        ("{use: shout, then: blok}", 23, "did you mean 'block'?"),
        ("{use: shout, then: replace}", 23, "needs `refusal`, the text that stands there instead"),
        ("{use: shout, then: reask, at: [call]}", 23, "a model is asked again about its reply"),
        ("{use: shout, then: reask, reasks: 0}", 38, "reasks is 0; give 1 or more"),
        ("{use: shout, then: warn, refusal: No.}", 38, "refusal is told to nobody with `then: warn`"),
        ("{use: shout, letter: A}", 17, "did you mean 'letters'?"),
        ("{use: clash}", 4, "a setting `mode`, which every guard has"),
        ("{use: crash}", 4, "ZeroDivisionError"),
        ("{use: opaque}", 4, "could not be made"),
        ("{use: function}", 10, "is not a dataclass"),
        ("{use: absent}", 10, "cannot be imported"),
        ("{use: twice}", 10, "several packages"),
        ("{use: letter}", 4, "cannot read"),
    ],
)
def test_a_wrong_setting_of_any_guard_is_refused_where_it_stands(item: str, column: int, said: str) -> None:
    text = f"wardline: 1\nmodel:\n - {item}"
    if not said:
        assert loads(text).model[0].use == "token"
        return
    error = refusal(text)
    assert said in str(error)
    assert (error.line, error.column) == (3, column)
    assert "hunter2" not in str(error)


# What a good policy means


@PLUGGED
def test_a_guard_is_what_its_settings_say() -> None:
    policy = chain("  - {use: retry, attempts: 2, base: 500ms, max: 1m, only: gpt-*}")
    assert policy.guards("model", "gpt-5") == (Retry(attempts=2, base=0.5, max=60.0),)
    assert policy.guards("model", "claude") == policy.guards("tool", "gpt-5") == ()


@PLUGGED
def test_everybodys_keys_wrap_the_guard_from_the_inside_out() -> None:
    policy = chain(
        "  - {use: shout, at: [reply], then: redact, mode: observe, when: 'call.kind == \"model\"'}"
    )
    outer = policy.model[0].guard
    assert isinstance(outer, When)
    assert isinstance(outer.guard, Observe)
    assert isinstance(outer.guard.guard, Screen)
    assert (outer.guard.guard.at, outer.guard.guard.then) == (("reply",), "redact")


@PLUGGED
def test_what_wraps_a_guard_is_as_heavy_as_it() -> None:
    heavy: Any = chain("  - {use: mask, mode: observe, when: call.stream}").model[0].guard
    light: Any = chain("  - {use: shout, mode: observe, when: call.stream}").model[0].guard
    assert (heavy.heavy, light.heavy) == (2_000, 0)


@PLUGGED
def test_a_check_looks_at_both_sides_and_blocks_unless_told_otherwise() -> None:
    guard = chain("  - {use: shout}").model[0].guard
    assert isinstance(guard, Screen)
    assert (guard.at, guard.then) == (("call", "reply"), "block")


@PLUGGED
def test_a_guard_reads_its_files_beside_the_policy_that_names_them(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "letter.txt").write_text("dear model")
    (inner / "base.yaml").write_text("wardline: 1\nmodel: [{use: letter}]")
    (tmp_path / "top.yaml").write_text("wardline: 1\nextends: inner/base.yaml")
    guard: Any = load(tmp_path / "top.yaml").model[0].guard
    assert guard.file == "dear model"
    (inner / "letter.txt").write_text("")
    with pytest.raises(PolicyError, match=r"base\.yaml:2:9: model\.0: file letter\.txt is empty"):
        load(tmp_path / "top.yaml")


def test_models_and_examples_are_read_whole() -> None:
    policy = loads("""\
wardline: 1
name: claims
models:
  small: {id: gpt-5-mini, price: auto, region: eu}
  own: {id: llama, price: {input: 1, output: 2.5, cached: 0.1}, tier: 2}
examples:
  - {model: "a claim", sends: [claim, a], reply: fine, returns_without: claim}
  - tool: claims.pay
    arguments: {amount: 3, to: {name: a}}
    roles: [viewer]
    expect: denied
""")
    assert (policy.name, policy.source) == ("claims", "policy")
    assert policy.models["own"].price != policy.models["small"].price == "auto"
    first, second = policy.examples
    assert (first.target, first.sends, first.returns_without, first.line) == (
        "model",
        ("claim", "a"),
        ("claim",),
        7,
    )
    assert (second.target, second.arguments, second.roles) == (
        "claims.pay",
        {"amount": 3, "to": {"name": "a"}},
        frozenset({"viewer"}),
    )
    assert (second.expect, second.line, second.file) == ("denied", 8, "policy")


# Environment references


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
@settings(max_examples=50)
def test_a_reference_is_exactly_what_the_environment_holds(secret: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARDLINE_TEST", secret)
        assert (
            loads("wardline: 1\nname: a${WARDLINE_TEST}b$${WARDLINE_TEST}$").name
            == f"a{secret}b${{WARDLINE_TEST}}$"
        )


@PLUGGED
@pytest.mark.parametrize(
    "item",
    [
        "{use: token, key: '${S}', number: -1}",
        "{use: token, key: '${S}', number: x}",
        "{use: token, key: abc, number: '${S}'}",
        "{use: token, key: abc, share: '${S}'}",
        "{use: token, key: abc, level: '${S}'}",
        "{use: token, key: '${T}'}",
        "{use: retry, base: '${S}'}",
        "{use: retry, jitter: '${S}'}",
        "{use: retry, only: '[${S}'}",
        "{use: retry, mode: '${S}'}",
        "{use: retry, when: '${S}'}",
        "{use: retry, when: run.user == ${S}}",
        "{use: '${S}'}",
        "{use: letter, file: '${S}'}",
        "{use: letter, file: 'a/${S}'}",
        "{use: shout, at: ['${S}']}",
    ],
)
def test_an_error_never_quotes_what_the_environment_holds(item: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S", SECRET)
    monkeypatch.setenv("T", "z9")
    error = refusal(f"wardline: 1\nmodel: [{item}]")
    for text in (str(error), repr(error), str(error.detail()), str(error.__cause__)):
        assert "hunter2" not in text
        assert "z9" not in text
    assert error.__suppress_context__ or error.__context__ is None
    error = refusal("wardline: 1\nextends: ['${S}']\nmodels: {a: {id: '${S}', price: auto}}")
    assert "hunter2" not in str(error)


@PLUGGED
def test_neither_digest_nor_repr_of_a_policy_know_what_the_environment_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "wardline: 1\nmodel: [{use: token, key: '${S}'}]"
    monkeypatch.setenv("S", SECRET)
    one = loads(text)
    monkeypatch.setenv("S", SECRET + "!")
    other = loads(text)
    assert one.digest == other.digest
    assert one.model[0].guard != other.model[0].guard
    assert "hunter2" not in repr(one)


def test_a_variable_that_is_not_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S", "\udcff")
    assert "is not UTF-8" in str(refusal("wardline: 1\nname: ${S}"))


# Extending


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(f"wardline: 1\n{text}")


def uses(policy: Policy) -> list[str]:
    return [placed.use for placed in policy.model]


def test_what_is_not_written_is_inherited_whole(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="name: base\nmodels: {a: {id: x}, b: {id: y}}\nmodel: [{use: retry}]\n"
        "examples: [{model: a, expect: passes}]",
        top="extends: base.yaml\nmodels: {b: {id: z}}",
    )
    policy = load(tmp_path / "top.yaml")
    assert uses(policy) == ["retry"]
    assert {key: model.id for key, model in policy.models.items()} == {"a": "x", "b": "z"}
    assert (policy.name, policy.examples) == ("", ())
    assert policy.model[0].file.endswith("base.yaml")


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("[inherit, {use: timeout}]", ["retry", "permit", "timeout"]),
        ("[{use: timeout}, inherit]", ["timeout", "retry", "permit"]),
        ("[{use: timeout}]", ["timeout"]),
        ("[]", []),
    ],
)
def test_a_written_chain_replaces_the_inherited_one_and_inherit_splices_it(
    tmp_path: Path, model: str, meant: list[str]
) -> None:
    write(tmp_path, base="model: [{use: retry}, {use: permit}]", top=f"extends: ./base.yaml\nmodel: {model}")
    assert uses(load(tmp_path / "top.yaml")) == meant


def test_several_may_be_extended_where_their_order_is_clear(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="model: [{use: retry}]\nmodels: {x: {id: a}}",
        b="tool: [{use: permit}]\nmodels: {x: {id: b}}",
        c="model: [{use: timeout}]",
        ab="extends: [./a.yaml, ./b.yaml]",
        ac="extends: [a.yaml, c.yaml]",
        ac_spliced="extends: [a.yaml, c.yaml]\nmodel: [inherit]",
        ac_own="extends: [a.yaml, c.yaml]\nmodel: [{use: permit}]",
        diamond="extends: [ab.yaml, b.yaml]\ntool: []",
    )
    policy = load(tmp_path / "ab.yaml")
    assert (uses(policy), policy.tool[0].use, policy.models["x"].id) == (["retry"], "permit", "b")
    assert uses(load(tmp_path / "ac_own.yaml")) == ["permit"]
    assert uses(load(tmp_path / "diamond.yaml")) == ["retry"]
    for name, line in (("ac", 2), ("ac_spliced", 3)):
        with pytest.raises(PolicyError, match="more than one of the extended") as caught:
            load(tmp_path / f"{name}.yaml")
        assert caught.value.line == line


def test_inheriting_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, base="model: [{use: retry}]", top="extends: base.yaml\nmodel: [inherit, inherit]")
    with pytest.raises(PolicyError, match="stands here twice"):
        load(tmp_path / "top.yaml")


def test_a_circle_is_refused_and_shown(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="extends: b.yaml",
        b="extends: [./c.yaml]",
        c=f"extends: ./../{tmp_path.name}/a.yaml",
    )
    with pytest.raises(PolicyError, match=r"a\.yaml -> b\.yaml -> c\.yaml -> a\.yaml") as caught:
        load(tmp_path / "a.yaml")
    assert Path(caught.value.file).name == "c.yaml"


def test_a_ladder_of_extends_ends_and_a_wide_one_is_read_once_each(tmp_path: Path) -> None:
    write(
        tmp_path, **{f"p{n}": f"extends: [p{n + 1}.yaml, p{n + 1}.yaml]" for n in range(40)}, p40="name: end"
    )
    assert load(tmp_path / "p0.yaml").source.endswith("p0.yaml")
    write(tmp_path, **{f"q{n}": f"extends: q{n + 1}.yaml" for n in range(60)})
    with pytest.raises(PolicyError, match="more than 50"):
        load(tmp_path / "q0.yaml")


def test_an_error_in_an_extended_file_names_that_file(tmp_path: Path) -> None:
    write(tmp_path, base="model: [{use: retyr}]", top="extends: base.yaml")
    with pytest.raises(PolicyError, match=r"base\.yaml:2:15"):
        load(tmp_path / "top.yaml")


def test_a_digest_is_of_what_is_said_not_of_how_it_is_written(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="model: [{use: retry, attempts: 2}]",
        top="extends: base.yaml",
        flat="# a comment\nname: other\nmodel:\n  - attempts: 2\n    use: retry",
        other="model: [{use: retry, attempts: 3}]",
        tools="tool: [{use: retry, attempts: 2}]",
    )
    digests = {
        name: load(tmp_path / f"{name}.yaml").digest for name in ("base", "top", "flat", "other", "tools")
    }
    assert digests["base"] == digests["top"] == digests["flat"]
    assert len(set(digests.values())) == 3
    assert len(digests["base"]) == 64


# Files and names


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("no-such-policy", "there is no shipped policy"),
        ("./no-such.yaml", "no such file"),
        ("no-such-folder/claims.yaml", "no such file"),
        ("/dev/zero", "not a file"),
        (".", "not a file"),
        ("a\0b.yaml", "no such file"),
        ("x" * 5000 + ".yaml", "not a path"),
        (Path("default"), "no such file"),
    ],
)
def test_what_is_no_file_is_refused(source: str | Path, said: str) -> None:
    with pytest.raises(PolicyError, match=said) as caught:
        load(source)
    assert (caught.value.line, caught.value.column) == (0, 0)


def test_a_missing_file_reminds_of_the_one_beside_it(tmp_path: Path) -> None:
    write(tmp_path, claims="")
    with pytest.raises(PolicyError, match=r"did you mean 'claims\.yaml'\?"):
        load(tmp_path / "clams.yaml")


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a="")

    def locked(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", locked)
    with pytest.raises(PolicyError, match="cannot be read: permission denied"):
        load(tmp_path / "a.yaml")


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as writing:
        writing.truncate(10_000_000_000)
    with pytest.raises(PolicyError, match="too large"):
        load(file)


def test_a_slip_in_a_shipped_name_is_answered_with_the_name() -> None:
    with pytest.raises(PolicyError, match="did you mean 'strict'"):
        load("strickt")
    assert "strict" in shipped()


# Whatever the bytes are

VALID = b"""\
wardline: 1
name: claims
models:
  small: {id: gpt-5-mini, price: {input: 0.25, output: 2}, region: eu, tier: 1}
model:
  - {use: retry, attempts: 3, base: 1s, max: 30s, jitter: full}
  - {use: timeout, seconds: 30, only: ["gpt-*"], when: 'run.region == "eu" && "a" in run.roles'}
tool:
  - {use: permit, tools: ["claims.*"], roles: [agent], mode: observe}
examples:
  - {model: "hi", reply: "ho", returns: ho, expect: passes}
  - {tool: claims.pay, roles: [viewer], expect: denied}
"""

WORDS = st.sampled_from([
    "wardline", "model", "tool", "models", "extends", "examples", "use", "only", "mode", "when", "at", "then",
    "retry", "permit", "timeout", "schema", "default", "inherit", "${A}", "$${A}", "${", "true", "1", "0",
    "1e400", "30s", "[]", "{}", "~", "'", '"', ":", ": ", "\n", "\n  - ", ",", "- ", "&a", "*a", "<<", "-1",
    "!!python/name:os.system", "\x00", "\u2028", "run.user == 'a'", "call.text.matches('(')", "../..", "/",
    ".", "x.yaml", "é",
])  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid policy with some stretches cut, doubled or replaced."""
    text = VALID
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + draw(st.binary(max_size=4) | WORDS.map(str.encode)) + text[end:]
    return text


def structured(word: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Something like a policy, with any word in any place."""

    def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        entry = st.tuples(word, inner).map(lambda two: f"{{{two[0]}: {two[1]}}}")
        return inner.map(lambda one: f"[{one}]") | entry

    pair = st.tuples(word, st.recursive(word, nested))
    return st.lists(pair, max_size=5).map(
        lambda pairs: "wardline: 1\n" + "".join(f"{k}: {v}\n" for k, v in pairs)
    )


@settings(max_examples=400)
@given(st.binary(max_size=80) | st.text(max_size=60) | mutated() | structured(WORDS))
@example(VALID)
@example(b"wardline: 1\nmodel: [{use: retry, when: ''}]")
@example(b"wardline: 1\nextends: .")
@example("wardline: 1\nextends: \u2028.yaml")
def test_loading_anything_gives_a_policy_or_a_policy_error(source: bytes | str) -> None:
    try:
        policy = loads(source)
    except PolicyError as error:
        str(error), error.detail()
    else:
        assert isinstance(policy, Policy)


class Ran(Exception):
    pass


def test_no_tag_ever_runs_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def ran(*_: object) -> None:
        raise Ran

    monkeypatch.setattr("os.system", ran)
    for tag in ("!!python/object/apply:os.system ['x']", "!!python/name:os.system", "!!python/module:os"):
        assert "tags" in str(refusal(f"wardline: 1\nname: {tag}"))
