# The catalog in the database.
