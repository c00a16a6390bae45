"""The commands of docs/tutorial.md print the words that it says they print, whatever their numbers are, and the Python code of docs/reading-files.md runs."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from bridge import REPOSITORY, stanmatch

DOCUMENTS = REPOSITORY / "docs"


def blocks(document):
    """The fenced blocks: what stands behind the fence, and the lines within."""
    fenced = re.compile(r"^```(\S[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(it[1].split(), it[2]) for it in fenced.finditer((DOCUMENTS / document).read_text())]


def words(line):
    """A line with # for each number, which another machine's arithmetic may end otherwise, and without what aligns them."""
    return re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "#", " ".join(line.split()))


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment in which `stanmatch` is the binary under test."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "stanmatch").symlink_to(pathlib.Path(stanmatch()).resolve())
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_the_tutorial(tmp_path, environment):
    printed = None
    commands = 0
    for (language, *name), text in blocks("tutorial.md"):
        if name:
            (tmp_path / name[0]).write_text(text)
        elif language == "sh":
            printed = ""
            for command in text.splitlines():
                run = subprocess.run(command.split(), cwd=tmp_path, env=environment, capture_output=True, text=True)
                assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"
                printed += run.stdout
                commands += 1
        elif language == "text":
            lines = {words(line) for line in printed.splitlines()}
            for line in filter(None, map(words, text.splitlines())):
                assert line in lines, f"{line}\nis not in\n{printed}"
    assert commands == 6
    assert (tmp_path / "schools.html").stat().st_size > 50_000
    # What the tutorial says of the two fits.
    assert "within tolerance" in subprocess.run(
        ["stanmatch", "compare", "fits/schools", "--reference", "chains"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    ).stdout


def test_the_python_of_reading_files(tmp_path, environment):
    subprocess.run(
        ["stanmatch", "fit", "eight_schools", "--output", "fits/schools"],
        cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL,
    )
    code = "\n".join(text for (language, *_), text in blocks("reading-files.md") if language == "python")
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for part in ["ok 0.", "(4000, 8)", "theta[8] "]:
        assert part in run.stdout


def test_links_between_documents_lead_somewhere():
    for document in [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *DOCUMENTS.rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.relative_to(REPOSITORY)} links to {link}"
