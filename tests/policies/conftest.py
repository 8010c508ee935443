"""An installed package that offers guards, as any package may."""

from pathlib import Path

import pytest

OFFERS = """
[wardline.guards]
shout = plugged_guards:Shout
token = plugged_guards:Token
letter = plugged_guards:Letter
clash = plugged_guards:Clash
crash = plugged_guards:Crash
opaque = plugged_guards:Opaque
function = plugged_guards:function
missing = plugged_guards:Missing
absent = no_such_package:Guard
retry = plugged_guards:Shout
twice = plugged_guards:Shout
Not-A-Name = plugged_guards:Shout
"""


@pytest.fixture
def plugged(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the package on the path; `twice` is offered by a second package too."""
    home = tmp_path_factory.mktemp("site")
    for name, offers in {
        "plugged": OFFERS,
        "rival": "[wardline.guards]\ntwice = plugged_guards:Token\n",
    }.items():
        info = home / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(offers)
    (home / "plugged_guards.py").write_text(Path(__file__).with_name("plugged_guards.py").read_text())
    monkeypatch.syspath_prepend(str(home))
