#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people write one document, each before a window of their own.

Started by build-aux/demo, which provides the screen. The people are played from outside, the way persons sit before a
computer: key events come from the X server, the code travels through the clipboard, and what a screen shows is read
through the accessibility bus. Nothing here sleeps for a fixed time; whatever takes time is waited for, with a limit.
"""

import argparse
import ctypes
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

SCREEN_WIDTH, SCREEN_HEIGHT = 1600, 900
# Around each window, so that the pictures show where one ends.
MARGIN = 20
# A debug build on a busy machine with two cores needs its time; a person would have given up long before.
DEADLINE_S = 60
POLL_S = 0.05
KEY_DELAY_MS = 15

TITLE = "Meeting notes"
GREETING = "Anna wrote this line first"
ANSWER = "Ben answers from his own window"
SCRIPTS_ANNA = "Tamil தமிழ் and Hebrew שלום"
SCRIPTS_BEN = "Hebrew שלום again, a party 🎉 and a wave 👋🏽"
AT_ONCE_ANNA = " while both of them type"
AT_ONCE_BEN = "and neither one has to wait"
DURABLE = [f"# {TITLE}", GREETING + AT_ONCE_ANNA, ANSWER, SCRIPTS_ANNA, SCRIPTS_BEN, AT_ONCE_BEN]

# The program is killed this often while somebody types, each time at a moment that the seed gives.
KILLS = 3
KILL_SEED = 20261121
KILL_TITLE = "Nothing is lost"
# What the window says while something is not on the disk yet.
UNSAVED = {"Saving…", "Not saved"}


class Failed(Exception):
    """What went wrong, as one sentence."""


def say(line):
    print(line, flush=True)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command[:3])} failed: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()


def wait_for(what, check, deadline_s=DEADLINE_S):
    """Polls until check() gives something, and returns that."""
    end = time.monotonic() + deadline_s
    while True:
        while GLib.MainContext.default().iteration(False):
            pass
        try:
            found = check()
        except GLib.Error:
            # An element that went away between two questions is not there, which is no reason to stop.
            found = None
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"after {deadline_s} s still not: {what}")
        time.sleep(POLL_S)


def put_on_keys(characters):
    """Gives each character a key of its own, on codes that the keyboard leaves free.

    xdotool does the same by itself, one character at a time: it changes the map, sends the key and changes the map
    back. A program asks for the map when it handles the key, which may be too late; then a character comes out wrong
    or not at all. A map that is complete before any program starts never changes under one.
    """
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XOpenDisplay.argtypes = [ctypes.c_char_p]
    x11.XDisplayKeycodes.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)]
    x11.XGetKeyboardMapping.restype = ctypes.POINTER(ctypes.c_ulong)
    x11.XGetKeyboardMapping.argtypes = [ctypes.c_void_p, ctypes.c_ubyte, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
    x11.XChangeKeyboardMapping.argtypes = [
        ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_ulong), ctypes.c_int]
    x11.XSync.argtypes = [ctypes.c_void_p, ctypes.c_int]
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]

    display = x11.XOpenDisplay(None)
    if not display:
        raise Failed("there is no screen; start this through build-aux/demo")
    first, last, per_key = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    x11.XDisplayKeycodes(display, ctypes.byref(first), ctypes.byref(last))
    count = last.value - first.value + 1
    symbols = x11.XGetKeyboardMapping(display, first.value, count, ctypes.byref(per_key))
    free = [
        first.value + key for key in range(count)
        if not any(symbols[key * per_key.value + column] for column in range(per_key.value))
    ]
    if len(free) < len(characters):
        raise Failed(f"the keyboard has {len(free)} free keys and {len(characters)} are needed")
    # From the top: the lowest free codes are real keys on some keyboards.
    for code, character in zip(reversed(free), sorted(characters)):
        # The keysym of a Unicode character beyond Latin-1, as the X protocol defines it. Both shift levels.
        keysym = 0x01000000 + ord(character)
        x11.XChangeKeyboardMapping(display, code, 2, (ctypes.c_ulong * 2)(keysym, keysym), 1)
    x11.XSync(display, 0)
    # Closed only by the end of this process: a server resets its keyboard when the last program leaves it.
    return display


class Person:
    """One person: a running application, its window and its keyboard."""

    def __init__(self, name, binary, folder, left, dark):
        self.name = name
        self.left = left
        self.data_dir = folder / name.lower()
        self.log = folder / f"{name.lower()}.log"
        environment = dict(os.environ, HOME=str(folder / f"home-{name.lower()}"))
        os.makedirs(environment["HOME"], exist_ok=True)
        if dark:
            environment["ADW_DEBUG_COLOR_SCHEME"] = "prefer-dark"
        self._start([*binary, "--data-dir", str(self.data_dir), "--mode", "local", "--bind", "127.0.0.1:0",
                     "--no-mdns", "--key-file"], environment)
        self._place()

    def _start(self, command, environment):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.application = wait_for(f"{self.name}'s application is on the accessibility bus", self._application)
        self.window = wait_for(f"{self.name}'s window is on the screen", self._window)

    # -- finding -----------------------------------------------------------------------------------------------------

    def _check_alive(self):
        code = self.process.poll()
        if code is not None:
            raise Failed(f"{self.name}'s application ended by itself with code {code}")

    def _application(self):
        self._check_alive()
        desktop = Atspi.get_desktop(0)
        desktop.clear_cache()
        for index in range(desktop.get_child_count()):
            child = desktop.get_child_at_index(index)
            if child and child.get_process_id() == self.process.pid:
                # What a cache remembers of a window that changes all the time is of no use.
                child.set_cache_mask(Atspi.Cache.NONE)
                return child
        return None

    def _windows(self):
        found = subprocess.run(["xdotool", "search", "--onlyvisible", "--pid", str(self.process.pid)],
                               capture_output=True, text=True, check=False).stdout.split()
        return [int(window) for window in found]

    def _geometry(self, window):
        lines = run("xdotool", "getwindowgeometry", "--shell", str(window)).splitlines()
        values = dict(line.split("=", 1) for line in lines)
        return int(values["WIDTH"]), int(values["HEIGHT"])

    def _window(self):
        """The largest one: popovers and tooltips are windows too."""
        self._check_alive()
        sizes = []
        for window in self._windows():
            try:
                width, height = self._geometry(window)
            except Failed:
                continue
            if width > 200 and height > 200:
                sizes.append((width * height, window))
        return max(sizes)[1] if sizes else None

    def _place(self):
        half = SCREEN_WIDTH // 2
        run("xdotool", "windowsize", str(self.window),
            str(half - 2 * MARGIN), str(SCREEN_HEIGHT - 2 * MARGIN))
        run("xdotool", "windowmove", str(self.window), str(MARGIN + (0 if self.left else half)), str(MARGIN))

    def everything(self):
        """All elements that are on the screen, from the outside in."""
        self._check_alive()
        waiting = [self.application]
        while waiting:
            element = waiting.pop()
            yield element
            for index in reversed(range(element.get_child_count())):
                child = element.get_child_at_index(index)
                if child and (element is self.application or child.get_state_set().contains(Atspi.StateType.SHOWING)):
                    waiting.append(child)

    def find(self, name, deadline_s=DEADLINE_S):
        return wait_for(f"{self.name} sees “{name}”", lambda: self.look(name), deadline_s)

    def look(self, name):
        """An element of that name; one that can be used rather than the label inside it."""
        labels = []
        for element in self.everything():
            if (element.get_name() or "") != name:
                continue
            if element.get_role() != Atspi.Role.LABEL:
                return element
            labels.append(element)
        return labels[0] if labels else None

    def sees(self, pattern):
        return any(re.search(pattern, element.get_name() or "") for element in self.everything())

    # -- doing -------------------------------------------------------------------------------------------------------

    def attend(self):
        """Turns the keyboard to this person's window. --sync: it has the keys when this returns."""
        run("xdotool", "windowactivate", "--sync", str(self.window))

    def press(self, name):
        element = self.find(name)
        while True:
            action = element.get_action_iface()
            if action and Atspi.Action.get_n_actions(element) > 0 and Atspi.Action.do_action(element, 0):
                return
            # A menu button of GTK is a box around the button that can be pressed.
            if element.get_child_count() != 1:
                break
            element = element.get_child_at_index(0)
        self.click(self.find(name))

    def click(self, element, button=1):
        self.attend()
        box = Atspi.Component.get_extents(element, Atspi.CoordType.WINDOW)
        run("xdotool", "mousemove", "--sync", "--window", str(self.window),
            str(max(box.x, 0) + box.width // 2), str(max(box.y, 0) + box.height // 2), "click", str(button))

    def keys(self, *names):
        self.attend()
        run("xdotool", "key", "--delay", str(KEY_DELAY_MS), *names)

    def type(self, text):
        self.attend()
        for index, line in enumerate(text.split("\n")):
            if index > 0:
                # Told to type a line break, xdotool looks for a key named Linefeed, which no keyboard has.
                run("xdotool", "key", "Return")
            if line:
                run("xdotool", "type", "--delay", str(KEY_DELAY_MS), "--", line)

    def go_to_text(self, *keys):
        """Gives the keyboard to the text, as a person does who clicks into it, and moves the caret by keys."""
        def ready():
            view = self.look("Document text")
            if view is None:
                return False
            # A popover that is still open keeps the keys for itself, whatever the text says of the focus.
            if view.get_state_set().contains(Atspi.StateType.FOCUSED) and not self.look("Copy Code"):
                return True
            self.click(view)
            return False
        wait_for(f"the caret is in {self.name}'s text", ready)
        self.keys(*keys)

    # -- reading -----------------------------------------------------------------------------------------------------

    def document(self):
        view = self.look("Document text")
        if view is None:
            return None
        return Atspi.Text.get_text(view, 0, Atspi.Text.get_character_count(view))

    def entry_text(self, name):
        """The text of an entry, which may be an element inside the one that carries the name."""
        element = self.look(name)
        waiting = [element] if element else []
        while waiting:
            element = waiting.pop()
            if element.get_editable_text_iface():
                return Atspi.Text.get_text(element, 0, Atspi.Text.get_character_count(element))
            waiting += [element.get_child_at_index(index) for index in range(element.get_child_count())]
        return ""

    def wait_for_text(self, text):
        wait_for(f"{self.name}'s window shows what was typed", lambda: (self.document() or "") == text)

    def saved_text(self):
        """The text, if the window says that all of it is saved; what is typed later can only make it longer."""
        text = self.document()
        if text is None or any(self.look(name) for name in UNSAVED):
            return None
        return text

    def picture(self, path):
        """Of the window's part of the screen: popovers are windows of their own and are to be seen too.

        Returns width and height.
        """
        lines = run("xdotool", "getwindowgeometry", "--shell", str(self.window)).splitlines()
        place = dict(line.split("=", 1) for line in lines)
        crop = "{WIDTH}x{HEIGHT}+{X}+{Y}".format(**place)
        run("import", "-window", "root", "-crop", crop, "+repage", str(path))
        return int(place["WIDTH"]), int(place["HEIGHT"])

    # -- the end -----------------------------------------------------------------------------------------------------

    def close(self):
        """Closes the window by the key that window managers have for it."""
        self.keys("alt+F4")
        wait_for(f"{self.name}'s application ends after its window", lambda: self.process.poll() is not None)
        if self.process.returncode != 0:
            raise Failed(f"{self.name}'s application ended with code {self.process.returncode}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Stage:
    """The people and what is common to them."""

    def __init__(self, binary, out, folder):
        self.binary, self.out, self.folder = binary, out, folder
        self.people = []
        self.code = ""

    def enter(self, dark):
        self.people = []
        for index, name in enumerate(["Anna", "Ben"]):
            self.people.append(Person(name, self.binary, self.folder, index == 0, dark))
        return self.people

    def wait_until_equal(self, *parts):
        def equal():
            one, other = (person.document() for person in self.people)
            return one and one == other and all(part in one for part in parts)
        wait_for("both windows show the same text with everything that was typed", equal)

    def picture(self, name):
        run("import", "-window", "root", str(self.out / f"{name}.png"))

    def play(self):
        started = time.monotonic()
        anna, ben = self.enter(dark=False)
        say("Two windows are open.")
        self.picture("1-two-windows")

        anna.press("New Document")
        anna.find("Document text")
        anna.go_to_text("ctrl+End")
        anna.type(f"# {TITLE}\n{GREETING}\n")
        anna.wait_for_text(f"# {TITLE}\n{GREETING}\n")
        say(f"Anna made a document and typed “{TITLE}”.")

        anna.press("Share")
        anna.find("Copy Code")
        anna.picture(self.out / "2-share.png")
        anna.press("Copy Code")
        say("Anna copied its code.")

        ben.press("Join Document")
        entry = ben.find("Code")
        ben.click(entry)
        ben.keys("ctrl+a", "ctrl+v")
        wait_for("the code is in Ben's entry", lambda: ben.entry_text("Code").strip())
        self.code = ben.entry_text("Code").strip()
        ben.picture(self.out / "3-join.png")
        joined = time.monotonic()
        ben.press("Join")
        self.wait_until_equal(GREETING)
        say(f"Ben pasted it and sees the text after {time.monotonic() - joined:.1f} s.")

        ben.go_to_text("ctrl+End")
        ben.type(f"{ANSWER}\n")
        self.wait_until_equal(ANSWER)
        say("Ben typed; Anna sees it.")
        anna.go_to_text("ctrl+End")
        anna.type(f"{SCRIPTS_ANNA}\n")
        self.wait_until_equal(SCRIPTS_ANNA)
        say("Anna typed Tamil and Hebrew; Ben sees it.")
        ben.go_to_text("ctrl+End")
        ben.type(f"{SCRIPTS_BEN}\n")
        self.wait_until_equal(SCRIPTS_BEN)
        say("Ben typed Hebrew and emoji; Anna sees it.")

        # One X screen gives the keys to one window at a time, so they take turns of a few letters, faster than
        # anything could travel in between.
        anna.go_to_text("ctrl+Home", "Down", "End")
        ben.go_to_text("ctrl+End")
        for at in range(0, max(len(AT_ONCE_ANNA), len(AT_ONCE_BEN)), 3):
            for person, text in ((anna, AT_ONCE_ANNA), (ben, AT_ONCE_BEN)):
                if text[at:at + 3]:
                    person.type(text[at:at + 3])
        self.check_end()
        say("Both typed at the same time.")

        for person in self.people:
            wait_for(f"{person.name}'s window says that one other person takes part",
                     lambda person=person: person.sees(r"\bWith 1 (other )?person\b"))
        say("Both windows show the other person.")
        self.picture("4-both-light")
        for person in self.people:
            person.picture(self.out / f"4-{person.name.lower()}-light.png")

        for person in self.people:
            person.close()
        say("Both windows were closed and are opened again, in dark colours.")
        for person in self.enter(dark=True):
            wait_for(f"{person.name} sees the library or the document again",
                     lambda person=person: person.look("Document text") or person.sees(f"^{TITLE}"))
            if not person.look("Document text"):
                self.open_from_library(person)
            person.find("Document text")
        self.check_end()
        self.picture("5-both-dark")
        for person in self.people:
            person.picture(self.out / f"5-{person.name.lower()}-dark.png")
        for person in self.people:
            person.close()
        self.survive_kills()
        self.check_logs()
        return len("\n".join(DURABLE)), time.monotonic() - started

    def survive_kills(self):
        """Kills a program at once while somebody types in it: what it showed as saved is there afterwards."""
        chance = random.Random(KILL_SEED)
        anna = self.alone("Anna")
        # A start ends in the document that was open last or in the library.
        wait_for("Anna can make a document", lambda: anna.look("New Document") or anna.look("Document text"))
        anna.keys("ctrl+n")
        wait_for("Anna's new document is empty", lambda: anna.document() == "")
        anna.go_to_text("ctrl+End")
        anna.type(f"# {KILL_TITLE}\n")
        kept = wait_for("the title is shown as saved", anna.saved_text)
        for number in range(KILLS):
            anna.go_to_text("ctrl+End")
            line = " ".join(chance.choice(("alpha", "beta", "gamma", "delta")) for _ in range(40))
            # In the background, so that the end comes in the middle of it.
            typing = subprocess.Popen(["xdotool", "type", "--delay", str(KEY_DELAY_MS), "--", line])
            end = time.monotonic() + chance.uniform(0.3, 2.5)
            while time.monotonic() < end:
                kept = anna.saved_text() or kept
            anna.kill()
            typing.kill()
            typing.wait()
            # The key that was down at that moment would repeat itself into the next window.
            run("xdotool", "keyup", *("space" if letter == " " else letter for letter in sorted(set(line))))
            anna = self.alone("Anna")
            wait_for("Anna sees the library or the document again",
                     lambda: anna.look("Document text") or anna.sees(f"^{KILL_TITLE}"))
            if not anna.look("Document text"):
                self.open_from_library(anna, KILL_TITLE)
            found = wait_for("the text is there", anna.document)
            if not found.startswith(kept):
                raise Failed(f"kill {number + 1} lost what was shown as saved: {kept!r} became {found!r}")
            kept = found
        anna.close()
        say(f"Anna's program was killed {KILLS} times while she typed; all that was shown as saved is there.")

    def alone(self, name):
        person = Person(name, self.binary, self.folder, True, False)
        self.people = [person]
        return person

    @staticmethod
    def open_from_library(person, title=TITLE):
        for element in person.everything():
            if re.search(f"^{title}", element.get_name() or ""):
                person.click(element)
                return

    def check_end(self):
        """The same text on both screens: every line that was typed, each of them once, and nothing else."""
        self.wait_until_equal(*DURABLE)
        lines = self.people[0].document().rstrip("\n").split("\n")
        if sorted(lines) != sorted(DURABLE):
            raise Failed(f"the text holds something else than what was typed: {lines!r}")

    def check_logs(self):
        for person in self.people:
            log = person.log.read_text(errors="replace")
            for secret in [self.code, *DURABLE]:
                if secret in log:
                    raise Failed(f"{person.name}'s log holds what was typed or the code; nobody may find that there")

    def explain(self):
        """What helps to find the reason: the texts, the last lines of the logs, a picture."""
        for person in self.people:
            try:
                say(f"  {person.name}'s text: {person.document()!r}")
            except (Failed, GLib.Error) as reason:
                say(f"  {person.name}'s text: unknown ({reason})")
            try:
                seen = sorted({element.get_name() for element in person.everything() if element.get_name()})
                say(f"  {person.name} sees: {seen}")
            except (Failed, GLib.Error):
                pass
            for line in person.log.read_text(errors="replace").splitlines()[-15:]:
                say(f"  {person.name}'s log: {line}")
        try:
            self.picture("failed")
            say(f"  picture: {self.out / 'failed.png'}")
        except Failed:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("demo"), help="folder for the pictures")
    parser.add_argument("binary", nargs="+", help="the application, with options of its own")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for old in options.out.glob("*.png"):
        old.unlink()

    # GTK offers no cache to the bus, and libatspi says so each time; nothing is missing by that.
    GLib.log_set_handler("dbind", GLib.LogLevelFlags.LEVEL_WARNING, lambda *_: None, None)
    Atspi.init()
    # An application that is busy answers late; one that hangs must not hang this too.
    Atspi.set_timeout(5000, 20000)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="reflection-demo."))
    stage = Stage(options.binary, options.out, folder)
    try:
        keyboard = put_on_keys({character for character in "".join(DURABLE) if ord(character) > 0xFF})
        assert keyboard
        characters, seconds = stage.play()
        say(f"Pictures are in {options.out}/.")
        say(f"2 people, 1 document: equal on both screens ({characters} characters, {seconds:.0f} s)")
        return 0
    except Failed as reason:
        say(f"FAILED: {reason}")
        stage.explain()
        return 1
    finally:
        for person in stage.people:
            person.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
