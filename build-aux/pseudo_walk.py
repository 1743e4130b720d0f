#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks through the screens of the application in the language of pseudo_catalogue.py and reads all that they show.

What stands in no brackets was never looked up in a catalogue. Exempt are what the person wrote, numbers and signs,
and the messages of the libraries, which have catalogues of their own.
"""

import argparse
import gettext
import os
import pathlib
import re
import shutil
import sys
import tempfile

from demo import Atspi, Failed, GLib, Person, say, wait_for
from pseudo_catalogue import LANGUAGE

WORDS = "Quick brown fox"
LIBRARIES = ("gtk40", "libadwaita", "gtksourceview-5", "libspelling", "glib20")
# Keys, fonts and units are names; a code is no language; the rest belongs to this device.
EXEMPT = re.compile(r"\b(Ctrl|Shift|Alt|Escape|Return|KP|F\d+|\d+,?\d*\s[kMG]?B|[A-Z]|Monospace|Regular|Sans|([a-z0-9]{1,4} ){8,}[a-z0-9]{1,4}"
                    r"|reflection:\S*|https?://\S*|\d+(\.\d+)+)(?!\w)")
# One screen each: its name, how to get there (buttons are ⟦pressed⟧, tabs chosen, menus used by access keys, the rest are
# keys), how to leave. GTK 4.18 gives the items of menus no name on the bus, so these are not read.
SCREENS = (
    ("document menu", ["⟦Document Menu⟧"], ["Escape"]),
    ("sharing", ["⟦Share⟧"], ["Escape"]),
    ("people", ["⟦People⟧"], ["Escape"]),
    ("find", ["ctrl+f"], ["Escape"]),
    ("replace", ["ctrl+h"], ["Escape"]),
    ("outline", ["⟦Outline⟧"], ["Escape"]),
    ("history", ["⟦Document Menu⟧", "menu h"], ["Escape"]),
    ("statistics", ["⟦Document Menu⟧", "menu s"], ["Escape"]),
    ("join", ["ctrl+j"], ["Escape"]),
    ("preferences", ["ctrl+comma"], []),
    ("preferences: text", ["tab ⟦Text⟧"], []),
    ("preferences: network", ["tab ⟦Network⟧"], ["Escape"]),
    ("shortcuts", ["ctrl+question"], ["Escape"]),
    ("main menu", ["⟦Main Menu⟧"], ["Escape"]),
    ("about", ["⟦Main Menu⟧", "menu a"], ["Escape"]),
)
# How long a screen may take to appear; the program has started long before.
SCREEN_DEADLINE_S = 20


def library_messages():
    """What the libraries say in English, taken from a catalogue of theirs."""
    known = set()
    for domain in LIBRARIES:
        path = gettext.find(domain, languages=["de"])
        if path:
            with open(path, "rb") as file:
                keys = gettext.GNUTranslations(file)._catalog  # noqa: SLF001, there is no other way
            names = [key[0] if isinstance(key, tuple) else key for key in keys]
            known.update(name.rsplit("\x04", 1)[-1].replace("_", "") for name in names)
    return known


def bare(text):
    """The text without what stands in brackets, one inside another too."""
    while True:
        shorter = re.sub(r"⟦[^⟦⟧]*⟧", "", text)
        if shorter == text:
            return shorter
        text = shorter


class Walk:
    """What was read, and where."""

    def __init__(self, person, out):
        self.person, self.out = person, out
        self.libraries = library_messages()
        self.found, self.unseen = {}, {}
        self.read = 0

    def is_fine(self, text):
        rest = EXEMPT.sub("", bare(text).replace(WORDS, ""))
        return not re.search(r"[^\W\d_]", rest) or text in self.libraries or text.strip() in self.own

    @property
    def own(self):
        # A document without a title is called by its words, and a person without a name by their key.
        return {WORDS, self.person.data_dir.name}

    def look_at(self, screen):
        for element in self.person.everything():
            if element.get_role() == Atspi.Role.APPLICATION:
                continue
            for text in (element.get_name(), element.get_description()):
                if not text:
                    continue
                self.read += 1
                if not self.is_fine(text):
                    self.found.setdefault(text, screen)
        self.person.picture(self.out / f"{re.sub('[^a-z]+', '-', screen)}.png")

    def go(self, steps):
        for step in steps:
            if step.startswith("⟦"):
                self.person.find(step, SCREEN_DEADLINE_S)
                self.person.press(step)
            elif step.startswith("tab "):
                # Pressed and not clicked: what GTK says of places inside a dialog is not where they are.
                Atspi.Action.do_action(wait_for(f"there is a {step}", lambda step=step: self.tab(step[4:])), 0)
            elif step.startswith("menu "):
                wait_for("a menu is open", self.has_menu, SCREEN_DEADLINE_S)
                self.person.keys(step[5:])
            else:
                self.person.keys(step)

    def has_menu(self):
        return any(element.get_role() == Atspi.Role.MENU_ITEM for element in self.person.everything())

    def tab(self, name):
        """The page that a tab leads to has the same name, so the role decides."""
        roles = {Atspi.Role.PAGE_TAB, Atspi.Role.RADIO_BUTTON, Atspi.Role.TOGGLE_BUTTON}
        return next((element for element in self.person.everything()
                     if element.get_name() == name and element.get_role() in roles), None)

    def all_screens(self):
        self.person.find("⟦New Document⟧")
        self.look_at("welcome")
        self.person.press("⟦New Document⟧")
        wait_for("a document is open", lambda: self.person.document() == "")
        self.look_at("empty document")
        view = self.person.find("⟦Document text⟧")
        self.person.click(view)
        self.person.type(WORDS)
        wait_for("the words are there", lambda: self.person.document() == WORDS)
        self.look_at("document")
        for screen, way, back in SCREENS:
            try:
                *first, last = way
                self.go(first)
                before = self.names()
                self.go([last])
                wait_for("another screen", lambda before=before: self.names() != before, SCREEN_DEADLINE_S)
                self.look_at(screen)
            except Failed as reason:
                # One screen less, and that is a fault; the others are read all the same.
                self.unseen[screen] = reason
                back = ["Escape", "Escape"]
            self.go(back)

    def names(self):
        return sorted(element.get_name() or "" for element in self.person.everything())


class Reader(Person):
    """A person who reads the language in brackets."""

    def document(self):
        view = self.look("⟦Document text⟧")
        return None if view is None else Atspi.Text.get_text(view, 0, Atspi.Text.get_character_count(view))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the pictures")
    parser.add_argument("binary", nargs="+", help="the application")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ["LANGUAGE"] = LANGUAGE
    GLib.log_set_handler("dbind", GLib.LogLevelFlags.LEVEL_WARNING, lambda *_: None, None)
    Atspi.init()
    Atspi.set_timeout(5000, 20000)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="reflection-pseudo."))
    reader = None
    try:
        reader = Reader("Reader", options.binary, folder, True, False)
        walk = Walk(reader, options.out)
        walk.all_screens()
    except Failed as reason:
        if reader:
            say(f"on the screen: {sorted({element.get_name() for element in reader.everything() if element.get_name()})}")
        sys.exit(f"FAILED: {reason}")
    finally:
        if reader:
            reader.kill()
        shutil.rmtree(folder, ignore_errors=True)
    for text, screen in sorted(walk.found.items()):
        say(f"not translated, in {screen}: {text!r}")
    for screen, reason in walk.unseen.items():
        say(f"not seen: {screen}: {reason}")
    screens = len(SCREENS) + 3 - len(walk.unseen)
    say(f"{walk.read} texts were read on {screens} screens; {len(walk.found)} cannot be translated")
    sys.exit(bool(walk.found or walk.unseen))


if __name__ == "__main__":
    main()
