#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes pictures of every screen. Started by build-aux/screenshots, which provides the display."""

import argparse
import contextlib
import ctypes
import hashlib
import pathlib
import shutil
import sys
import tempfile
import time

from demo import Atspi, GLib, run, say
from screens import Walk
from screens_library import People, furnish

WIDE, NARROW = (1100, 720), (360, 680)
DARK = {"ADW_DEBUG_COLOR_SCHEME": "prefer-dark"}
CONTRAST = {"ADW_DEBUG_HIGH_CONTRAST": "1"}
# A language from right to left that GTK knows and Reflection does not, so that the words stay readable for developers.
RIGHT_TO_LEFT = {"LANG": "he_IL.UTF-8", "LANGUAGE": "he"}
DOTS_PER_INCH = 96
# Which size, environment and scale of the text each form has. Those after the first four are for looking only.
FORMS = {
    "light": (WIDE, {}, 1),
    "dark": (WIDE, DARK, 1),
    "narrow-light": (NARROW, {}, 1),
    "narrow-dark": (NARROW, DARK, 1),
    "rtl": (WIDE, RIGHT_TO_LEFT, 1),
    "narrow-rtl": (NARROW, RIGHT_TO_LEFT, 1),
    "large": (WIDE, {}, 2),
    "narrow-large": (NARROW, {}, 2),
    "contrast": (WIDE, CONTRAST, 1),
    "contrast-dark": (WIDE, {**CONTRAST, **DARK}, 1),
}
KEPT = list(FORMS)[:4]
# The screen is at rest when two pictures of it are the same; what moves for ever is taken as it is then.
REST_LIMIT_S = 4
POLL_S = 0.15
# As libadwaita rounds a window.
CORNER = 15


def set_dots_per_inch(dots):
    """Tells programs that start from now on how large text is, as the resources of the display say it."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.argtypes = x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    x11.XChangeProperty.argtypes = [ctypes.c_void_p, *[ctypes.c_ulong] * 3, ctypes.c_int, ctypes.c_int, ctypes.c_char_p,
                                    ctypes.c_int]
    # Numbers that the X protocol fixes: RESOURCE_MANAGER, STRING, 8 bits, replacing.
    resource_manager, string, bits, replace = 23, 31, 8, 0
    display, text = x11.XOpenDisplay(None), f"Xft.dpi:\t{dots}\n".encode()
    x11.XChangeProperty(display, x11.XDefaultRootWindow(display), resource_manager, string, bits, replace, text, len(text))
    x11.XCloseDisplay(display)


class Photographer:
    """Takes one picture of each screen of one form."""

    def __init__(self, out, form, only):
        self.out, self.form, self.only = out, form, only
        self.taken = []

    def visit(self, screen, person):
        if self.only and screen not in self.only:
            return
        path = self.out / f"{screen}-{self.form}.png"
        before, end = None, time.monotonic() + REST_LIMIT_S
        while True:
            # A pointer that rests on something makes it look chosen.
            run("xdotool", "mousemove", "0", "899")
            time.sleep(POLL_S)
            width, height = person.picture(path)
            now = hashlib.sha256(path.read_bytes()).digest()
            if now == before or time.monotonic() > end:
                break
            before = now
        # Round corners without what is behind them, and no more colours than anybody sees.
        outline = f"roundrectangle 0,0 {width - 1},{height - 1} {CORNER},{CORNER}"
        run("convert", str(path), "(", "-size", f"{width}x{height}", "xc:none", "-fill", "white", "-draw", outline, ")",
            "-compose", "CopyOpacity", "-composite", "-dither", "None", "-colors", "256", "-strip", "-define", "png:compression-level=9", str(path))
        self.taken.append(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--app", type=pathlib.Path, required=True)
    parser.add_argument("--cli", type=pathlib.Path, required=True)
    parser.add_argument("--form", action="append", choices=FORMS, help=f"default: {', '.join(KEPT)}")
    parser.add_argument("--screen", action="append", help="this screen only (repeatable)")
    parser.add_argument("--out", type=pathlib.Path, help="default: docs/screenshots; build/screenshots for other forms")
    options = parser.parse_args()
    GLib.log_set_handler("dbind", GLib.LogLevelFlags.LEVEL_WARNING, lambda *_: None, None)
    Atspi.init()
    Atspi.set_timeout(5000, 20000)
    forms = options.form or KEPT
    folder = pathlib.Path(tempfile.mkdtemp(prefix="reflection-screenshots."))
    failed, taken = {}, []
    try:
        people = People(options.cli, folder)
        with contextlib.ExitStack() as stack:
            stack.callback(people.end)
            made = furnish(people)
        for form in forms:
            say(f"{form}:")
            out = options.out or pathlib.Path("docs/screenshots" if form in KEPT else "build/screenshots")
            out.mkdir(parents=True, exist_ok=True)
            size, environment, scale = FORMS[form]
            set_dots_per_inch(scale * DOTS_PER_INCH)
            photographer = Photographer(out, form, options.screen)
            walk = Walk(options.app, people, made, photographer.visit, size, environment=environment)
            try:
                walk.bring_others()
                walk.all()
            finally:
                walk.leave()
            failed.update({f"{screen}-{form}": reason for screen, reason in walk.failed.items()})
            taken += photographer.taken
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    size = sum(path.stat().st_size for path in taken)
    say(f"{len(taken)} pictures, {size / 1e6:.1f} MB; {len(failed)} screens not seen")
    for screen, reason in failed.items():
        say(f"  {screen}: {reason}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
