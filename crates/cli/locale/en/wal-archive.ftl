## Errors of the WAL archive.

error-wal-missing = WAL segment { $segment } is not in { $storage }.
error-wal-missing-remedy = Bring it from the server's pg_wal or another copy, if one still has it. A restore can't pass this place without it; take a new FULL if it is lost.
error-wal-damaged = WAL segment { $segment } in { $storage } is damaged: { $detail }
error-wal-damaged-remedy = It is never overwritten by itself. If the server still has the segment in pg_wal, move the damaged file away and archive the segment again; otherwise restores end before it: check the disk and take a new FULL now.
error-wal-invalid = These bytes are not WAL segment { $segment }: { $detail }
error-wal-invalid-remedy = Nothing was archived. Check that archive_command passes %p and %f, and that the file on the server is whole; `pg_waldump` shows where it breaks off.
error-wal-conflict = WAL segment { $segment } is in { $storage } already, with other content: { $detail }
error-wal-conflict-remedy = Two servers write the same timeline, or an old one was started again. Nothing was overwritten. Find out which one is right before anything is removed; promote the other one to a timeline of its own.
error-wal-history-conflict = The history of timeline { $timeline } is in { $storage } already, with other content.
error-wal-history-conflict-remedy = Two servers were promoted to the same timeline. Nothing was overwritten. Give one of the two a repository of its own, with `cadena init`.
error-wal-foreign = This WAL is of the cluster with system identifier { $found }; the repository belongs to { $expected }.
error-wal-foreign-remedy = Each cluster needs a repository of its own: name the right one with --repository or BACKUP_DIR.
error-wal-geometry = The WAL archive has { $what } { $expected }; this is { $found }.
error-wal-geometry-remedy = One archive holds WAL of one form only. Make a new repository with `cadena init` and take a FULL there.
error-wal-newer = { $object } has format { $found }; this version reads up to { $supported }.
error-wal-newer-remedy = Use the version of Cadena that wrote it, or a newer one.
error-wal-unreadable = { $object } in { $storage } can't be read: { $detail }
error-wal-unreadable-remedy = Check the disk. Bring the file back from a copy; the segments beside it are untouched and open with `zstd -dc`.
