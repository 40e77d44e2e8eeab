"""What forked processes begin with: large libraries that start no threads.

dbt parses the project anew for each place of the warehouse, although nothing that is parsed depends
on it. Here it does not, so deployments may share what was parsed.
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
