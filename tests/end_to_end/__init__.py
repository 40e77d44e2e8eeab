"""Real commands, dbt builds and servers."""
