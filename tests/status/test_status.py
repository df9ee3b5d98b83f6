"""The status page: what it says of every state, and that it can be sorted and read."""

import json
import os
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mocapact_core.cli import main
from mocapact_core.clips.sources import plan
from mocapact_core.config import parse_config
from mocapact_core.status.page import write_status
from mocapact_core.status.sections import STATES, sections
from mocapact_core.status.traces import read_log
from tests.browser import browser
from tests.status import conftest as made


def rows(settings, number):
    """The rows of a section, by name."""
    section = sections(settings, plan(settings.clips, settings.tracking).snippets)[number]
    names = [column for column, _, _ in section.columns]
    return {row.name: (row, dict(zip(names, row.values, strict=True))) for row in section.rows}


def by_clip(settings):
    return {name.split("-")[0]: row for name, row in rows(settings, 0).items()}


def test_every_snippet_has_its_state(run):
    states = {clip: row.state for clip, (row, _) in by_clip(run).items()}
    assert states == {
        made.EVALUATED: "evaluated",
        made.TRAINED: "trained",
        made.TRAINING: "training",
        made.STOPPED: "stopped",
        made.FAILED: "failed",
        made.IMPORTED: "failed",
        **dict.fromkeys(made.WAITING, "waiting"),
    }
    assert set(states.values()) == set(STATES)


def test_quality_is_that_of_the_evaluation_or_the_best_in_training(run):
    told = by_clip(run)
    expected = {
        "reward": 0.875,
        "length": 1.0,
        "from start": 0.9375,
        "at step": 1000,
        "time": 3723.4,
        "rollouts": True,
    }
    assert told[made.EVALUATED][1] == expected
    expected = {
        "reward": 0.375,
        "length": 0.5,
        "from start": 0.4375,
        "at step": 1000,
        "time": None,
        "rollouts": False,
    }
    assert told[made.TRAINING][1] == expected
    assert told[made.TRAINED][1]["reward"] == 0.5
    assert set(told[made.WAITING[0]][1].values()) == {None, False}


def test_what_is_under_way_tells_how_far_it_is(run):
    told = by_clip(run)
    for clip in (made.TRAINING, made.STOPPED):
        assert told[clip][0].share == 1500 / 4000
        assert told[clip][0].note == "1,500 of 4,000 steps, 782 steps/s, 0:00:03 left at most"
    assert {row.share for row, _ in told.values()} == {None, 1500 / 4000}


def test_a_failure_tells_its_error(run):
    told = by_clip(run)
    assert told[made.FAILED][0].note == 'RuntimeError: <b>no</b> & "never"'
    assert told[made.IMPORTED][0].note == "The expert is damaged."
    assert told[made.TRAINED][0].note == ""  # its log is that of an attempt before


def test_an_expert_whose_evaluation_failed_is_still_trained(run, tmp_path):
    assert by_clip(run)[made.IMPORTED][0].state == "failed"
    write_status(run, tmp_path / "status.html")
    assert "<title>3 of 8 experts trained</title>" in (tmp_path / "status.html").read_text()


def test_a_training_without_log_is_known_by_its_table(run):
    """As with `python -m mocapact_core train`."""
    [name] = [name for name in rows(run, 0) if name.startswith(made.WAITING[0])]
    folder = Path(run.results) / "experts" / name
    made.progress(folder, (2000, 0.5))
    row, values = rows(run, 0)[name]
    assert (row.state, row.share, values["reward"]) == ("training", 0.5, 0.5)
    os.utime(folder / "progress.csv", (time.time() - 7200,) * 2)
    assert rows(run, 0)[name][0].state == "stopped"


def test_policies_and_transfer(run):
    told = rows(run, 1)
    assert {name: row.state for name, (row, _) in told.items()} == {
        "rwr/0": "training",
        "rwr/1": "stopped",
        "gpt/0": "evaluated",
    }
    assert told["gpt/0"][1]["completion"] == 2.25
    assert (told["rwr/0"][0].share, told["rwr/0"][1]["reward"], told["rwr/0"][1]["step"]) == (
        0.25,
        0.125,
        100,
    )
    assert told["rwr/1"][0].note == "Stopped by SIGTERM."
    told = rows(run, 2)
    assert {name: row.state for name, (row, _) in told.items()} == {
        "go_to_target/general/0": "training",
        "go_to_target/general/1": "waiting",
        "go_to_target/none/0": "waiting",
        "go_to_target/none/1": "evaluated",
    }
    assert (told["go_to_target/general/0"][0].share, told["go_to_target/general/0"][1]["return"]) == (
        0.4,
        2.5,
    )
    expected = {"return": 12.5, "length": 800, "fallen": 0.25, "step": None, "time": None}
    assert told["go_to_target/none/1"][1] == expected


def test_other_jobs_that_failed_are_told(run):
    told = rows(run, 3)
    assert {name: row.note for name, (row, _) in told.items()} == {
        f"extract_clip {made.WAITING[0]}": "There is no such clip."
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", False, False, 0)),
        ("warm start 1 of 4: action error 0.1\n", ("warm start 1 of 4: action error 0.1", False, False, 0)),
        ("     65,536 steps: normalised reward\n", ("65,536 steps: normalised reward", False, False, 65536)),
        ("  1,024 steps: return 2\nStopped by SIGTERM.\n", ("Stopped by SIGTERM.", False, True, 1024)),
        ("step 7 of 9: loss\n\n", ("step 7 of 9: loss", False, False, 7)),
        ("a bar 1%\ra bar 2%\n", ("a bar 2%", False, False, 0)),
        ("x" * 100_000 + "\nInputError: a\n", ("a", True, False, 0)),
    ],
)
def test_the_end_of_a_log(tmp_path, text, expected):
    (tmp_path / "a.log").write_bytes(text.encode())
    log = read_log(tmp_path / "a.log")
    assert (log.last, log.failed, log.stopped, log.step) == expected


class Outline(HTMLParser):
    """Which elements are opened and closed, and the addresses that they name."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_trusts_nothing(run, tmp_path):
    told = write_status(run, tmp_path / "status.html")
    assert told == "1 evaluated, 1 trained, 1 training, 1 stopped, 2 failed, 2 waiting"
    text = (tmp_path / "status.html").read_text()
    outline = Outline(text)
    assert not outline.open and not outline.addresses
    assert "RuntimeError: &lt;b&gt;no&lt;/b&gt; &amp;" in text and "&lt;results&gt;" in text
    assert "<b>no" not in text and "data-every" not in text


def test_all_snippets_of_the_paper_fit_on_a_page(tmp_path):
    settings = parse_config({"results": str(tmp_path / "results"), "clips": {"source": "cmu2020"}})
    for snippet in plan(settings.clips, settings.tracking).snippets:
        made.progress(tmp_path / "results/experts" / snippet.name, (0, 0.25), (1000, 0.375))
        log = tmp_path / "results/logs/train_expert" / f"{snippet.name}.log"
        made.put(log, "      1,500 of 4,000 steps, 782 steps/s, 0:00:03 left at most\n")
    assert write_status(settings, tmp_path / "status.html") == "2,589 training"
    text = (tmp_path / "status.html").read_text()
    assert text.count('<th scope="row">CMU_') == 2589
    assert len(text) < 3e6


def test_the_command_writes_the_page(run, tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(json.dumps(run.model_dump(mode="json")))
    assert main(["status", "--configfile", str(tmp_path / "run.yaml")]) == 0
    page = Path(run.results) / "status.html"
    assert capsys.readouterr().out.startswith(f"{page}: 1 evaluated, 1 trained")
    elsewhere = tmp_path / "elsewhere.html"
    assert main(["status", "--configfile", str(tmp_path / "run.yaml"), "--output", str(elsewhere)]) == 0
    without_time = [re.sub("<time>.*</time>", "", path.read_text()) for path in (page, elsewhere)]
    assert without_time[0] == without_time[1]


NAMES = "[...document.querySelectorAll('#table-0 tbody tr:not([hidden]) th')].map((cell) => cell.textContent.split('-')[0])"
CLICK = "document.querySelectorAll('#table-0 thead button')[{}].click()"
ORDER = "[...document.querySelectorAll('#table-0 thead th')].map((cell) => cell.ariaSort)"


def test_a_browser_sorts_and_filters(run, tmp_path):
    write_status(run, tmp_path / "status.html")
    with browser(tmp_path / "profile") as page:
        page.open(tmp_path / "status.html")
        planned = page.value(NAMES)
        assert planned == sorted(planned) and len(planned) == 8
        page.value(CLICK.format(2))  # reward
        assert page.value(NAMES)[:2] == [made.TRAINING, made.STOPPED]
        assert page.value(NAMES)[-3:] == [made.FAILED, *made.WAITING]  # have none
        assert page.value(ORDER)[:3] == ["none", "none", "ascending"]
        page.value(CLICK.format(2))
        assert page.value(NAMES)[0] == made.EVALUATED
        assert page.value(NAMES)[-3:] == [made.FAILED, *made.WAITING]
        assert page.value(ORDER)[2] == "descending"
        page.value(CLICK.format(1))  # state: what wants attention comes first
        assert set(page.value(NAMES)[:2]) == {made.FAILED, made.IMPORTED}
        page.value("document.querySelector('[data-state=waiting]').click()")
        assert page.value(NAMES) == made.WAITING
        assert page.value("document.getElementById('table-0-shown').textContent") == "2"

        page.open(tmp_path / "status.html", page.value("location.hash"))
        assert page.value(NAMES) == made.WAITING  # as chosen before
        assert page.value(ORDER)[1] == "ascending"
        page.value("document.querySelector('[data-state=waiting]').click()")
        assert len(page.value(NAMES)) == 8
        assert page.errors == []


def test_an_open_page_follows_and_stays_sorted(run, tmp_path):
    write_status(run, tmp_path / "status.html", every=1)
    with browser(tmp_path / "profile") as page:
        page.open(tmp_path / "status.html")
        page.value(f"{CLICK.format(0)}; {CLICK.format(0)}")
        assert page.value(ORDER)[0] == "descending"
        first = page.value("performance.timeOrigin")
        page.wait(f"performance.timeOrigin > {first} && document.readyState == 'complete'")
        assert page.value(ORDER)[0] == "descending"
        assert page.value(NAMES) == sorted(page.value(NAMES), reverse=True)
        assert page.errors == []
