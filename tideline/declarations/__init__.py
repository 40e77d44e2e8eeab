"""What is declared in the dbt project, read from its manifest and checked."""
