"""What a run would send, for people: the first rows of each operation, and the first requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tideline.activation.destinations import Destination, Operation
from tideline.activation.masking import Mask
from tideline.activation.plan import read_batches
from tideline.declarations.syncs import Sync
from tideline.warehouse.connection import Warehouse

MOST_ROWS = 3  # of each operation
QUESTION = "a question; what is sent next depends on its answer and is not shown"


@dataclass
class Preview:
    """`rows`: masked keys by operation. `requests`: masked requests, files or statements."""

    most_requests: int
    rows: dict[str, list[str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def add(
        self,
        warehouse: Warehouse,
        sync: Sync,
        destination: Destination,
        environment: Mapping[str, str],
        resent: bool,
    ) -> None:
        """Note what is sent of the present plan."""
        mask = Mask(sync, environment)
        for op, row_key in warehouse.query(
            "select op, row_key from (select op, row_key, position, row_number() over "
            "(partition by op order by position) as place from activation_plan "
            "where problem is null and waits is null) as planned "
            f"where place <= {MOST_ROWS} order by position"
        ):
            self.rows.setdefault("resend" if resent else op, []).append(
                mask.key(json.loads(row_key))
            )
        for _, batch in read_batches(warehouse, sync):
            if len(self.requests) >= self.most_requests:
                return
            self._draft(mask, destination, batch)

    def _draft(self, mask: Mask, destination: Destination, batch: list[Operation]) -> None:
        most = self.most_requests - len(self.requests)
        drafts = destination.drafts(batch, most)
        texts = mask.texts(drafts, lambda rows: destination.drafts(rows, most), batch)
        for draft, text in zip(drafts, texts, strict=True):
            self.requests.append(f"({QUESTION}) {text}" if draft.is_question else text)

    def text(self) -> str:
        """The rows and requests; empty if nothing would be sent."""
        lines = [f"  {op:<7} {key}" for op, keys in self.rows.items() for key in keys]
        for number, request in enumerate(self.requests, start=1):
            lines += ["", f"  request {number}: " + request.replace("\n", "\n  ")]
        return "\n".join(lines)
