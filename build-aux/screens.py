# SPDX-License-Identifier: GPL-3.0-or-later
"""The way through every screen of the application, for whoever wants to look at all of them.

A visitor is called on each screen with its name and the person who sits before it. Screens are reached as a person
would: by keys, by pressing buttons, by access keys of menus.
"""

import os
import shutil
import time

from demo import Atspi, Failed, GLib, Person, run, say, wait_for
from screens_library import ANNA, ARCHIVED, COLOURS, KAVIN, MEETING, NOA, PORTS

# What is asked for in the list of documents, and what is certainly not in it.
WORDS, NONSENSE = "apples", "xylophone"
# How long a screen may take to appear; the program has started long before.
SCREEN_DEADLINE_S = 20
# The window that is looked at ends where the screen ends, so that popovers stay inside it. The others sit to its left.
SCREEN_WIDTH = 1600
ASIDE = {KAVIN: (10, 10, 460, 400), NOA: (10, 440, 460, 400)}
KEEPS_STILL = "[Settings]\ngtk-cursor-blink=false\ngtk-enable-animations=false\ngtk-decoration-layout=appmenu:close\n"


class Sitter(Person):
    """Somebody before a window of a given size, with settings of their own."""

    def __init__(self, name, app, folder, options, settings=(), environment=(), size=None):
        self.name, self.size = name, size
        self.log = folder / "app.log"
        config = folder / f"config-{time.monotonic_ns()}"
        (config / "glib-2.0/settings").mkdir(parents=True)
        (config / "gtk-4.0").mkdir()
        (config / "gtk-4.0/settings.ini").write_text(KEEPS_STILL)
        lines = "".join(f"{key}={value}\n" for key, value in settings)
        (config / "glib-2.0/settings/keyfile").write_text(f"[app/reflection/Reflection]\n{lines}")
        variables = dict(os.environ, HOME=str(folder), XDG_CONFIG_HOME=str(config), GSETTINGS_BACKEND="keyfile")
        variables.update(environment)
        self._start([str(app), *options], variables)
        if size:
            self.place(SCREEN_WIDTH - size[0], 0, *size)

    def place(self, left, top, width, height):
        run("xdotool", "windowsize", "--sync", str(self.window), str(width), str(height))
        run("xdotool", "windowmove", str(self.window), str(left), str(top))

    def find_row(self, title):
        """A document in the list, whose name goes on with its state."""
        def look():
            return next((element for element in self.everything()
                         if element.get_role() == Atspi.Role.LIST_ITEM
                         and (element.get_name() or "").startswith(title)), None)
        return wait_for(f"“{title}” is in the list", look, SCREEN_DEADLINE_S)

    def choose(self, name):
        """A tab, whose page has the same name, so the role decides."""
        roles = {Atspi.Role.PAGE_TAB, Atspi.Role.RADIO_BUTTON, Atspi.Role.TOGGLE_BUTTON}
        tab = wait_for(f"there is a choice “{name}”", lambda: next(
            (element for element in self.everything() if element.get_name() == name and element.get_role() in roles),
            None), SCREEN_DEADLINE_S)
        Atspi.Action.do_action(tab, 0)

    def menu(self, button, *keys):
        self.press(button)
        wait_for("a menu is open", lambda: any(element.get_role() == Atspi.Role.MENU_ITEM
                                               for element in self.everything()), SCREEN_DEADLINE_S)
        if keys:
            self.keys(*keys)


class Walk:
    """Goes through all screens before windows of one size and look."""

    def __init__(self, app, people, made, visitor, size, settings=(), environment=()):
        self.app, self.people, self.made, self.visitor = app, people, made, visitor
        self.size, self.settings, self.environment = size, settings, environment
        self.is_narrow = size[0] < 680
        self.failed = {}
        self.others = []

    # -- people ------------------------------------------------------------------------------------------------------

    def sit(self, options, **settings):
        settings = [*self.settings, *((key.replace("_", "-"), value) for key, value in settings.items()),
                    ("window-width", self.size[0]), ("window-height", self.size[1])]
        return Sitter(ANNA, self.app, self.people.folder, options, settings, self.environment, self.size)

    def anna(self, *options, document="", **settings):
        options = [*self.people.network(ANNA), *options]
        return self.sit(["--data-dir", str(self.people.data_dir(ANNA)), "--key-file", *options],
                        open_documents=f"['{document}']", name=f"'{ANNA}'", colour=COLOURS[ANNA],
                        # Words of four languages, of which the checker knows one.
                        check_spelling="false", **settings)

    def bring_others(self):
        """The two who write with Anna have the document open and stay."""
        for name in (KAVIN, NOA):
            other = Sitter(name, self.app, self.people.folder,
                           ["--data-dir", str(self.people.data_dir(name)), "--key-file", *self.people.network(name)],
                           [("open-documents", f"['{self.made['meeting']}']"), ("name", f"'{name}'"),
                            ("colour", COLOURS[name])])
            other.place(*ASIDE[name])
            wait_for(f"{name} sees the text", other.document)
            self.others.append(other)

    def move_others(self, anna):
        """Their names are shown for a moment after they moved."""
        kavin, noa = self.others
        kavin.keys("ctrl+Home", *["Down"] * 6, "End")
        noa.keys("ctrl+Home", *["Down"] * 10, "Home", "Right", "Right", "Right", "Right", *["ctrl+shift+Right"] * 2)
        anna.attend()

    def leave(self):
        for other in self.others:
            other.kill()

    # -- screens -----------------------------------------------------------------------------------------------------

    def see(self, screen, person, way=None, back=("Escape",)):
        """One screen; that it cannot be reached is noted, and the walk goes on."""
        try:
            if way:
                way()
            self.visitor(screen, person)
        except (Failed, GLib.Error) as reason:
            self.failed[screen] = str(reason)
            say(f"  not seen: {screen}: {reason}")
        for key in back:
            person.keys(key)

    def visit(self, name, person, screens):
        """Screens of one run of the program; it ends whatever happens."""
        try:
            screens(person)
            person.close()
        except (Failed, GLib.Error) as reason:
            self.failed[name] = str(reason)
            say(f"  {name} ended early: {reason}")
        finally:
            person.kill()

    def all(self):
        self.visit("library", self.anna(), self.library)
        self.visit("document", self.anna(document=self.made["meeting"]), self.document)
        self.visit("states", self.anna(document=self.made["rules"]), self.states)
        self.visit("offline", self.anna("--mode", "offline", document=self.made["meeting"]), self.offline)
        self.visit("authors", self.anna(document=self.made["meeting"], show_authorship="true"), self.authors)
        self.startup()

    def library(self, anna):
        anna.find_row(MEETING)
        if not any(element.get_name() == "Show 1 Archived" for element in anna.everything()):
            self.put_away(anna)
        self.see("library", anna, back=())
        self.see("row-menu", anna, lambda: self.open_row_menu(anna, MEETING))
        self.see("main-menu", anna, lambda: anna.menu("Main Menu"))
        self.see("archive", anna, lambda: (anna.press("Show 1 Archived"), anna.find("Hide 1 Archived")), back=())
        anna.press("Hide 1 Archived")
        self.see("search", anna, lambda: (anna.keys("ctrl+shift+f"), anna.type(WORDS), anna.find_row(MEETING)), back=())
        self.see("no-match", anna, lambda: (anna.keys("ctrl+a"), anna.type(NONSENSE), anna.find("Nothing Found")))
        self.dialogs(anna)

    def open_row_menu(self, anna, title):
        anna.click(anna.find_row(title), button=3)
        wait_for("a menu is open", lambda: any(element.get_role() == Atspi.Role.MENU_ITEM
                                               for element in anna.everything()), SCREEN_DEADLINE_S)

    def put_away(self, anna):
        """Once: one document is archived, another one pinned."""
        self.open_row_menu(anna, ARCHIVED)
        self.see("toast", anna, lambda: (anna.keys("a"), anna.find("Show 1 Archived")), back=())
        self.open_row_menu(anna, MEETING)
        anna.keys("p")

    def dialogs(self, anna):
        self.see("join", anna, lambda: (anna.keys("ctrl+j"), anna.find("Code")), back=())
        self.see("join-bad-code", anna,
                 lambda: (anna.type(self.made["code"][:40]), anna.keys("Return"),
                          wait_for("the code is refused", lambda: anna.sees("code"))), back=())
        self.see("join-good-code", anna, lambda: (anna.keys("ctrl+a"), anna.type(self.made["code"])))
        self.see("preferences", anna, lambda: (anna.keys("ctrl+comma"), anna.find("Notify of Changes")), back=())
        self.see("preferences-text", anna, lambda: (anna.choose("Text"), anna.find("Wrap Long Lines")), back=())
        self.see("preferences-network", anna, lambda: (anna.choose("Network"), anna.find("Connect To")))
        self.see("shortcuts", anna, lambda: (anna.keys("ctrl+question"), anna.find("Keyboard Shortcuts")))
        self.see("about", anna, lambda: anna.menu("Main Menu", "a"))

    def document(self, anna):
        wait_for("the text is there", anna.document)
        wait_for("both others are there", lambda: anna.sees(r"\bWith 2 (other )?people\b"))
        self.see("page", anna, lambda: (anna.go_to_text("ctrl+End", "ctrl+Home"), self.move_others(anna)), back=())
        for way in ("Edit", "Read", "Keep a Copy"):
            def share(way=way):
                if not anna.look("Copy Code"):
                    anna.press("Share")
                anna.choose(way)
                anna.find("Copy Code")
            self.see(f"share-{way.split()[0].lower()}", anna, share, back=())
        anna.keys("Escape")
        self.see("people", anna, lambda: (anna.press("People"), anna.find("Connection Details")))
        self.see("connection", anna, lambda: self.open_connection(anna))
        self.see("outline", anna, lambda: (anna.press("Outline"), anna.find("Next meeting")))
        self.see("document-menu", anna, lambda: anna.menu("Document Menu"))
        self.see("find", anna, lambda: (anna.keys("ctrl+f"), anna.type("the")))
        self.see("replace", anna, lambda: (anna.keys("ctrl+h"), anna.find("Replace All")))
        self.see("statistics", anna, lambda: anna.menu("Document Menu", "s"))
        self.see("history", anna, lambda: (anna.keys("ctrl+shift+y"), anna.find("Versions")), back=())
        self.see("history-version", anna, lambda: self.open_version(anna))
        # Where there is no room for both, or with large text, the way back leads past the list.
        if anna.look("Versions"):
            anna.keys("Escape")
        self.see("preview", anna, lambda: (anna.keys("ctrl+shift+p"), anna.find("Preview")), ["ctrl+shift+p"])

    def open_connection(self, anna):
        anna.press("People")
        anna.press("Connection Details")
        anna.find("Copies")

    def open_version(self, anna):
        rows = anna.find("Versions")
        wait_for("there are versions", rows.get_child_count)
        anna.keys("Down", "Return")
        anna.find("Text of the version")

    def authors(self, anna):
        wait_for("the text is there", anna.document)
        wait_for("both others are there", lambda: anna.sees(r"\bWith 2 (other )?people\b"))
        self.see("authors", anna, lambda: anna.go_to_text("ctrl+End", "ctrl+Home"), back=())

    def states(self, anna):
        wait_for("the text is there", anna.document)
        self.see("read-only", anna, back=())

    def offline(self, anna):
        wait_for("the text is there", anna.document)
        words = "You are offline: what you write reaches the others later"
        self.see("offline", anna, lambda: anna.find(words), back=())

    def startup(self):
        folder = self.people.folder / "start"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        quiet = ["--mode", "offline"]
        waiting = self.anna(document=self.made["waiting"])
        self.visit("waiting", waiting, lambda anna: self.see(
            "waiting", anna, lambda: anna.find("Waiting for the Others"), back=()))
        self.visit("first-steps", self.sit(["--data-dir", str(folder / "new"), "--key-file", *quiet]),
                   lambda anna: self.see("first-steps", anna, lambda: anna.find("Write Together"), back=()))
        (folder / "file").write_text("")
        for screen, options, title in (
            ("trouble-keyring", ["--data-dir", str(folder / "locked")], "No Place for the Key"),
            ("trouble-folder", ["--data-dir", str(folder / "file"), "--key-file"], "The Folder Cannot Be Used"),
            ("trouble-in-use", ["--data-dir", str(self.people.data_dir(NOA)), "--key-file"], "Already Running"),
        ):
            self.visit(screen, self.sit([*options, *quiet]), lambda anna, screen=screen, title=title: self.see(
                screen, anna, lambda: anna.find(title), back=()))
