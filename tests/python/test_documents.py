"""The commands of docs/start/first-fit.md print what it says they print, and the Python code of docs/how-to/read-a-fit.md
runs."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from bridge import REPOSITORY, stanmatch

DOCUMENTS = REPOSITORY / "docs"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
# Another machine's arithmetic may end an optimisation elsewhere: numbers agree to a tenth of their size, or of one.
TOLERANCE = 0.1


def blocks(document):
    """The fenced blocks: what stands behind the fence, and the lines within."""
    fenced = re.compile(r"^```(\S[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(it[1].split(), it[2]) for it in fenced.finditer((DOCUMENTS / document).read_text())]


def words(line):
    """A line with # for each number, and without what aligns them."""
    return NUMBER.sub("#", " ".join(line.split()))


def numbers(line):
    return [float(number) for number in NUMBER.findall(line)]


def agree(promised, printed):
    """Whether a line begins with the words of another, and has numbers that are close."""
    pairs = zip(numbers(promised), numbers(printed))
    begins = re.match(re.escape(words(promised)) + r"(?!\w)", words(printed)) is not None
    return begins and all(abs(a - b) <= TOLERANCE * max(1, abs(a)) for a, b in pairs)


def test_numbers_and_words_of_a_line_are_compared():
    assert agree(" mu  4.330 ok: k 0.58", "mu 4.39 ok: k 0.61") and agree("note: far", "note: far from it")
    assert not agree("mu 4.330", "mu 5.0") and not agree("mu 4.330", "nu 4.330") and not agree("mu 4 1", "mu 4")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment in which `stanmatch` is the binary under test."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "stanmatch").symlink_to(pathlib.Path(stanmatch()).resolve())
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_the_first_fit(tmp_path, environment):
    printed = None
    commands = 0
    for (language, *name), text in blocks("start/first-fit.md"):
        if name:
            (tmp_path / name[0]).write_text(text)
        elif language == "sh":
            printed = []
            for command in text.replace("\\\n", " ").splitlines():
                run = subprocess.run(command.split(), cwd=tmp_path, env=environment, capture_output=True, text=True)
                assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"
                printed += run.stderr.splitlines() + run.stdout.splitlines()
                commands += 1
        elif language == "text":
            for line in filter(None, text.splitlines()):
                assert any(agree(line, it) for it in printed), "\n".join([line, "is not in", *printed])
    assert commands == 6
    assert (tmp_path / "schools.html").stat().st_size > 50_000
    # What the page says of the two fits.
    assert "within tolerance" in subprocess.run(
        ["stanmatch", "compare", "fits/schools", "--reference", "chains"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    ).stdout


def test_the_python_of_read_a_fit(tmp_path, environment):
    subprocess.run(
        ["stanmatch", "fit", "eight_schools", "--output", "fits/schools"],
        cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL,
    )
    code = "\n".join(text for (language, *_), text in blocks("how-to/read-a-fit.md") if language == "python")
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for part in ["ok 0.", "(4000, 8)", "theta[8] "]:
        assert part in run.stdout
