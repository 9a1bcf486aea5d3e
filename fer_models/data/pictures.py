"""Opening pictures from anybody: an RGB picture, or one sentence that says why not."""

import io
import zlib
from importlib.util import find_spec

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_models.data.images import opaque

# Only formats that are decoded in this process: Pillow's EPS reader, for example, would start Ghostscript. HEIF is what
# phones make (HEIC); libheif refuses a picture that turns out larger than its header says.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
# How files of these formats are named, in lower case.
PICTURE_SUFFIXES: tuple[str, ...] = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".gif",
    ".bmp",
    ".dib",
    ".tif",
    ".tiff",
    ".avif",
    ".heic",
    ".heif",
    ".hif",
)

READS_HEIF = find_spec("pillow_heif") is not None
if READS_HEIF:
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)

# The largest picture that is decoded: 50 million pixels, as many as most phones take. It is not reduced, because the
# faces of a crowd would be. Decoding one takes up to 900 MB for a moment (a PNG with transparency).
MAX_PIXELS = 50_000_000


class PictureError(ValueError):
    """A picture that cannot be used; the message is one sentence for whoever chose it, without the file's name.

    `kind` is for programs.
    """

    kind = "unreadable_picture"


class TooLargeError(PictureError):
    """A picture of too many bytes or pixels."""

    kind = "too_large"


def open_picture(content: bytes) -> Image.Image:
    """Decodes the content of a picture's file: first frame, upright by its EXIF orientation, 8-bit RGB.

    Transparency is laid on neutral grey, and 16-bit grey is scaled to 8 bits. The size is checked in the file's header,
    before anything is decoded. Broken EXIF or a broken colour profile does not matter where the pixels are whole.

    Raises:
        PictureError: the file is empty, not a picture, damaged, black all over, has more than `MAX_PIXELS` pixels, or
            is a HEIC picture and the package pillow-heif is missing.
    """
    too_large = f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels; please make it smaller first."
    if not content:
        raise PictureError("The file is empty; please choose another picture.")
    if not READS_HEIF and content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"):
        raise PictureError("This is a HEIC picture, which needs the package pillow-heif (pip install pillow-heif).")
    try:
        with Image.open(io.BytesIO(_without_notes(content)), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise TooLargeError(too_large)
            return _upright_rgb(image)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:  # Pillow's own limit, which it checks while it reads the header
        raise TooLargeError(too_large) from error
    except UnidentifiedImageError as error:
        raise PictureError(
            "This is not a picture that can be read; please use a JPEG, PNG, WebP, HEIC or GIF file."
        ) from error
    except Exception as error:  # Pillow's decoders raise whatever their parsing of a broken file runs into
        raise PictureError("The picture is damaged or incomplete; please choose another file.") from error


def _without_notes(content: bytes) -> bytes:
    """A PNG without the chunks that do not make pixels; other formats unchanged. Pillow refuses the picture for one
    wrong checksum in them.
    """
    signature = b"\x89PNG\r\n\x1a\n"
    if not content.startswith(signature):
        return content
    kept, start = [signature], len(signature)
    while start < len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4])
        name, chunk = content[start + 4 : start + 8], content[start:end]
        intact = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])
        if name[:1].isupper() or (name in (b"tRNS", b"eXIf") and intact):  # an upper-case name: the chunk is needed
            kept.append(chunk)
        start = end
    return b"".join(kept)


def _upright_rgb(image: Image.Image) -> Image.Image:
    image.load()  # the pixels, whose damage matters
    try:
        image = ImageOps.exif_transpose(image)
    except Exception:  # whatever parsing broken EXIF runs into
        image.info.pop("exif", None)
    if image.mode.startswith(("I", "F")):
        image = _to_8_bits(image)
    picture = opaque(image).convert("RGB")
    if picture.getbbox() is None:  # such as 8 bits stored in 16 per colour
        raise PictureError(
            "The picture, or its first frame, is black all over. If other programs show more, save it as JPEG first."
        )
    return picture


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale deep grey to 8 bits: 32-bit integers and floats by the range they take, 16 bits by the usual depth that
    holds their values: many programs store 8, 10, 12 or 14 bits in them.
    """
    pixels = np.array(image, dtype=np.float32)
    finite = pixels[np.isfinite(pixels)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if image.mode.startswith("I;16"):
        low, high = 0.0, next(2**bits - 1 for bits in (8, 10, 12, 14, 16) if high < 2**bits)
    pixels = np.nan_to_num(pixels, nan=low, posinf=high, neginf=low)
    return Image.fromarray(np.rint((pixels - low) * (255 / max(high - low, 1e-9))).astype(np.uint8))
