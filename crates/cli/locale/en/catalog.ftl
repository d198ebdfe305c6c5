# The catalog in the database.

error-backup-interrupted = Process { $pid } on { $host } ended before the backup was complete.
error-backup-interrupted-remedy = Take the backup again; nothing of the interrupted one is left.
