"""What `stanmatch fit` shows on terminals of different widths."""

import fcntl
import os
import pty
import struct
import subprocess
import termios

from bridge import stanmatch

BLOCKS = "▁▂▃▄▅▆▇█"


def shown(columns):
    """Standard output of a fit on a terminal of so many columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**os.environ, "NO_COLOR": "1"}
    process = subprocess.Popen(
        [stanmatch(), "fit", "eight_schools"], stdout=its, stderr=subprocess.DEVNULL, env=environment
    )
    os.close(its)
    text = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert process.wait() == 0
    return text.decode().splitlines()


def test_a_wide_terminal_shows_histograms():
    rows = [line for line in shown(120) if line.startswith(" theta")]
    assert len(rows) == 8
    assert all(sum(character in BLOCKS for character in row) > 8 for row in rows)
    assert all(len(row) <= 120 for row in rows)


def test_a_narrow_terminal_and_a_pipe_show_none():
    narrow = shown(80)
    assert any(line.startswith(" theta") for line in narrow)
    piped = subprocess.run([stanmatch(), "fit", "eight_schools"], check=True, capture_output=True, text=True).stdout
    assert not any(character in BLOCKS for character in "".join(narrow) + piped)
