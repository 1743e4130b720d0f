#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goes through every screen by the accessibility bus and complains about what some people could not use.

Each control that takes the keyboard has a name and a role that says what it is, and each control that a pointer could
use takes the keyboard. On screens without a dialog or a popover, which keep the keyboard to themselves, the Tab key
comes to each of them; within lists, groups and menus that is left to the arrows, which GTK provides.
Started by build-aux/accessibility, which provides the display.
"""

import argparse
import contextlib
import pathlib
import shutil
import sys
import tempfile

from demo import Atspi, Failed, GLib, run, say, wait_for
from screens import Walk
from screens_library import People, furnish

SIZES = {"wide": (1100, 720), "narrow": (360, 680)}
ROLE, STATE = Atspi.Role, Atspi.StateType
# What somebody does something with.
CONTROLS = {
    ROLE.PUSH_BUTTON, ROLE.TOGGLE_BUTTON, ROLE.CHECK_BOX, ROLE.SWITCH, ROLE.ENTRY, ROLE.TEXT, ROLE.PASSWORD_TEXT,
    ROLE.COMBO_BOX, ROLE.SLIDER, ROLE.SPIN_BUTTON, ROLE.LINK, ROLE.PUSH_BUTTON_MENU,
}
# Roles that say nothing.
SILENT = {ROLE.INVALID, ROLE.UNKNOWN, ROLE.FILLER, ROLE.REDUNDANT_OBJECT}
# What GTK and libadwaita give the keyboard to for a moment only, and do not name: parts of rows and dialogs, areas that
# scroll, and the items of menus, which have their words in a label.
UNNAMED = {ROLE.PANEL, ROLE.SCROLL_PANE, ROLE.LIST, ROLE.MENU_ITEM}
# The list behind a choice of libadwaita's, whose items have their words in a label too.
CHOICES = {"Colour", "Language", "Connect To"}
# Screens on which the Tab key goes around through everything.
WITH_TAB = {"read-only", "waiting", "offline", "first-steps", "trouble-keyring", "trouble-folder", "trouble-in-use"}
# The button of the window itself, for which desktops have a key.
OF_THE_WINDOW = "Close"
# More stops than any screen has.
TABS_MAX = 40
EDITOR = "Document text"
# How long what is wrong at first may take to come right: what was just made has no name yet, and what closes is still
# on the bus.
SETTLING_S = 10


class Control:
    """What was asked of an element once."""

    def __init__(self, element, path):
        self.element, self.path = element, path
        self.name = element.get_name() or ""
        self.role = element.get_role()
        states = element.get_state_set()
        self.is_focusable = states.contains(STATE.FOCUSABLE)
        self.is_usable = states.contains(STATE.SENSITIVE) and states.contains(STATE.SHOWING)

    def __str__(self):
        return f"{self.role.value_nick} “{self.name}” in {' > '.join(self.path)}"

    def has_focus(self):
        return self.element.get_state_set().contains(STATE.FOCUSED)


class Inspection:
    """What was found on all screens of one size."""

    def __init__(self, form):
        self.form = form
        self.faults, self.controls, self.screens = {}, 0, 0
        # Of the screen that is looked at.
        self.wrong, self.seen = [], 0

    def visit(self, screen, person):
        """Looks until nothing is wrong; what still is after a while is a fault."""
        self.screens += 1
        with contextlib.suppress(Failed):
            wait_for("nothing is wrong", lambda: not self.look(screen, person), SETTLING_S)
        self.controls += self.seen
        for fault in self.wrong:
            self.faults.setdefault(fault, f"{screen}-{self.form}")

    def look(self, screen, person):
        """What is wrong on the screen as it is now."""
        self.wrong, self.seen = [], 0
        # Names and states that were asked for before may be old.
        person.application.clear_cache()
        controls = self.controls_of(person)
        usable = [control for control in controls if control.is_usable]
        for control in usable:
            if control.is_focusable:
                self.seen += 1
                if not control.name and control.role not in UNNAMED and not CHOICES & set(control.path):
                    self.complain(control, "has no name")
                if control.role in SILENT:
                    self.complain(control, "has no role")
            elif control.role in CONTROLS and not any(inner.is_focusable for inner in self.inside(control, controls)):
                self.complain(control, "does not take the keyboard")
        if screen in WITH_TAB:
            self.check_tab(person, [control for control in usable if control.is_focusable
                                    and control.role in CONTROLS and control.name != OF_THE_WINDOW])
        return self.wrong

    def complain(self, control, what):
        self.wrong.append(f"{what}: {control}")

    def controls_of(self, person):
        """All elements that are on the screen, each with the names of what it is in."""
        found, waiting = [], [(person.application, ())]
        while waiting:
            element, path = waiting.pop()
            with contextlib.suppress(GLib.Error):
                control = Control(element, path)
                is_application = element is person.application
                if not is_application and not element.get_state_set().contains(STATE.SHOWING):
                    continue
                if not is_application:
                    found.append(control)
                below = (*path, control.name or control.role.value_nick)
                waiting += [(child, below) for child in map(element.get_child_at_index, range(element.get_child_count()))
                            if child]
        return found

    @staticmethod
    def inside(control, controls):
        """The elements in a control: a menu button of GTK is a box around the button that takes the keyboard."""
        below = (*control.path, control.name or control.role.value_nick)
        return [other for other in controls if other.path[:len(below)] == below]

    def check_tab(self, person, expected):
        """Goes around with the Tab key, and ends where it began, so that the walk can go on."""
        person.attend()
        now = first = next((control for control in expected if control.has_focus()), None)
        reached = []
        for _ in range(TABS_MAX):
            # In a text the key makes a tab; there it takes Ctrl to leave.
            run("xdotool", "key", "ctrl+Tab" if now and now.name == EDITOR else "Tab")
            # Whoever answers has handled the key before.
            now = next((control for control in expected if control.has_focus()), None)
            if now:
                reached.append(id(now))
                first = first or now
            if now and now is first and len(reached) > 1:
                break
        for control in expected:
            if id(control) not in reached:
                self.complain(control, "is not reached by the Tab key")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--app", type=pathlib.Path, required=True)
    parser.add_argument("--cli", type=pathlib.Path, required=True)
    parser.add_argument("--size", action="append", choices=SIZES, help="default: all")
    options = parser.parse_args()
    GLib.log_set_handler("dbind", GLib.LogLevelFlags.LEVEL_WARNING, lambda *_: None, None)
    Atspi.init()
    Atspi.set_timeout(5000, 20000)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="reflection-accessibility."))
    wrong = 0
    try:
        people = People(options.cli, folder)
        with contextlib.ExitStack() as stack:
            stack.callback(people.end)
            made = furnish(people)
        for size in options.size or SIZES:
            inspection = Inspection(size)
            walk = Walk(options.app, people, made, inspection.visit, SIZES[size])
            try:
                walk.bring_others()
                walk.all()
            finally:
                walk.leave()
            for fault, screen in sorted(inspection.faults.items()):
                say(f"  {screen}: {fault}")
            wrong += len(inspection.faults) + len(walk.failed)
            say(f"{size}: {inspection.controls} controls on {inspection.screens} screens; "
                f"{len(inspection.faults)} faults, {len(walk.failed)} screens not seen")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
