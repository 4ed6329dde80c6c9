"""The page in a real browser, where one is installed: Chromium without a window, cut off from the network."""

import json
import re
import shutil
import subprocess

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE = 390  # pixels across

# Chromium's own windows are at least 500 wide: the page stands in a frame, and tells the page around it.
TELL = """<script>addEventListener('load', () => parent.postMessage(JSON.stringify({
  width: innerWidth, needed: document.documentElement.scrollWidth,
  fetched: performance.getEntriesByType('resource').length,
  pictures: [...document.querySelectorAll('svg')].map(picture => picture.getBoundingClientRect().width)
}), '*'))</script></head>"""
AROUND = """<title>silent</title><script>addEventListener('message', e => document.title = e.data)</script>
<iframe src="page.html" width="{width}" height="900" style="border: 0"></iframe>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
@pytest.mark.parametrize("width", [PHONE, 1200])
def test_the_page_fits_and_says_nothing_on_the_console(report, tmp_path, width):
    (tmp_path / "page.html").write_text(report.html().replace("</head>", TELL), encoding="utf-8")
    (tmp_path / "around.html").write_text(AROUND.format(width=width), encoding="utf-8")
    run = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            "--dump-dom",
            (tmp_path / "around.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(re.search("<title>(.*?)</title>", run.stdout).group(1))
    assert told["needed"] <= told["width"] == width
    assert told["fetched"] == 0
    assert len(told["pictures"]) == 2
    assert all(0 < picture <= width for picture in told["pictures"])
    assert "CONSOLE" not in run.stderr
