"""The licences of all pinned packages: `tideline licences`, or `make licences`.

They are read from the metadata of the installed packages. The command fails if a package names no
licence, or one that is not on the list.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tideline.text import table
from tideline.usage import parser as parser_of

PINS = Path(__file__).parents[1] / "requirements.txt"
# SPDX identifiers of licences that let everybody use, change and sell the software. MPL is the only
# copyleft licence here; it binds only the files of the package itself.
ALLOWED = {
    *("MIT", "MIT-0", "ISC", "Zlib", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "CC0-1.0"),
    *("Apache-2.0", "AFL-2.1", "PSF-2.0", "CNRI-Python", "MPL-2.0"),
}
# Patterns of licence names in package metadata, and the SPDX identifiers they mean. "BSD" alone
# means two or three clauses; both are allowed.
MEANT = {
    r"(License :: OSI Approved :: )?(The )?MIT( License)?": "MIT",
    r"(The )?Apache( Software)?( License)?,?( Version| v)?[ -]?(2|2\.0)?": "Apache-2.0",
    r"(3-Clause )?BSD( License|-3-Clause)?": "BSD-3-Clause",
    r"ISC License( \(ISCL\))?": "ISC",
    r"Mozilla Public License 2\.0 \(MPL 2\.0\)": "MPL-2.0",
    r"Python Software Foundation License": "PSF-2.0",
}
# Licences that are allowed for one package only, and why.
JUDGED = {
    "text-unidecode": (
        "Artistic License",
        "the author offers a choice of this and the GPL; the package is used unchanged",
    ),
}


def pinned(path: Path) -> Iterator[Requirement]:
    """The requirements of a file that apply to this platform and Python version."""
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        text = line.split(" --hash")[0].split("#")[0].strip()
        if text:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def licence_of(package: Distribution) -> str:
    """The licence of a package: an SPDX expression or a name; empty if it gives none."""
    about = package.metadata
    if "License-Expression" in about:
        return about["License-Expression"]
    written = about["License"].strip() if "License" in about else ""
    if "\n" in written or written.startswith("Copyright"):  # the full text, not the name
        written = ""
    classes = [
        name.split(" :: ")[-1]
        for name in about.get_all("Classifier", [])
        if name.startswith("License :: ") and name.count(" :: ") > 1
    ]
    named = [written] if is_allowed(meant(written)) else classes or [written]
    return " AND ".join(dict.fromkeys(meant(name) for name in named if name))


def meant(name: str) -> str:
    """The SPDX identifier of a licence name, or the name itself if it is unknown."""
    for pattern, identifier in MEANT.items():
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return identifier
    return name


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression is allowed: all parts of an AND, at least one part of an OR."""
    while inner := re.search(r"\(([^()]*)\)", expression):
        word = "MIT" if is_allowed(inner[1]) else "none"
        expression = expression.replace(inner[0], word)
    return any(
        all(part.strip() in ALLOWED for part in choice.split(" AND "))
        for choice in expression.split(" OR ")
    )


def rows(pins: Path) -> Iterator[tuple[str, str, str, str]]:
    """Name, version, licence and problem (empty if none) of each pinned package."""
    for requirement in pinned(pins):
        version = str(requirement.specifier).removeprefix("==")
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            yield requirement.name, version, "", "not installed"
            continue
        licence = licence_of(package)
        is_judged = requirement.name in JUDGED and JUDGED[requirement.name][0] in licence
        wrong = "" if package.version == version else f"pinned as {version}"
        if not licence:
            wrong = "names no licence"
        elif not is_allowed(licence) and not is_judged:
            wrong = "not an allowed licence"
        yield requirement.name, package.version, licence, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Print all licences; return 1 if a package has no allowed licence."""
    parser_of(
        "licences",
        """
        List name, version and licence of every pinned package, read from the installed packages.
        Exit code 1 if a package names no licence, or one that is not allowed.
        """,
        {"tideline licences": "list them all"},
    ).parse_args(arguments)
    found = list(rows(PINS))
    print(table(("package", "version", "licence"), [row[:3] for row in found]))
    for name, (licence, reason) in JUDGED.items():
        print(f"\n{name}: {licence}: {reason}.")
    wrong = [row for row in found if row[3]]
    for name, version, licence, problem in wrong:
        print(f"error: {name} {version}: {problem}{licence and f' ({licence})'}", file=sys.stderr)
    return 1 if wrong else 0
