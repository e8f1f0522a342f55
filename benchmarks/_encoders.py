"""JPEG encoders of others: samples uint8 (h, w, 3) and a quality -> a file. Those that are missing say so by `missing`.

pillow      libjpeg-turbo as Pillow brings it, what senders verify with
fast        libjpeg-turbo's fast DCT (`cjpeg`, libjpeg-turbo-progs)
float       its DCT in floats
libjpeg 6b  Java's ImageIO, which brings the code of the Independent JPEG Group
go          Go's image/jpeg
magick      ImageMagick
chromium    a browser's canvas, as web pages shrink uploads
mozjpeg     with the standard tables, and trellis quantisation on top, by libvips (`pip install pyvips-binary`)
mozjpeg's own  the tables that its programs take by themselves, and trellis quantisation
"""

from __future__ import annotations

import base64
import importlib.util
import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

SECONDS = 120
JAVA = """
import java.io.File;
import javax.imageio.*;
import javax.imageio.stream.FileImageOutputStream;
class Encode {
  public static void main(String[] a) throws Exception {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
    ImageWriteParam asked = writer.getDefaultWriteParam();
    asked.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
    asked.setCompressionQuality(Integer.parseInt(a[2]) / 100f);
    writer.setOutput(new FileImageOutputStream(new File(a[1])));
    writer.write(null, new IIOImage(ImageIO.read(new File(a[0])), null, null), asked);
    writer.dispose();
  }
}
"""
GO = """
package main
import ("image/jpeg"; "image/png"; "os"; "strconv")
func main() {
  in, _ := os.Open(os.Args[1]); shown, _ := png.Decode(in)
  out, _ := os.Create(os.Args[2]); quality, _ := strconv.Atoi(os.Args[3])
  jpeg.Encode(out, shown, &jpeg.Options{Quality: quality}); out.Close()
}
"""
PAGE = """<body><script>
const shown = new Image();
shown.onload = () => {
  const canvas = document.createElement('canvas');
  canvas.width = shown.width; canvas.height = shown.height;
  canvas.getContext('2d').drawImage(shown, 0, 0);
  document.body.innerText = canvas.toDataURL('image/jpeg', %g);
};
shown.src = 'data:image/png;base64,%s';
</script></body>"""


@dataclass(frozen=True)
class Encoder:
    """encode: samples and quality -> a file's bytes. missing: the program or module that is not here, or ""."""

    encode: Callable[[np.ndarray, int], bytes]
    missing: str = ""


def encoders() -> dict[str, Encoder]:
    vips = "" if importlib.util.find_spec("pyvips") else "pyvips"
    return {
        "pillow": Encoder(pillow),
        "fast": Encoder(cjpeg("fast"), _lacks("cjpeg")),
        "float": Encoder(cjpeg("float"), _lacks("cjpeg")),
        "libjpeg 6b": Encoder(java, _lacks("javac")),
        "go": Encoder(go, _lacks("go")),
        "magick": Encoder(magick, _lacks("convert")),
        "chromium": Encoder(chromium, _lacks("chromium")),
        "mozjpeg": Encoder(mozjpeg(0), vips),
        "mozjpeg's own": Encoder(mozjpeg(3), vips),
    }


def _lacks(program: str) -> str:
    return "" if shutil.which(program) else program


def png_of(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def pillow(pixels: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def cjpeg(dct: str) -> Callable[[np.ndarray, int], bytes]:
    def encode(pixels: np.ndarray, quality: int) -> bytes:
        buffer = io.BytesIO()
        Pillow.fromarray(pixels).save(buffer, "PPM")
        return _run(["cjpeg", "-quality", str(quality), "-dct", dct], buffer.getvalue())

    return encode


def magick(pixels: np.ndarray, quality: int) -> bytes:
    return _run(["convert", "png:-", "-quality", str(quality), "jpeg:-"], png_of(pixels))


def java(pixels: np.ndarray, quality: int) -> bytes:
    return _by_source("Encode.java", JAVA, ["java"], pixels, quality)


def go(pixels: np.ndarray, quality: int) -> bytes:
    return _by_source("encode.go", GO, ["go", "run"], pixels, quality)


def chromium(pixels: np.ndarray, quality: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(PAGE % (quality / 100, base64.b64encode(png_of(pixels)).decode()))
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000"]
        shown = _run(["chromium", *flags, "--dump-dom", page.as_uri()]).decode()
    coded = shown.partition("data:image/jpeg;base64,")[2].partition("<")[0]
    return base64.b64decode("".join(coded.split()))


def mozjpeg(table: int) -> Callable[[np.ndarray, int], bytes]:
    def encode(pixels: np.ndarray, quality: int) -> bytes:
        import pyvips

        found: bytes = pyvips.Image.new_from_array(pixels).jpegsave_buffer(
            Q=quality, trellis_quant=True, overshoot_deringing=True, optimize_coding=True, quant_table=table
        )
        return found

    return encode


def _by_source(name: str, source: str, command: list[str], pixels: np.ndarray, quality: int) -> bytes:
    """Run a program from its source: a PNG's path, a JPEG's path and the quality are its arguments."""
    with tempfile.TemporaryDirectory() as folder:
        program, before, after = (Path(folder) / n for n in (name, "before.png", "after.jpg"))
        program.write_text(source)
        before.write_bytes(png_of(pixels))
        _run([*command, str(program), str(before), str(after), str(quality)])
        return after.read_bytes()


def _run(command: list[str], given: bytes = b"") -> bytes:
    return subprocess.run(command, input=given, capture_output=True, check=True, timeout=SECONDS).stdout
