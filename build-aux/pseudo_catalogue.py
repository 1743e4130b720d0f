#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""pseudo_catalogue.py FOLDER: makes the catalogue of a language in which every message stands in brackets."""

import pathlib
import subprocess
import sys
import tempfile

from translations import DOMAIN, make_template, read_catalogue

LANGUAGE = "en_XA"
HEADER = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""


def quote(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def entry(message):
    lines = [f"msgctxt {quote(message.context)}"] if message.context is not None else []
    lines.append(f"msgid {quote(message.id)}")
    if message.plural is None:
        lines.append(f"msgstr {quote(f'⟦{message.id}⟧')}")
    else:
        lines += [f"msgid_plural {quote(message.plural)}", f"msgstr[0] {quote(f'⟦{message.id}⟧')}",
                  f"msgstr[1] {quote(f'⟦{message.plural}⟧')}"]
    return "\n".join(lines) + "\n"


def main():
    out = pathlib.Path(sys.argv[1]) / LANGUAGE / "LC_MESSAGES" / f"{DOMAIN}.mo"
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        template = pathlib.Path(folder) / "template.pot"
        make_template(template)
        messages = [message for message in read_catalogue(template) if message.id]
        catalogue = pathlib.Path(folder) / "pseudo.po"
        catalogue.write_text("\n".join([HEADER, *map(entry, messages)]), encoding="utf-8")
        subprocess.run(["msgfmt", "--output-file", str(out), str(catalogue)], check=True)
    print(f"{len(messages)} messages in brackets")


if __name__ == "__main__":
    main()
