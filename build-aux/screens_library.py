# SPDX-License-Identifier: GPL-3.0-or-later
"""The people and documents that are to be seen on pictures, made by the command line before any window opens.

Anna's is the screen; கவின் and נועה write with her. Everything is invented.
"""

import json
import subprocess

from demo import Failed, run, wait_for

ANNA, KAVIN, NOA, ELIF = "Anna Köhler", "கவின்", "נועה לוי", "Elif"
# Each listens at a port of its own, so that everybody finds everybody again after a restart.
PORTS = {ANNA: 47101, KAVIN: 47102, NOA: 47103, ELIF: 47104}
# Shapes follow from keys, so these are fixed: no picture changes without a reason. Colours are numbers of the palette.
KEYS = {ANNA: 1, KAVIN: 2, NOA: 3, ELIF: 4}
COLOURS = {ANNA: 3, KAVIN: 1, NOA: 4, ELIF: 6}

MEETING = "Garden Meeting, 21 November"
MEETING_BEGINNING = f"""# {MEETING}

Present: Anna, Jörg, கவின், נועה

## Since last time
- [x] Ask the city about the water connection
- [x] Order the *compost* (two cubic metres)
- [ ] Paint the gate

## Paths
The old bricks from the school yard are **free**, if we fetch them.
"""
# Who adds which line, after which line that is there already, and what they call the version that it makes.
MEETING_ADDITIONS = (
    (KAVIN, "if we fetch them.", "\nகவின்: என் மாமாவின் வண்டியை சனிக்கிழமை எடுத்து வரலாம். 🚚", ""),
    (NOA, "வரலாம். 🚚", "\nנועה: אני יכולה לעזור אחרי הצהריים.\n", "Before the plants"),
    (ANNA, "אחרי הצהריים.", "\n\n## Plants\n> “Plant pears for your heirs.”\n\nOne row of apples, two of berries, and "
                             "a bed that everybody may harvest. See `beds.svg` for the plan.", ""),
    (KAVIN, "for the plan.", "\n\n1. Redcurrants along the fence\n2. Apple trees: ‘Gute Graue’ and ‘Jonagold’",
     "All trees and bushes"),
    (NOA, "and ‘Jonagold’", "\n3. Herbs by the kitchen window", ""),
    (ANNA, "kitchen window", "\n\n## Next meeting\nThursday, 7 p.m., at Jörg’s. Bring cake!\n", ""),
)
PARTY = """# Summer Party

- [x] Lanterns
- [ ] Chairs from the church
- [ ] Somebody who plays the accordion
"""
OTHERS = (
    "# Reise nach Freiburg\n\nZug um 9.04 Uhr, Gleis 7. Jörg bringt die Räder mit.\n",
    "# வாசிப்பு வட்டம்\n\nஅடுத்த புத்தகம்: பொன்னியின் செல்வன்\n",
    "# Ideas for the long winter evenings that nobody has ever written down before\n\nSoup, chess, letters.\n",
    "# רשימת קניות\n\nחלב, לחם, עגבניות\n",
    "Call the plumber about the tap in the garden\n",
)
ARCHIVED = "Budget of Last Year"
RULES = "# House Rules\n\nQuiet after ten. The last one out waters the basil.\n"
SECRET = "# A Surprise\n"


class People:
    """Everybody's data folder, and the running processes that serve them while documents are made."""

    def __init__(self, cli, folder):
        self.cli, self.folder = cli, folder
        self.running = {}

    def data_dir(self, name):
        return self.folder / f"data-{PORTS[name]}"

    def network(self, name):
        return ["--mode", "local", "--bind", f"127.0.0.1:{PORTS[name]}", "--no-mdns"]

    def run(self, name, *command):
        return run(str(self.cli), "--data-dir", str(self.data_dir(name)), *command)

    def begin(self, name):
        key = self.data_dir(name) / "identity.key"
        key.parent.mkdir()
        key.touch(mode=0o600)
        key.write_text(f"{KEYS[name]:064x}\n")
        self.run(name, "--mode", "offline", "name", name, "--colour", str(COLOURS[name]))
        process = subprocess.Popen(
            [str(self.cli), "--data-dir", str(self.data_dir(name)), *self.network(name), "--json", "run"],
            stdout=subprocess.PIPE, text=True)
        self.running[name] = process
        if '"ready"' not in process.stdout.readline():
            raise Failed(f"{name} did not start")

    def end(self, *names):
        for name in names or list(self.running):
            process = self.running.pop(name)
            process.terminate()
            process.communicate()

    def new(self, name, text):
        path = self.folder / "new.md"
        path.write_text(text)
        return json.loads(self.run(name, "--json", "new", str(path)))

    def share(self, name, document, with_name, *options):
        code = self.run(name, "code", document, *options)
        self.run(with_name, "join", code)
        return code

    def text(self, name, document):
        return json.loads(self.run(name, "--json", "cat", document))["text"]

    def add(self, name, document, after, what):
        """Inserts what is new, once that is there which it follows."""
        wait_for(f"{name} has “{after}”", lambda: after in self.text(name, document))
        text = self.text(name, document)
        self.run(name, "edit", document, "--at", str(text.index(after) + len(after)), f"--insert={what}")


def furnish(people):
    """Makes all documents, and returns what is needed to find them."""
    for name in (ANNA, KAVIN, NOA, ELIF):
        people.begin(name)
    for text in OTHERS:
        people.new(ANNA, text)
    party = people.new(ANNA, PARTY)["document"]
    people.share(ANNA, party, NOA)
    rules = people.new(NOA, RULES)["document"]
    people.share(NOA, rules, ANNA, "--read-only")
    meeting = people.new(ANNA, MEETING_BEGINNING)["document"]
    for name in (KAVIN, NOA):
        people.share(ANNA, meeting, name)
    for name, after, what, version in MEETING_ADDITIONS:
        people.add(name, meeting, after, what)
        if version:
            people.run(name, "history", meeting, "--name", version)
    whole = people.text(ANNA, meeting)
    for name in (KAVIN, NOA):
        wait_for(f"{name} has all of it", lambda name=name: people.text(name, meeting) == whole)
    wait_for("Anna has the rules", lambda: "basil" in people.text(ANNA, rules))
    # The one who has the text has gone before it was fetched.
    secret = people.new(ELIF, SECRET)
    people.end(ELIF)
    people.run(ANNA, "join", secret["code"])
    people.add(NOA, party, "# Summer Party", "\nWhen the cherries are ripe.\n")
    wait_for("Anna has Noa's words", lambda: "cherries" in people.text(ANNA, party))
    # The newest, so that it is at the top of the list for whoever is to put it away.
    archived = people.new(ANNA, f"# {ARCHIVED}\n\nAll spent.\n")
    spare = people.new(NOA, "# Something else\n")
    people.end()
    return {"meeting": meeting, "rules": rules, "party": party, "archived": archived["document"],
            "waiting": secret["document"], "code": spare["code"]}
