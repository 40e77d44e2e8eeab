"""Large libraries that forked processes start with; none of them starts threads.

dbt parses the project again for each path of the warehouse, although the result does not depend on
it. This is switched off here, so that deployments can share the parsed project.
"""

import dbt.adapters.duckdb
import dbt.cli.main  # noqa: F401
import dlt  # noqa: F401
from dbt.parser.manifest import ManifestLoader

_is_partial_parsable = ManifestLoader.is_partial_parsable


def is_partial_parsable(self, manifest):
    if manifest.metadata.adapter_type == self.root_project.credentials.type:
        manifest.state_check.profile_hash = self.manifest.state_check.profile_hash
    return _is_partial_parsable(self, manifest)


ManifestLoader.is_partial_parsable = is_partial_parsable
