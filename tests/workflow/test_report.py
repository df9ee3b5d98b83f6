"""The report as one sees it: every table, figure and video on it, with its caption, and run times and provenance."""

import json
import shutil
from types import SimpleNamespace

import imageio_ffmpeg
import numpy as np
import pytest

from mocapact_core.figures.videos import write_page
from mocapact_core.humanoid.render import REMEMBERED
from tests.browser import browser
from tests.workflow.conftest import Copy

SEEN = "[...document.images].some((image) => image.src == %s && image.naturalWidth == 40)"
ROWS = "[...document.querySelectorAll('tbody tr')]"


def red_video(path):
    """Ten frames of red."""
    writer = imageio_ffmpeg.write_frames(str(path), (64, 48), fps=10)
    writer.send(None)
    for _ in range(10):
        writer.send(np.full((48, 64, 3), (220, 0, 0), np.uint8))
    writer.close()


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory):
    """Its file: of the finished workflow with videos, of which that of the wave is a real one."""
    root = tmp_path_factory.mktemp("report") / "copy"
    shutil.copytree(finished, root)
    videos = "figures: {videos: true}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(REMEMBERED, "egl")  # the jobs only write down that they were called
        made = Copy(root).snakemake("--cores", "2", "--quiet", "all", settings=videos)
        assert made.returncode == 0, made.stdout + made.stderr
        red_video(root / "red.mp4")
        write_page(root / "red.mp4", root / "results/videos/wave-0-90.html", "Expert of wave-0-90")
        made = Copy(root).snakemake("--report", "report.html", settings=videos)
        assert made.returncode == 0, made.stdout + made.stderr
    return root / "report.html"


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        opened.resize(1400, 900)
        opened.open(report)
        opened.wait("document.querySelector('#app a') != null")
        yield opened
        assert opened.errors == []


@pytest.fixture(scope="module")
def listed(page):
    """All results, by the path of their file, with the places where the report lists them."""
    results = {path: SimpleNamespace(**result, places=[]) for path, result in page.value("results").items()}
    for category, subcategories in page.value("categories").items():
        for subcategory, paths in subcategories.items():
            for path in paths:
                results[path].places.append((category, subcategory))
    return results


def click(page, text):
    """The link with this text."""
    link = f"[...document.querySelectorAll('#app a')].find((link) => link.textContent.trim() == {json.dumps(text)})"
    page.wait(f"{link} != null")
    page.value(f"{link}.click()")


def show_category(page, category, subcategory="Other"):
    """Start over, and go to a list of results as a reader does."""
    page.open(page.file)
    click(page, category)
    if subcategory != "Other":
        click(page, subcategory)
    page.wait(f"{ROWS}.length > 0")


def switch(page, text):
    """One side of the switch above the results."""
    page.value(
        f"[...document.querySelectorAll('label')].find((one) => one.textContent == {json.dumps(text)}).click()"
    )


def look_at(page, row, button=0):
    """Click the eye of a row (0), or what tells more about it (1)."""
    page.value(f"{ROWS}[{row}].querySelectorAll('a')[{button}].click()")


def test_each_result_is_in_one_place_and_explained(listed):
    assert {result.places[0][0] for result in listed.values()} == {"Tables", "Figures", "Videos"}
    for path, result in listed.items():
        assert len(result.places) == 1, path
        assert len(result.caption) > 100, path
        assert "{{" not in result.caption and "system-message" not in result.caption, path
        assert result.labels, path
    videos = {result.places[0][1] for result in listed.values() if result.places[0][0] == "Videos"}
    assert videos == {"Experts", "Motion completion", "Multi-clip policies", "Transfer"}
    assert not [
        path for path, result in listed.items() if result.mime_type == "video/mp4"
    ]  # would not be shown


def test_the_first_page_tells_what_the_run_was(page):
    page.open(page.file)
    page.wait("document.querySelector('details pre') != null")
    told = page.value("document.querySelector('#app').innerText")
    assert "From motion capture to simulated humanoid skills" in told
    assert "builtin motion" in told and "16,384 steps" in told
    settings = json.loads(page.value("document.querySelector('details pre').textContent"))
    assert settings["clips"]["subset"] == ["stand", "wave"] and settings["seed"] == 1
    assert not page.value("document.querySelector('details').open")


@pytest.mark.parametrize("category", ["Tables", "Figures"])
def test_tables_and_figures_are_seen_in_their_order(page, listed, category):
    show_category(page, category)
    names = [
        name.split(":")[0].split() for name in page.value(f"{ROWS}.map((row) => row.cells[0].textContent)")
    ]
    numbers = [int(number) for _, number in names]
    assert numbers == sorted(numbers) and len(numbers) > 4
    assert len(numbers) == sum(result.places[0][0] == category for result in listed.values())
    for row in range(len(numbers)):
        look_at(page, row)
        label = page.value(f"{ROWS}[{row}].cells[0].textContent")
        [path] = [path for path, result in listed.items() if result.labels.get("result") == label]
        if category == "Figures":
            page.wait(SEEN % f"results[{json.dumps(path)}].data_uri")
        else:
            page.wait(f"document.querySelector('iframe')?.src == results[{json.dumps(path)}].data_uri")
            text = (page.file.parent / path).read_text()
            page.wait(f"document.body?.textContent.trim() == {json.dumps(text)}", framed=True)


def test_a_video_plays_on_the_page(page):
    show_category(page, "Videos", "Experts")
    switch(page, "video")
    [row] = [
        i
        for i, name in enumerate(page.value(f"{ROWS}.map((row) => row.cells[0].textContent)"))
        if name == "wave-0-90"
    ]
    look_at(page, row)
    page.wait("document.querySelector('video')?.currentTime > 0", framed=True)
    assert page.value("document.querySelector('video').videoWidth", framed=True) == 64


def test_poses_are_seen(page):
    show_category(page, "Videos", "Transfer")
    switch(page, "poses")
    look_at(page, 0)
    page.wait(SEEN % "results['results/videos/transfer/go_to_target/general/0.png'].data_uri")


def test_what_a_result_was_made_with_is_told(page):
    show_category(page, "Figures")
    look_at(page, 0, button=1)
    told = page.wait(
        "document.querySelector('#app').innerText.includes('JOB PARAMETERS') && "
        "document.querySelector('#app').innerText"
    )
    assert "figure_3" in told and "code=" in told and "Clip experts" in told


def test_run_times_are_drawn(page):
    page.open(page.file)
    click(page, "Statistics")
    for chart in ("runtimes", "timeline"):
        page.wait(f"document.querySelector('#{chart} canvas')?.width > 100")
