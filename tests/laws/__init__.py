"""The laws of the project on random data, each against a second judge."""
