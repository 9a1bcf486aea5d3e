"""Pictures of every screen for docs/screens: `python -m tests.screenshots` starts the page and takes them.

Look at all of them after a change of the page. docs/page.webp, which README shows, is one of them.
"""

import io
import tempfile
import time
from pathlib import Path

from PIL import Image
from selenium.webdriver.common.keys import Keys

from demo.example_pictures import EXAMPLES, OPENING
from demo.load_test import running_page
from fer_models.checkpoints import default_weights_dir
from tests.browser import PHONE, Page, portrait_camera, start_chromium

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "screens"
LONGEST = 6000  # pixels; what is below is cut off

SIX = "baseline_cnn,resnet50,attn_cnn,vit,paper/attn_cnn,without_attention/attn_cnn"

# Name of the picture: width and height of the window, whether the whole page is taken, and what the address asks for.
SCREENS = {
    "analyse": (1440, 900, False, "?example=grace-hopper"),
    "analyse-dark": (1440, 900, False, "?example=six-faces&face=3&__theme=dark"),
    "analyse-unsure": (1440, 900, False, "?example=covered-mouth&emotion=angry&against=happy"),
    "analyse-six": (1440, 900, False, f"?example=grace-hopper&models={SIX}"),
    "analyse-1280": (1280, 900, False, "?example=tilted"),
    "analyse-1920": (1920, 1080, False, "?example=grace-hopper&__theme=dark"),
    "analyse-768": (768, 1024, True, "?example=six-faces"),
    "analyse-phone": (*PHONE, True, "?example=grace-hopper"),
    "analyse-phone-dark": (*PHONE, True, "?example=eileen-collins&__theme=dark"),
    "clip": (1440, 900, False, "?tab=clip"),
    "clip-dark": (1440, 900, True, "?tab=clip&__theme=dark"),
    "clip-phone": (*PHONE, True, "?tab=clip"),
    "camera": (1440, 900, False, "?tab=camera"),
    "camera-dark": (1440, 900, False, "?tab=camera&__theme=dark"),
    "camera-phone": (*PHONE, True, "?tab=camera"),
    "evaluation": (1440, 900, True, "?tab=evaluation"),
    "evaluation-dark": (1440, 900, False, "?tab=evaluation&__theme=dark"),
    "evaluation-phone": (*PHONE, True, "?tab=evaluation"),
    "trust": (1440, 900, True, "?tab=trust"),
    "trust-dark": (1440, 900, False, "?tab=trust&__theme=dark"),
    "trust-phone": (*PHONE, True, "?tab=trust"),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_page(default_weights_dir(), Path(folder), at_once=2) as (address, _),
        start_chromium(Path(folder, "profile"), portrait_camera(EXAMPLES[OPENING].path, Path(folder))) as browser,
    ):
        page = Page(browser, address)
        for name, (width, height, is_whole, query) in SCREENS.items():
            with page.screen(width, height):
                page.open(query)
                if name.startswith("clip"):
                    show_example_clip(page)
                page.wait(lambda: page.count(".analysis .waiting") == 0)
                if "tab=camera" in query:
                    page.click("[data-start]")
                    time.sleep(12)  # until the timeline is full
                if is_whole:
                    height = min(page.script("return document.documentElement.scrollHeight"), LONGEST)
            with page.screen(width, height):
                save(page.browser.get_screenshot_as_png(), FOLDER / f"{name}.webp")
    (ROOT / "docs" / "page.webp").write_bytes((FOLDER / "analyse.webp").read_bytes())


def show_example_clip(page: Page) -> None:
    """The timeline of the example, and the first face a second after its beginning."""
    page.wait(lambda: page.count(".clip-tab"))
    page.click("[data-clip=example]")
    page.wait(lambda: page.count(".clip-tab[data-state=done]") and page.count(".clip-face"))
    page.one(".clip-face .clip-slider").send_keys(Keys.PAGE_UP)
    page.wait(lambda: page.count("#clip-cards .analysis"))
    page.script("scrollTo(0, 0)")


def save(screenshot: bytes, file: Path) -> None:
    with Image.open(io.BytesIO(screenshot)) as picture:
        picture.convert("RGB").save(file, quality=70, method=6)


if __name__ == "__main__":
    main()
