"""The page as a visitor sees it in a real browser (Debian's chromium)."""

import io
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 120  # seconds; an analysis takes one or two on an idle machine
DESKTOP, PHONE = (1440, 900), (390, 844)
PROGRAMS = [shutil.which("chromium"), shutil.which("chromedriver")]
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--use-fake-device-for-media-stream",  # a camera
    "--use-fake-ui-for-media-stream",  # whose use is allowed
    "--window-size=1280,900",
)

# Gives a file to the page as the clipboard (a paste) or the mouse (a drop) does.
HAND_OVER = """
const [place, kind, name, type, base64, size] = arguments;
const content = size ? new Uint8Array(size) : Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([content], name, {type}));
const options = {bubbles: true, cancelable: true};
const event = kind === "paste"
    ? new ClipboardEvent(kind, {...options, clipboardData: data})
    : new DragEvent(kind, {...options, dataTransfer: data});
document.querySelector(place).dispatchEvent(event);"""

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
# Rules that depend on colours, of which there are two sets.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
# All rules, those of WCAG 2.2 as well.
ALL = {"rules": {"target-size": {"enabled": True}}}
# What Gradio makes, and this page cannot change: none breaks a rule whose impact is serious.
GRADIO: list[list[str]] = []
RUN = """
const [options, excluded, done] = arguments;
axe.run({include: [["body"]], exclude: excluded}, {...options, resultTypes: ["violations"]}).then(
    ({violations}) => done(violations.filter(({impact}) => ["serious", "critical"].includes(impact)).map(
        ({id, nodes}) => `${id}: ${nodes.map(({target}) => target.join(" ")).join(", ")}`)),
    error => done([String(error)]));"""


@contextmanager
def start_chromium(profile: Path, *arguments: str) -> Iterator[webdriver.Chrome]:
    """Debian's chromium without a window, with a profile folder of its own, and further arguments."""
    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAMS[0]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}", *arguments):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(PROGRAMS[1]))
    try:
        yield driver
    finally:
        driver.quit()


def portrait_camera(portrait: Path, folder: Path) -> str:
    """The argument that makes chromium's camera show a portrait moving to and fro, from a file in this folder."""
    with Image.open(portrait) as photo:
        person = photo.convert("RGB").resize((480 * photo.width // photo.height, 480))
    file = folder / "camera.mjpeg"
    with file.open("wb") as frames:
        for shift in [*range(0, 60, 3), *range(60, 0, -3)]:
            picture = Image.new("RGB", (640, 480), "gray")
            picture.paste(person, (50 + shift, 0))
            picture.save(frames, "JPEG", quality=90)
    return f"--use-file-for-fake-video-capture={file}"


class Page:
    """What a visitor does and sees."""

    def __init__(self, browser: webdriver.Chrome, address: str) -> None:
        self.browser, self.address = browser, address

    def open(self, query: str = "") -> None:
        """Opens the page, or opens it again, and waits until it shows what the query asks for."""
        self.browser.get("about:blank")
        self.browser.get_log("browser")  # Gradio reports it as an error that its connection ends when a page is left
        self.browser.get(f"{self.address}/{query}")
        self.wait(lambda: self.count("[data-example][aria-pressed=true]"))  # it has read its address
        self.wait(self.is_settled)

    # ---- What is there ----

    def wait(self, condition) -> None:
        waiting = WebDriverWait(self.browser, PATIENCE, 0.1, ignored_exceptions=[StaleElementReferenceException])
        waiting.until(lambda _: condition())

    def script(self, script: str, *arguments: object):
        return self.browser.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def count(self, selector: str) -> int:
        return self.script("return document.querySelectorAll(arguments[0]).length", selector)

    def text(self, selector: str) -> str:
        """What the first such element says, seen or not; "" if there is none."""
        said = self.script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)
        return " ".join(said.split())

    def boxes(self, selector: str) -> list[dict[str, float]]:
        """Where such elements are on the screen: left, top, right, bottom, width and height in pixels."""
        return self.script(
            "return [...document.querySelectorAll(arguments[0])].map(part => part.getBoundingClientRect().toJSON())",
            selector,
        )

    def picture(self, element: WebElement) -> np.ndarray:
        """float (H, W, 3): the pixels on the screen once nothing moves any more, without the rounded corners."""
        self.script("arguments[0].scrollIntoView({block: 'center'})", element)
        before = None
        while (screenshot := element.screenshot_as_png) != before:
            before = screenshot
            time.sleep(0.3)
        return np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB"), dtype=float)[12:-12, 12:-12]

    def errors(self) -> list[str]:
        """What the browser has reported since it was last asked."""
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]

    def axe_faults(self, only_colours: bool = False) -> list[str]:
        """What axe finds wrong in what is shown, with serious or critical impact; all rules, or those of colours."""
        self.script(AXE)
        self.browser.set_script_timeout(100)
        return self.browser.execute_async_script(RUN, COLOURS if only_colours else ALL, GRADIO)

    # ---- The view ----

    @property
    def analysis(self) -> str:
        """The number of the analysis that is shown; "" for none."""
        return self.script("return document.querySelector('.analysis')?.dataset.analysis ?? ''")

    @property
    def face(self) -> str:
        """The picture below the maps, which tells which face the results are of."""
        return self.script("return document.querySelector('.analysis')?.style.getPropertyValue('--face') ?? ''")

    @property
    def ring(self) -> list[str]:
        """The names of the faces that are marked in the photo."""
        return [box.get_attribute("aria-label") for box in self.all(".face-box[aria-pressed=true]")]

    @property
    def query(self) -> dict[str, str]:
        """What the page's address asks for."""
        return self.script("return Object.fromEntries(new URLSearchParams(location.search))")

    def is_settled(self) -> bool:
        """Whether all that was asked for is shown."""
        return self.count(":is(#photo, #results):is([aria-busy], :has([aria-busy]))") == 0

    @contextmanager
    def new_results(self) -> Iterator[None]:
        """Waits, after what is done inside, for another analysis."""
        before = self.analysis
        yield
        self.wait(lambda: self.analysis not in ("", before) and self.is_settled())

    # ---- What a visitor does ----

    def click(self, selector: str) -> None:
        element = self.one(selector)
        self.script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def choose(self, key: str, value: str) -> None:
        """Picks an option of one of the lists, which have to be unfolded."""
        self.click(f"select[data-set={key}] option[value='{value}']")

    def unfold(self, name: str) -> None:
        self.click(f"details[data-name={name}] > summary")

    def upload(self, path: Path) -> None:
        self.one("[data-file]").send_keys(str(path))

    def hand_over(
        self, place: str, kind: str, name: str, content: str = "", size: int = 0, type: str = "image/jpeg"
    ) -> None:
        """Pastes or drops a file: base64 `content`, or `size` zeros."""
        self.script(HAND_OVER, place, kind, name, type, content, size)

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def open_tab(self, name: str) -> None:
        next(tab for tab in self.all("[role=tab]") if name in tab.text).click()

    @contextmanager
    def screen(self, width: int, height: int) -> Iterator[None]:
        """A window whose inside has this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            yield
        finally:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
