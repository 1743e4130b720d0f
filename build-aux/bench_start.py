#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the program takes to start, what it uses while nobody does anything, and how it ends; as rows of a table.

Started by build-aux/bench. Beside it stands gnome-text-editor with the same text in a file, if there is one. What a
window does and what is painted in it is told by the X server, which costs the program nothing. That the text is whole is
asked through the accessibility bus, as a screen reader would, once nothing is timed any more: looking for it there keeps
a program busy for most of a second.
"""

import argparse
import contextlib
import ctypes
import os
import pathlib
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

STARTS = 5
DEADLINE_S = 60
POLL_S = 0.005
# Larger than a tooltip, as windows of programs are.
WINDOW_MIN = 200
# Carets stop blinking 10 s after the last key.
QUIET_S = 15
IDLE_S = 60
NS_PER_S = 1e9
KIB_PER_MB = 1024
# In lists of documents there is no text, and asking for all of them takes long.
LISTS = {Atspi.Role.LIST, Atspi.Role.LIST_BOX, Atspi.Role.TABLE, Atspi.Role.TREE}
MAP_NOTIFY, UNMAP_NOTIFY, DESTROY_NOTIFY = 19, 18, 17
SUBSTRUCTURE_NOTIFY = 1 << 19
ALL_PLANES, Z_PIXMAP = ctypes.c_ulong(-1), 2
LETTER = ord("x")
# Parts of a window, as shares of its width and height: left, top, width, height. Below the middle of the text, and the
# right part of its first line, which moves when something is typed before it; the caret blinks elsewhere.
BODY, FIRST_LINE = (0.6, 0.45, 0.1, 0.4), (0.55, 0.125, 0.15, 0.075)
# After which a window looks as it stays.
AT_REST_S = 3


class Image(ctypes.Structure):
    """The beginning of an XImage."""

    _fields_ = [("size", ctypes.c_int * 2), ("offset", ctypes.c_int), ("format", ctypes.c_int),
                ("data", ctypes.c_void_p), ("order", ctypes.c_int * 4), ("depth", ctypes.c_int),
                ("bytes_per_line", ctypes.c_int)]


class Screen:
    """What the X server tells of windows, at the moment when it happens."""

    def __init__(self):
        self.x11 = x11 = ctypes.CDLL("libX11.so.6")
        self.xtst = ctypes.CDLL("libXtst.so.6")
        x11.XGetImage.restype = ctypes.POINTER(Image)
        x11.XOpenDisplay.restype = ctypes.c_void_p
        x11.XDefaultRootWindow.restype = ctypes.c_ulong
        self.display = ctypes.c_void_p(x11.XOpenDisplay(None))
        self.root = ctypes.c_ulong(x11.XDefaultRootWindow(self.display))
        x11.XSelectInput(self.display, self.root, ctypes.c_long(SUBSTRUCTURE_NOTIFY))
        x11.XSync(self.display, 0)
        # A window may go before it is asked how large it is.
        self.ignore = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: 0)
        x11.XSetErrorHandler(self.ignore)

    def forget(self):
        self.x11.XSync(self.display, 1)

    def wait(self, kinds, window=None):
        """The window of the next such event, and when it came."""
        end = time.monotonic() + DEADLINE_S
        event = (ctypes.c_long * 24)()
        while True:
            while self.x11.XPending(self.display):
                self.x11.XNextEvent(self.display, ctypes.byref(event))
                # type, serial, send_event, display, event, window
                kind, found = event[0] & 0xFFFFFFFF, event[5]
                if kind in kinds and (found == window if window else self._is_window(found)):
                    return found, time.monotonic()
            if not select.select([self.x11.XConnectionNumber(self.display)], [], [], end - time.monotonic())[0]:
                raise TimeoutError("no such window in time")

    def picture(self, window, part):
        """What is painted in a part of a window."""
        width, height = self._size(window)
        left, top, across, down = part
        image = self.x11.XGetImage(self.display, ctypes.c_ulong(window), int(left * width), int(top * height),
                                   int(across * width), int(down * height), ALL_PLANES, Z_PIXMAP)
        if not image:
            raise RuntimeError("the window cannot be looked at")
        painted = ctypes.string_at(image[0].data, image[0].bytes_per_line * image[0].size[1])
        self.x11.XFree(ctypes.c_void_p(image[0].data))
        self.x11.XFree(image)
        return painted

    def press_letter(self):
        code = self.x11.XKeysymToKeycode(self.display, ctypes.c_ulong(LETTER))
        for is_down in (1, 0):
            self.xtst.XTestFakeKeyEvent(self.display, code, is_down, ctypes.c_ulong(0))
        self.x11.XFlush(self.display)

    def _is_window(self, window):
        width, height = self._size(window)
        return width > WINDOW_MIN and height > WINDOW_MIN

    def _size(self, window):
        root, place, size = ctypes.c_ulong(), (ctypes.c_int * 2)(), (ctypes.c_uint * 4)()
        at = [ctypes.byref(place, 4 * index) for index in range(2)] + [ctypes.byref(size, 4 * index) for index in range(4)]
        known = self.x11.XGetGeometry(self.display, ctypes.c_ulong(window), ctypes.byref(root), *at)
        return (size[0], size[1]) if known else (0, 0)


class Program:
    """A running program, from its start on."""

    def __init__(self, screen, command, environment):
        self.screen = screen
        screen.forget()
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.window, shown = screen.wait({MAP_NOTIFY})
        self.window_ms = 1e3 * (shown - self.begun)

    def picture(self, part):
        return self.screen.picture(self.window, part)

    def looks_ms(self, part, is_wanted):
        """Until a part of the window looks as is wanted."""
        return self._until_ms(lambda: is_wanted(self.picture(part)), "it does not look so in time")

    def has_text(self, characters):
        """Waits until there is a text of that many characters that takes edits."""
        self._until_ms(lambda: self._has_text(characters), "no text in time")

    def _until_ms(self, is_so, complaint):
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            with contextlib.suppress(GLib.Error):
                if is_so():
                    return 1e3 * (time.monotonic() - self.begun)
            time.sleep(POLL_S)
        raise TimeoutError(complaint)

    def _has_text(self, characters):
        desktop = Atspi.get_desktop(0)
        desktop.clear_cache()
        children = [desktop.get_child_at_index(index) for index in range(desktop.get_child_count())]
        waiting = [child for child in children if child and child.get_process_id() == self.process.pid]
        for child in waiting:
            child.set_cache_mask(Atspi.Cache.NONE)
        while waiting:
            element = waiting.pop()
            states = element.get_state_set()
            if states.contains(Atspi.StateType.MULTI_LINE) and states.contains(Atspi.StateType.EDITABLE):
                return Atspi.Text.get_character_count(element) == characters
            if element.get_role() not in LISTS:
                found = (element.get_child_at_index(index) for index in range(element.get_child_count()))
                waiting += [child for child in found if child]
        return False

    def used_s(self):
        """Processor time of all threads so far, as the scheduler counts it."""
        total = 0
        for thread in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((thread / "schedstat").read_text().split()[0])
        return total / NS_PER_S

    def memory_mb(self):
        """What is resident, and what of that is anonymous."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return [int(re.search(rf"{name}:\s+(\d+)", status)[1]) / KIB_PER_MB for name in ("VmRSS", "RssAnon")]

    def close_ms(self):
        """Types a letter, and closes the window at once by the key for that: until it is gone, and until the program is."""
        subprocess.run(["xdotool", "key", "x"], check=True)
        self.screen.forget()
        begun = time.monotonic()
        subprocess.run(["xdotool", "key", "alt+F4"], check=True)
        _, gone = self.screen.wait({UNMAP_NOTIFY, DESTROY_NOTIFY}, self.window)
        self.process.wait(DEADLINE_S)
        return 1e3 * (gone - begun), 1e3 * (time.monotonic() - begun)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(DEADLINE_S)


class Bench:
    def __init__(self, app, tests, folder):
        self.app, self.folder = app, folder
        self.screen = Screen()
        self.library, self.config = folder / "library", folder / "config"
        made = subprocess.run([tests, "--ignored", "--nocapture", "stories::measuring::library::make"],
                              env=dict(os.environ, REFLECTION_BENCH_LIBRARY=str(self.library)),
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        self.ids = dict(re.findall(r"^(small|large): (\S+)$", made, re.MULTILINE))
        line = "Some words of a line, as people write them, and not too long.\n"
        self.texts = {"small": line * 160, "large": line * (1_000_000 // len(line))}
        for name, text in self.texts.items():
            # The editor shows no newline that ends a file.
            (folder / f"{name}.md").write_text(text + "\n")
        self.editor = shutil.which("gnome-text-editor")

    def start(self, name):
        """The program with a document that was open when it was closed, as a person would have it."""
        settings = self.config / "glib-2.0/settings"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "keyfile").write_text(f"[app/reflection/Reflection]\nopen-documents=['{self.ids[name]}']\n")
        environment = dict(os.environ, GSETTINGS_BACKEND="keyfile", XDG_CONFIG_HOME=str(self.config))
        command = [self.app, "--data-dir", self.library, "--mode", "local", "--bind", "127.0.0.1:0", "--no-mdns",
                   "--key-file"]
        return Program(self.screen, command, environment)

    def start_editor(self, name):
        command = [self.editor, "--standalone", "--ignore-session", self.folder / f"{name}.md"]
        return Program(self.screen, command, os.environ)

    def several(self, start, name, keeps):
        """Medians of some starts: to the window, to the text, and to a letter that is typed at that moment. The first one
        warms the disk's cache and tells what the text looks like. What is typed may be there again at the next start."""
        found, looks = [], None
        for number in range(STARTS + 1):
            program = start(name)
            letters = number if keeps else 0
            try:
                if looks is None:
                    program.has_text(len(self.texts[name]))
                    time.sleep(AT_REST_S)
                    looks = program.picture(BODY)
                text = program.looks_ms(BODY, lambda picture: picture == looks)
                before = program.picture(FIRST_LINE)
                self.screen.press_letter()
                letter = program.looks_ms(FIRST_LINE, lambda picture: picture != before)
                found.append((program.window_ms, text, letter))
                program.has_text(len(self.texts[name]) + letters + 1)
            finally:
                program.end()
        return [statistics.median(column) for column in zip(*found[1:])]

    def starts(self):
        for name, what in (("small", "10 KB"), ("large", "1 MB")):
            window, text, letter = self.several(self.start, name, keeps=True)
            beside = self.several(self.start_editor, name, keeps=False) if self.editor else (None, None, None)
            row(f"start with 1,000 documents, a text of {what} among them open: to the window", window, beside[0], 250)
            row("the same: to the painted text", text, beside[1], 1000)
            row("the same: to a letter that is typed as soon as the text is there, painted, too", letter, beside[2], 1000)

    def idle(self):
        program = self.start("small")
        try:
            program.has_text(len(self.texts["small"]))
            time.sleep(QUIET_S)
            before, begun = program.used_s(), time.monotonic()
            time.sleep(IDLE_S)
            share = 100 * (program.used_s() - before) / (time.monotonic() - begun)
            resident, anonymous = program.memory_mb()
        finally:
            program.end()
        line("idle, with 1,000 documents and one of 10 KB open", f"{share:.3f} % of a core", "–", share / 0.1,
             "under 0.1 %", share < 0.1)
        beside = "the first Reflection with a handful of documents, measured elsewhere: 174 MB / 40 MB"
        if self.editor:
            editor = self.start_editor("small")
            try:
                editor.has_text(len(self.texts["small"]))
                time.sleep(QUIET_S)
                beside += "; gnome-text-editor: {:.0f} MB / {:.0f} MB".format(*editor.memory_mb())
            finally:
                editor.end()
        line("the same: resident memory, and what of it is anonymous", f"{resident:.0f} MB / {anonymous:.0f} MB", beside,
             resident / 174, "at most the first Reflection's", resident <= 174 and anonymous <= 40)

    def ends(self):
        found = []
        for _ in range(STARTS):
            program = self.start("small")
            try:
                program.has_text(len(self.texts["small"]) + len(found))
                found.append(program.close_ms())
            finally:
                program.end()
        gone, ended = (statistics.median(column) for column in zip(*found))
        line("closing the window right after a key: until it is gone / until the program is",
             f"{gone:.0f} ms / {ended:.0f} ms", "the first Reflection: up to 5 s, measured elsewhere", None,
             "the window under 100 ms, the program under 1 s", gone < 100 and ended < 1000)


def row(what, measured, beside, target):
    line(what, f"{measured:.0f} ms", f"gnome-text-editor: {beside:.0f} ms" if beside else "–",
         measured / (beside or target), f"under {target} ms", measured < target)


def line(what, measured, beside, ratio, target, is_met):
    shown = "–" if ratio is None else f"{ratio:.2f}"
    print(f"| {what} | {measured} | {beside} | {shown} | {target} | {'yes' if is_met else '**no**'} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--app", required=True)
    parser.add_argument("--tests", required=True, help="the program of the application's tests, which makes the library")
    parser.add_argument("row", choices=["starts", "idle", "ends"])
    options = parser.parse_args()
    GLib.log_set_handler("dbind", GLib.LogLevelFlags.LEVEL_WARNING, lambda *_: None, None)
    Atspi.init()
    with tempfile.TemporaryDirectory(prefix="reflection-bench.") as folder:
        bench = Bench(options.app, options.tests, pathlib.Path(folder))
        getattr(bench, options.row)()


if __name__ == "__main__":
    sys.exit(main())
