#!/usr/bin/env python3
"""Lists every change of clocks that a release of the zone database has, as PyPI's tzdata packs it.

    tests/zones/changes.py FOLDER [BEFORE] > tests/zones/changes.tsv     # what CI compares with: zones that BEFORE had otherwise
    tests/zones/changes.py FOLDER --from 2015 --until 2030 > all.tsv     # all zones
    SESSIONLAKE_ZONE_CHANGES=$PWD/all.tsv cargo test --lib zones::       # and the comparison, outside CI

FOLDER and BEFORE are the `zoneinfo` folders of packages, had by `pip download tzdata==2021.5 --no-deps` and unpacked. A line is a zone,
the instant, and the seconds that its clocks are ahead of UTC before and after. A zone without changes has a line with an empty
instant. Lines are found by Python's zoneinfo, which shares no code with ours.
"""

import argparse
import datetime
import pathlib
import zoneinfo

UTC = datetime.timezone.utc


def names_of(folder):
    return sorted(line for line in (folder.parent / "zones").read_text().splitlines() if line and line != "Factory")


def read(folder, name):
    with open(folder / name, "rb") as file:
        return zoneinfo.ZoneInfo.from_file(file, key=name)


def changes(zone, start, end):
    """Finds the changes by asking every six hours, and then by halves."""
    offset = lambda at: int(datetime.datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset().total_seconds())
    found, before = [], offset(start)
    for at in range(start + 21_600, end + 1, 21_600):
        after = offset(at)
        if after != before:
            low, high = at - 21_600, at
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if offset(middle) == after else (middle, high)
            found.append((high, before, after))
            before = after
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("before", type=pathlib.Path, nargs="?")
    parser.add_argument("--from", type=int, default=2022, dest="start")
    parser.add_argument("--until", type=int, default=2030)
    args = parser.parse_args()
    start, end = (int(datetime.datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (args.start, args.until))
    release = lambda folder: (folder / "tzdata.zi").read_text().splitlines()[0].removeprefix("# version ").strip()
    compared = f", zones whose clocks {release(args.before)} had otherwise" if args.before else ""
    print(f"# tzdata {release(args.folder)}, from {args.start} until {args.until}{compared}")
    for name in names_of(args.folder):
        now = changes(read(args.folder, name), start, end)
        if args.before and (args.before / name).exists() and changes(read(args.before, name), start, end) == now:
            continue
        for at, before, after in now or [(None, *[int(datetime.datetime.fromtimestamp(start, UTC).astimezone(read(args.folder, name)).utcoffset().total_seconds())] * 2)]:
            instant = datetime.datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else ""
            print(f"{name}\t{instant}\t{before}\t{after}")


main()
