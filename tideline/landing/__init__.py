"""Landing: writes events and rows of source systems to files in the landing folder."""
