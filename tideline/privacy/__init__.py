"""Privacy: lists the columns with personal data, and forgets people everywhere."""
