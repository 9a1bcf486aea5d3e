"""The page as a visitor sees it in a real browser (Debian's chromium)."""

import io
import time
from pathlib import Path

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 120  # seconds; an analysis takes one or two on an idle machine


class Page:
    """What a visitor does and sees."""

    def __init__(self, browser: webdriver.Chrome, address: str) -> None:
        self.browser = browser
        browser.get(address)
        self.wait(lambda: self.all("#examples input"))

    def wait(self, condition) -> None:
        WebDriverWait(self.browser, PATIENCE, poll_frequency=0.1).until(lambda _: condition())

    def all(self, selector: str) -> list:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.all(selector)[0].text

    def upload(self, path: Path) -> None:
        self.all("input[type=file]")[0].send_keys(str(path))

    def choose(self, label: str, option: str) -> None:
        """Picks an option of a dropdown."""
        box = self.all(f"input[aria-label='{label}']")[0]
        box.click()
        self.wait(lambda: self.all("ul[role=listbox]"))
        next(item for item in self.all("ul[role=listbox] li") if option in item.text).click()

    def set_opacity(self, percent: int) -> None:
        box = self.all("input[type=number]")[0]
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(str(percent), Keys.TAB)
        self.wait(lambda: float(self.all(".overlay img")[0].value_of_css_property("opacity")) == percent / 100)

    def picture(self, element) -> np.ndarray:
        """float (H, W, 3): the pixels on the screen once nothing moves any more, without the rounded corners."""
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        before = None
        while (screenshot := element.screenshot_as_png) != before:
            before = screenshot
            time.sleep(0.3)
        return np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB"), dtype=float)[12:-12, 12:-12]
