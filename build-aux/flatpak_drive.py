#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""flatpak_drive.py APP_ID PICTURE: starts an installed Flatpak, writes a document in it, and closes it.

Runs before a screen that build-aux/virtual-display made. The program is a process in a container, so it is found by
its name on the accessibility bus and not by a process id. Its key goes into a file, since there is no keyring here.
"""

import os
import shutil
import subprocess
import sys
import tempfile

from demo import Failed, GLib, say, wait_for
from gi.repository import Atspi

TEXT = "# Flatpak\nWritten inside the sandbox"
SAVED = "Saved here"


def applications():
    desktop = Atspi.get_desktop(0)
    desktop.clear_cache()
    for index in range(desktop.get_child_count()):
        child = desktop.get_child_at_index(index)
        if child and (child.get_name() or "").lower().startswith("reflection"):
            child.set_cache_mask(Atspi.Cache.NONE)
            yield child


def elements():
    waiting = list(applications())
    while waiting:
        element = waiting.pop()
        yield element
        waiting += [child for index in range(element.get_child_count()) if (child := element.get_child_at_index(index))]


def find(name):
    return next((element for element in elements() if (element.get_name() or "") == name
                 and element.get_state_set().contains(Atspi.StateType.SHOWING)), None)


def press(name):
    button = wait_for(f"“{name}” is on the screen", lambda: find(name))
    while Atspi.Action.get_n_actions(button) == 0 and button.get_child_count() == 1:
        button = button.get_child_at_index(0)
    Atspi.Action.do_action(button, 0)


def drive(app_id, picture, folder):
    # Inside, the folder of the application's own data.
    program = subprocess.Popen(["flatpak", "run", "--user", app_id, "--mode=offline", "--no-mdns", "--key-file"],
                               stdin=subprocess.DEVNULL, env=dict(os.environ, HOME=folder))
    try:
        press("New Document")
        say("The window is open; a document was made.")
        view = wait_for("the text is on the screen", lambda: find("Document text"))
        Atspi.EditableText.insert_text(view, 0, TEXT, len(TEXT.encode()))
        wait_for("the text is in the document",
                 lambda: Atspi.Text.get_text(view, 0, Atspi.Text.get_character_count(view)) == TEXT)
        wait_for("the window says that it is saved",
                 lambda: any((element.get_name() or "").startswith(SAVED) for element in elements()))
        say("A text was written and is shown as saved.")
        subprocess.run(["import", "-window", "root", picture], check=False)
    finally:
        subprocess.run(["flatpak", "kill", app_id], check=False)
        program.wait(timeout=30)


def main():
    GLib.log_set_handler("dbind", GLib.LogLevelFlags.LEVEL_WARNING, lambda *_: None, None)
    Atspi.init()
    Atspi.set_timeout(5000, 20000)
    folder = tempfile.mkdtemp(prefix="reflection-flatpak.")
    try:
        drive(sys.argv[1], sys.argv[2], folder)
        say("The Flatpak works.")
    except Failed as reason:
        sys.exit(f"FAILED: {reason}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
