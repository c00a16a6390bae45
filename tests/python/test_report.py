"""The page of `stanmatch report`, opened in a browser: every figure has marks and labels, nothing is fetched, nothing fails,
and it can be read in the light, in the dark, on paper, on a telephone and by keyboard.

The environment variable SCREENSHOTS names a folder for what was seen.
"""

import os
import pathlib
import shutil
import subprocess

import pytest
from playwright.sync_api import sync_playwright

from bridge import REPOSITORY, stanmatch

DESKTOP, TELEPHONE = (1280, 900), (375, 800)


def run(*arguments):
    subprocess.run([stanmatch(), *arguments], check=True, stdout=subprocess.DEVNULL, cwd=REPOSITORY)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A report of three fits: with a comparison, with another engine, and of a program of one's own."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "mood.json").write_text('{"mood": 0}')
    run("fit", "eight_schools", "--output", folder / "auto")
    run("fit", "eight_schools", "--method", "gsm", "--output", folder / "gsm")
    own = ["--model", "tests/fit/faulty.stan", "--data", folder / "mood.json"]
    run("fit", *own, "--method", "bam", "--output", folder / "own")
    run("report", folder / "auto", folder / "gsm", folder / "own", "--output", folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser():
    names = ["chromium", "chromium-browser", "google-chrome"]
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no Chromium: scripts/setup.sh browser installs it")
        pytest.skip("there is no Chromium: scripts/setup.sh browser installs it")
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=[(size, scheme) for size in (DESKTOP, TELEPHONE) for scheme in ("light", "dark")])
def opened(request, browser, page_file):
    """The page in a window, with what was fetched and what went wrong."""
    (width, height), scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.seen = []
    page.on("request", lambda it: page.seen.append(f"fetched {it.url}"))
    page.on("console", lambda it: page.seen.append(f"{it.type}: {it.text}"))
    page.on("pageerror", lambda it: page.seen.append(f"error: {it}"))
    page.goto(page_file.as_uri())
    yield page
    context.close()


def test_nothing_is_fetched_and_nothing_fails(opened, page_file):
    opened.keyboard.press("End")
    opened.wait_for_load_state("networkidle")
    fetched = [it for it in opened.seen if not it.startswith("fetched data:")]
    assert fetched == [f"fetched {page_file.as_uri()}"]


# For each figure its label, its texts, how many marks of which kind are drawn, and which of them lie outside its picture.
FIGURES = """() => [...document.querySelectorAll("figure")].map((figure) => {
  const svg = figure.querySelector("svg");
  const frame = svg.getBoundingClientRect();
  const inside = (it) => {
    const box = it.getBoundingClientRect();
    return box.left >= frame.left - 1 && box.right <= frame.right + 1 && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
  };
  const axis = getComputedStyle(svg).getPropertyValue("--quiet");
  const all = [...svg.querySelectorAll("text, circle, polyline, polygon, line")];
  return {
    label: svg.getAttribute("aria-label"),
    size: [frame.width, frame.height],
    texts: [...svg.querySelectorAll("text")].map((it) => it.textContent.trim()),
    marks: svg.querySelectorAll("circle, polygon, polyline[stroke='#0072B2'], polyline[stroke='#D55E00']").length,
    outside: all.filter((it) => !inside(it)).map((it) => it.outerHTML.slice(0, 120)),
  };
})"""


def test_every_figure_has_marks_and_labels(opened):
    figures = opened.evaluate(FIGURES)
    assert len(figures) > 40
    for it in figures:
        assert it["label"] and it["marks"] >= 1 and len(it["texts"]) >= 2 and all(it["texts"]), it
        assert min(it["size"]) > 50 and not it["outside"], it
    words = " ".join(it["label"] for it in figures)
    for part in ["Histogram of mu", "the reference has mean", "ellipses", "score divergence", "evidence lower bound", "k̂ is"]:
        assert part in words


# The contrast (WCAG 2.2, 1.4.3) of each text with the ground that it stands on.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const luminance = (colour) => {
    const linear = rgb(colour).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = (it) => {
    const colour = getComputedStyle(it).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" && it.parentElement ? ground(it.parentElement) : colour;
  };
  return [...document.querySelectorAll("h1, h2, h3, p, td, th, dt, dd, small, a, figcaption, summary, .verdict, svg text")].map((it) => {
    const style = getComputedStyle(it);
    const [a, b] = [luminance(it.tagName === "text" ? style.fill : style.color), luminance(ground(it))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), it.outerHTML.slice(0, 100)];
  });
}"""


def test_all_text_can_be_read(opened):
    low = [it for it in opened.evaluate(CONTRASTS) if it[0] < 4.5]
    assert not low


def test_the_page_is_as_wide_as_the_window(opened):
    width, window = opened.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= window


# How many elements that match are in sight, with an extent.
IN_SIGHT = """(selector) => [...document.querySelectorAll(selector)].filter((it) => {
    const box = it.getBoundingClientRect();
    return box.width + box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
}).length"""


def test_screenshots(opened, tmp_path):
    folder = pathlib.Path(os.environ.get("SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    dark = opened.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    name = f"{opened.viewport_size['width']}-{'dark' if dark else 'light'}"
    marks = {"Marginals": "svg polygon", "Errors": "svg circle", "Pairs": "svg circle", "Parameters": "tr[data-name] td"}
    for index, (heading, mark) in enumerate(marks.items()):
        opened.locator(f"h3:has-text('{heading}')").first.scroll_into_view_if_needed()
        opened.evaluate("scrollBy(0, 500)")
        opened.screenshot(path=folder / f"{name}-{index}-{heading.lower()}.png")
        assert opened.evaluate(IN_SIGHT, mark) > 0, heading


def test_light_and_dark_have_their_own_inks(browser, page_file):
    def inks(scheme):
        page = browser.new_page(color_scheme=scheme)
        page.goto(page_file.as_uri())
        colour = "(it) => getComputedStyle(it).stroke"
        found = [page.locator(f"polyline[stroke='{ink}']").first.evaluate(colour) for ink in ("#0072B2", "#D55E00", "#009E73")]
        page.close()
        return found

    light, dark = inks("light"), inks("dark")
    assert len(set(light)) == len(set(dark)) == 3
    assert not set(light) & set(dark)


def test_the_keyboard_reaches_what_can_be_pressed(browser, page_file):
    page = browser.new_page()
    page.goto(page_file.as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert reached >= {"A", "SUMMARY", "INPUT", "BUTTON"}
    page.locator("th button", has_text="mean").first.focus()
    page.keyboard.press("Enter")
    means = page.locator("section").first.locator("tr[data-name] td:nth-child(3)").all_inner_texts()
    assert [float(it) for it in means] == sorted(map(float, means), reverse=True)
    assert page.locator("th[aria-sort=descending]").count() == 1
    page.locator("input[data-filter]").first.focus()
    page.keyboard.type("THETA[3")
    shown = page.locator("#fit-1 figure[data-name]:visible").evaluate_all("all => all.map((it) => it.dataset.name)")
    assert shown == ["theta[3]"]
    assert page.locator("#fit-1 output").inner_text() == "1 shown"
    page.close()


def test_on_paper_nothing_is_folded_away(browser, page_file):
    page = browser.new_page(color_scheme="dark")
    page.goto(page_file.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    page.close()
