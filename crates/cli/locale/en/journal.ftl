# What the repository's journal tells, and what can go wrong with it.

backup-started = Backup { $name } has begun.
backup-completed = Backup { $name } is complete.
backup-failed = Backup { $name } failed.
validation = Backup { $name } was validated ({ $level }): { $result }.

error-journal-busy = Another process has been writing the events in { $storage } for { $seconds } s.
error-journal-busy-remedy = Look for a process of cadena that hangs, and try again.
error-journal-event-invalid = The event { $event } can't be written: { $detail }.
error-journal-event-invalid-remedy = This is a fault of the program; please report it.
