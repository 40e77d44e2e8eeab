"""The warehouse: where it is, how it is opened, what its errors mean."""
