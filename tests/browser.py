"""A headless Chromium for the tests of the book and of JupyterLab."""

import contextlib
import shutil
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLAGS = (
    'headless=new', 'no-sandbox', 'disable-gpu', 'disable-dev-shm-usage', 'disable-quic',
    'disable-background-networking', 'disable-component-update', 'disable-sync',
    'disable-default-apps', 'no-first-run', 'window-size=1300,1000',
)  # fmt: skip


@contextlib.contextmanager
def chromium(home):
    """Start a Chromium that knows nothing and asks nobody; skip the test where there is none."""
    webdriver = pytest.importorskip('selenium.webdriver')
    browser = shutil.which('chromium') or shutil.which('chromium-browser')
    driver = shutil.which('chromedriver')
    if not browser or not driver:
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f'user-data-dir={home}'):
        options.add_argument(f'--{flag}')
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


def wait_for(condition, seconds=180):
    """Return what `condition()` returns as soon as it is true."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f'waited {seconds} s')


def visit(browser, page):
    """Open a page and wait until it and its formulas are there."""
    browser.get(page)
    wait_for(lambda: browser.execute_script(
        "return document.readyState === 'complete' && (!window.MathJax || !MathJax.startup || "
        'MathJax.startup.promise.then(() => window.formulasAreSet = true) && '
        'window.formulasAreSet === true)'
    ))  # fmt: skip


def keep(browser, name):
    """Keep a picture of the page for people to look at."""
    (ROOT / 'build' / 'book-seen').mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(ROOT / 'build' / 'book-seen' / f'{name}.png'))
