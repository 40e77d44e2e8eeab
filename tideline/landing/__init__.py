"""Landing: events and source systems become files below the landing folder."""
