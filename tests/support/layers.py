"""The layers of the Python code."""

# From the lowest to the highest; modules of one line do not import each other.
LAYERS = [
    ["tideline.text", "tideline.progress", "tideline.usage"],
    ["tideline.warehouse"],
    ["tideline.declarations"],
    ["tideline.landing", "tideline.activation", "tideline.matching"],
    ["tideline.privacy", "tideline.segments"],
    [
        "tideline.summary",
        "tideline.licences",
        "tideline.dev",
        "tideline.schema",
        "tideline.publish",
    ],
    ["examples"],
    ["tideline.cli"],
    ["tideline.__main__"],
    ["orchestration", "benchmarks"],
]
