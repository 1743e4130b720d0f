#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What build-aux/bench measured of this project and of other programs, a line of JSON each on the standard input, as
tables: each other program's figure stands beside this project's of the same size."""

import json
import sys

OURS = "Reflection"
TARGET = 10


def shown(seconds):
    """A time with three digits at most, as a person reads it."""
    for unit, factor in (("µs", 1e6), ("ms", 1e3), ("s", 1)):
        number = seconds * factor
        if number < 1000:
            break
    digits = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{digits}f} {unit}"


def arrived(line):
    return line["arrived"] >= line["operations"]


def per_second(line):
    return line["operations"] / line["seconds"]


def figure(line):
    """What one line says, for a cell."""
    if arrived(line):
        said = f"{shown(line['seconds'])}, {per_second(line):.0f}/s"
        if line["rounds"] > 1:
            said += f" (median of {line['rounds']})"
    elif line["arrived"]:
        said = f"{line['arrived']:,} of {line['operations']:,} arrived, the last after {shown(line['seconds'])}"
    else:
        said = f"nothing arrived of {line['operations']:,}"
    if "disk_bytes" in line:
        said += f", {line['disk_bytes'] / 2**20:.1f} MiB on the disk"
    if line.get("note") and not arrived(line):
        said += f"; {line['note']}"
    return said


def cells(ours, line):
    """The cells from the ratio on."""
    if ours is None or line.get("note") == "it failed":
        return "–", f"at least {TARGET}", "–"
    if line["what"] == "bare stream":
        return f"{per_second(ours) / per_second(line):.3f}", "–", "–"
    if not arrived(line):
        return "–", f"at least {TARGET}", "it does not arrive"
    ratio = per_second(ours) / per_second(line)
    return f"{ratio:.1f}", f"at least {TARGET}", "yes" if ratio >= TARGET else "**no**"


def catch_up(lines):
    ours = {line["operations"]: line for line in lines if line["system"] == OURS}
    print("| operations | Reflection | beside, same run | ratio | target | met |\n|---|---|---|---|---|---|")
    for line in sorted(lines, key=lambda line: line["operations"]):
        mine = ours.get(line["operations"])
        if line["system"] == OURS:
            continue
        beside = f"{line['system']}, {line['what']}: {figure(line)}"
        print(f"| {line['operations']:,} | {figure(mine) if mine else '–'} | {beside} |", " | ".join(cells(mine, line)), "|")


def spread(line):
    lost = "" if arrived(line) else f"; {line['operations'] - line['arrived']:,} operations did not arrive"
    return (f"p50 {shown(line['p50'])}, p95 {shown(line['p95'])}, p99 {shown(line['p99'])}; "
            f"equal {shown(line['equal_after'])} after the last{lost}")


def fan_out(lines):
    ours = {line["people"]: line for line in lines if line["system"] == OURS}
    print("\n| people | Reflection | beside, same run | ratio of p95 |\n|---|---|---|---|")
    for line in lines:
        mine = ours.get(line["people"])
        if line["system"] != OURS:
            ratio = f"{mine['p95'] / line['p95']:.2f}" if mine else "–"
            print(f"| {line['people']} | {spread(mine) if mine else '–'} | {line['system']}: {spread(line)} | {ratio} |")


def main():
    lines = [json.loads(line) for line in sys.stdin if line.startswith("{")]
    catch_up([line for line in lines if line["what"] not in ("round trip", "fan-out")])
    for line in lines:
        if line["what"] == "round trip":
            print(f"\nA round trip of 300 bytes over {line['system']}, in the same run: {shown(line['seconds'])} "
                  f"(median of {line['operations']:,}).")
    fans = [line for line in lines if line["what"] == "fan-out"]
    if fans:
        fan_out(fans)


if __name__ == "__main__":
    main()
