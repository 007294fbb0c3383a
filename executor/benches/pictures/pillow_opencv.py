"""Pictures per second of Pillow and OpenCV, on one thread: the files' paths come line by line on standard input."""

import io
import sys
import time

import cv2
import numpy
from PIL import Image, ImageFilter

cv2.setNumThreads(1)
FILES = [open(line.rstrip("\n"), "rb").read() for line in sys.stdin]
SIZE = (128, 128)


def pillow(data, draft):
    picture = Image.open(io.BytesIO(data))
    if draft:
        picture.draft("L", SIZE)
    small = picture.resize(SIZE, Image.BILINEAR).convert("L").filter(ImageFilter.GaussianBlur(1))
    return numpy.asarray(small, dtype=numpy.float32).ravel()


def opencv(data, flag, interpolation):
    picture = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), flag)
    small = cv2.resize(picture, SIZE, interpolation=interpolation)
    return cv2.GaussianBlur(small, (0, 0), 1).astype(numpy.float32).ravel()


PEERS = {
    "Pillow, bilinear, blurred": lambda data: pillow(data, False),
    "Pillow, decoded at scale, bilinear, blurred": lambda data: pillow(data, True),
    "OpenCV, gray, area, blurred": lambda data: opencv(data, cv2.IMREAD_GRAYSCALE, cv2.INTER_AREA),
    "OpenCV, gray, linear, blurred": lambda data: opencv(data, cv2.IMREAD_GRAYSCALE, cv2.INTER_LINEAR),
}

for name, peer in PEERS.items():
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for data in FILES:
            peer(data)
        best = min(best, time.perf_counter() - start)
    print(f"{len(FILES) / best:.1f} {name}")
