"""`make bench` on little data: every stage is there, twice, with its ratio to the floor."""

import re


def test_the_page_names_every_stage(deployment):
    page = deployment.run("orchestration.bench", "--events", 5000)
    loads = re.findall(
        r"(First load|One more day): ([0-9,]+) rows landed; floor of the first load", page
    )
    assert [name for name, _ in loads] == ["First load", "One more day"]
    first, second = (int(rows.replace(",", "")) for _, rows in loads)
    assert 2500 < first < 10_000 and second < first / 20
    for stage in ("raw", "events", "identity", "sessions", "features", "segments", "delivery"):
        found = re.findall(rf"^  {stage} +([0-9,]+) +[0-9.]+ +[0-9,]+ +[0-9.]+$", page, re.M)
        assert len(found) == 2 and all(int(rows.replace(",", "")) > 0 for rows in found), stage
