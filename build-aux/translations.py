# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts about translations share: which files hold messages, and how catalogues are read."""

import ast
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
PO = ROOT / "po"
DOMAIN = "reflection"
TEMPLATE = PO / f"{DOMAIN}.pot"

# Where messages may be. The command line speaks English alone: scripts read it.
SOURCES = (
    ("data", "*.desktop.in"), ("data", "*.metainfo.xml.in"), ("data", "*.gschema.xml"),
    ("reflection-app/src", "**/*.rs"), ("reflection-app/src", "**/*.blp"), ("reflection-app/resources", "**/*.ui"),
    ("reflection-doc/src/objects", "**/*.rs"),
)
STRING = r'"(?:[^"\\]|\\.)*"'
# A call with its first one or two literal arguments.
RUST_CALL = re.compile(rf"\b(gettext|ngettext|pgettext|npgettext)\(\s*({STRING})(?:\s*,\s*({STRING}))?", re.DOTALL)
BLUEPRINT_CALL = re.compile(rf"\b(C?_)\(\s*({STRING})(?:\s*,\s*({STRING}))?", re.DOTALL)
PLACEHOLDER = re.compile(r"\{[a-z_]*\}")


class Message:
    """An entry of a catalogue."""

    def __init__(self):
        self.context = None
        self.id = ""
        self.plural = None
        self.translations = {}
        self.flags = set()
        self.line = 0

    @property
    def key(self):
        return self.context, self.id

    def is_translated(self):
        return bool(self.translations) and all(self.translations.values()) and "fuzzy" not in self.flags


def unquote(text):
    """A string literal of a catalogue or of Rust as the text it stands for."""
    text = re.sub(r"\\u\{([0-9a-fA-F]+)\}", lambda match: chr(int(match[1], 16)), text)
    return ast.literal_eval(text)


def read_catalogue(path):
    """All messages of a catalogue, its header among them with the id ""."""
    messages, message, field = [], None, None
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        line = line.strip()
        if not line:
            if message and message.translations:
                messages.append(message)
            message, field = None, None
            continue
        message = message or Message()
        if line.startswith("#,"):
            message.flags.update(flag.strip() for flag in line[2:].split(","))
            continue
        if line.startswith("#"):
            continue
        keyword = re.match(r"(msgctxt|msgid_plural|msgid|msgstr(?:\[(\d+)\])?)\s+", line)
        text = unquote(line[keyword.end():] if keyword else line)
        if keyword:
            field = (keyword[1], int(keyword[2] or 0))
            message.line = message.line or number
        kind, index = field
        if kind == "msgctxt":
            message.context = (message.context or "") + text
        elif kind == "msgid":
            message.id += text
        elif kind == "msgid_plural":
            message.plural = (message.plural or "") + text
        else:
            message.translations[index] = message.translations.get(index, "") + text
    return messages


def languages():
    return [line for line in (PO / "LINGUAS").read_text().split("\n") if line and not line.startswith("#")]


def source_files():
    for folder, pattern in SOURCES:
        yield from sorted((ROOT / folder).glob(pattern))


def without_comments(text):
    return re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)


def messages_in(path):
    """(context, message) of each call in a Rust or Blueprint file, read without the help of xgettext."""
    text = without_comments(path.read_text(encoding="utf-8"))
    call = RUST_CALL if path.suffix == ".rs" else BLUEPRINT_CALL
    for match in call.finditer(text):
        first, second = (unquote(part) if part and "\n" not in part else part for part in match.group(2, 3))
        has_context = match[1] in {"pgettext", "npgettext", "C_"}
        yield (first, second) if has_context else (None, first)


def has_messages(path):
    if path.suffix in {".rs", ".blp"}:
        return any(True for _ in messages_in(path))
    return path.suffix != ".ui" or "translatable=" in path.read_text(encoding="utf-8")


def listed_files():
    lines = (PO / "POTFILES.in").read_text().split("\n")
    return [line for line in lines if line and not line.startswith("#")]


def make_template(out):
    """Extracts all messages. xgettext knows neither Rust nor Blueprint; both are near enough to C."""
    subprocess.run(
        ["xgettext", "--from-code=UTF-8", "--add-comments=Translators", "--add-location=file", "--sort-by-file",
         f"--package-name={DOMAIN}", "--keyword=_", "--keyword=C_:1c,2", f"--directory={ROOT}",
         f"--files-from={PO / 'POTFILES.in'}", f"--output={out}"],
        check=True, stderr=subprocess.DEVNULL)
