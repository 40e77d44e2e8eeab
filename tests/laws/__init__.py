"""The laws of the project on random data, each checked by a second implementation."""
