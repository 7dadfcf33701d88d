#!/usr/bin/env python3
"""Counts a run of pytest by folders, from its JUnit file: "folder passed failed skipped"."""

import sys
import xml.etree.ElementTree
from collections import defaultdict

FOLDERS = 2                     # "e2e.jail.test_names" is of e2e/jail

counts = defaultdict(lambda: [0, 0, 0])
for case in xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase"):
    words = [w for w in case.get("classname", "").split(".") if not w.startswith("test_")]
    folder = "/".join(words[:FOLDERS]) or "collecting"
    bad = case.find("failure") is not None or case.find("error") is not None
    skipped = case.find("skipped") is not None
    counts[folder][1 if bad else 2 if skipped else 0] += 1
for folder, numbers in sorted(counts.items()):
    print(folder, *numbers)
