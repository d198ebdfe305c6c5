## Every error of the library and of the command: error-KEY is the sentence, error-KEY-remedy what to do about it.

error-unknown = An error without a name.
error-unknown-remedy = Run the command again with -v and report what it prints: this is a defect.

# pgformat
error-format-text = { $what } is not valid: { $text }
error-format-text-remedy = PostgreSQL never writes this. Check where the value comes from; `cadena validate --level deep` checks the backups.
error-format-damaged = { $what } is damaged: { $detail }
error-format-damaged-remedy = Try again. If it stays, the file itself is damaged: look into PostgreSQL's log and check the disk.
error-format-unsupported = { $what } { $found } is not supported.
error-format-unsupported-remedy = This version supports PostgreSQL 14 to 18.

# archive
error-archive-damaged = The archive is damaged at byte { $offset }: { $detail }
error-archive-damaged-remedy = Do not restore from this backup. Check the disk, use an older backup and take a new FULL now.
error-archive-tar-damaged = The archive's tar stream is wrong at its byte { $plain_offset }: { $detail }
error-archive-tar-damaged-remedy = Do not restore from this backup. Check the disk, use an older backup and take a new FULL now.
error-archive-content-damaged = The archive's content of { $path } does not match its checksum ({ $found_crc32c }, expected { $expected_crc32c }).
error-archive-content-damaged-remedy = Do not restore from this backup. Check the disk, use an older backup and take a new FULL now.
error-archive-hostile-member = The archive holds a member that is refused: { $path } ({ $reason })
error-archive-hostile-member-remedy = This archive was not written by Cadena as it is now. Do not use it; find out who changed it.
error-archive-absurd = The archive claims an absurd size: { $what } = { $value }
error-archive-absurd-remedy = The archive is damaged or was tampered with. Do not use it.
error-archive-newer = The archive has format version { $found }; this program reads up to { $supported }.
error-archive-newer-remedy = Use the version of Cadena that wrote it, or a newer one.
error-archive-no-member = The archive has no member { $path }.
error-archive-no-member-remedy = Run `cadena validate --level deep` on this backup.
error-archive-codec = Compression failed: { $detail }
error-archive-codec-remedy = Run the command again. If it fails again, report it: this is a defect.
error-archive-misuse = The archive was put together wrongly: { $detail }
error-archive-misuse-remedy = No backup was made. Report this: it is a defect.

# storage
error-storage-missing = There is no { $object } in { $storage }.
error-storage-missing-remedy = Check that the repository is the right one and that its disk is mounted.
error-storage-exists = { $object } is already in { $storage }; nothing was overwritten.
error-storage-exists-remedy = Run the command again.
error-storage-short = { $object } in { $storage } ends at { $size_bytes }; { $wanted_bytes } were wanted.
error-storage-short-remedy = The file was cut off. Run `cadena validate` to see which backups are whole.
error-storage-key = { $object } is no valid name in a repository: { $reason }
error-storage-key-remedy = Report this: it is a defect, or the repository was tampered with.
error-storage-full = No space is left for { $object } in { $storage }.
error-storage-full-remedy = Free space there and run the command again. What was half written has been removed.
error-storage-locked = { $object } in { $storage } can't be removed: { $reason }
error-storage-locked-remedy = It stays until its retention is over, or the legal hold is lifted by whoever set it; each later cleanup tries again.
error-storage-denied = Permission denied: { $object } in { $storage }
error-storage-denied-remedy = Run the command as the user who owns the repository, or change the owner of the folder. On Google Drive: share the folder with the account as an editor.
error-storage-io = { $action } { $object } in { $storage } failed: { $cause }
error-storage-io-remedy = Check the disk and that it is mounted, then run the command again.
error-storage-link = A symbolic link, { $link }, stands in the way of { $object } in { $storage }.
error-storage-link-remedy = Within a repository no links are followed. Replace it by a folder, or name the real folder of the repository.

# repository
error-repository-absent = There is no repository in { $storage }.
error-repository-absent-remedy = Make one with `cadena init`, or name the right folder with --repository or BACKUP_DIR.
error-repository-foreign = { $storage } holds the repository of cluster { $found }, not of { $wanted }.
error-repository-foreign-remedy = Each cluster needs a repository of its own: name another folder with --repository or BACKUP_DIR, and make it with `cadena init`.
error-repository-newer = The repository in { $storage } has format version { $found }; this program reads up to { $supported }.
error-repository-newer-remedy = Use the version of Cadena that made it, or a newer one.
error-repository-unreadable = { $object } in { $storage } can't be read: { $detail }
error-repository-unreadable-remedy = Check the disk. The archives beside it are untouched and open with `zstd -dc FILE | tar x`.
error-repository-busy = { $work ->
    [cleanup] A cleanup is running: { $name }, process { $pid } on { $host }, since { $since }.
   *[other] A backup is running: { $name }, process { $pid } on { $host }, since { $since }.
}
error-repository-busy-remedy = Wait for it; `cadena status` shows it. If its process dies, the next backup or cleanup takes over by itself.
error-repository-no-backup = There is no backup { $id }.
error-repository-no-backup-remedy = `cadena list` shows the backups that there are.
error-repository-empty = There is no completed backup.
error-repository-empty-remedy = Take one with `cadena full`.
error-backup-method-kind = A { $kind } can't be logical: it holds blocks that have changed, and a dump knows of none.
error-backup-method-kind-remedy = Take a logical FULL with `cadena full --method logical`, or a { $kind } without `--method`.
error-backup-unknown-database = The server has no database { $database }. It has: { $known }
error-backup-unknown-database-remedy = Name one of those with `--database`, or leave `--database` out for all of them.
error-backup-no-database = The server has no database that accepts connections and is no template, so there is nothing to dump.
error-backup-no-database-remedy = Name one with `--database`, or let connections in with ALTER DATABASE … ALLOW_CONNECTIONS true.
error-repository-only-logical = There are logical backups only, of which { $id } is the newest: they hold dumps of databases, and no cluster.
error-repository-only-logical-remedy = Restore a database with `cadena restore --backup { $id } --database D --as NEW`, or take a physical backup with `cadena full`.
error-repository-archive-missing = The archive of backup { $id }, { $object }, is missing.
error-repository-archive-missing-remedy = Bring the file back from a copy, or use another backup. Take a new FULL now.
error-repository-archive-size = The archive of backup { $id }, { $object }, has { $found_bytes }; its record says { $recorded_bytes }.
error-repository-archive-size-remedy = The file was changed after the backup. Bring it back from a copy, or use another backup. Take a new FULL now.
error-repository-archive-digest = The archive of backup { $id }, { $object }, has the SHA-256 { $found }; its record says { $recorded }.
error-repository-archive-digest-remedy = The file was changed after the backup. Bring it back from a copy, or use another backup. Take a new FULL now.
error-repository-not-completed = Backup { $id } is { $state }, so it has no archive.
error-repository-not-completed-remedy = `cadena list` shows the completed ones.
error-backup-merge-alone = Backup { $id } is a FULL already: there is no chain to put together.
error-backup-merge-alone-remedy = Name a DIFERENCIAL or an INCREMENTAL; `cadena list` shows them.
error-backup-changes-unknown = The way { $way } can't tell which blocks have changed: { $reason }
error-backup-changes-unknown-remedy = Leave --changes out: then the best way that can tell is used. --changes scan works always, and reads every page.
error-backup-timeline-changed = The server was promoted while the backup began: it was on timeline { $expected } and is on { $found }.
error-backup-timeline-changed-remedy = Run the command again.
error-backup-before-base = This backup would start at { $start_lsn }, before its base did, at { $base_lsn }: the server was set back, or is a standby that lags behind.
error-backup-before-base-remedy = On a standby, run the command again once it has caught up. Else take a FULL.
error-backup-taken = The { $kind } that was due at { $scheduled_for } is taken already: backup { $id }.
error-backup-taken-remedy = Nothing has to be done: another daemon of this repository was faster.
error-backup-base-gone = Backup { $id }, the base of this one, went away while it began.
error-backup-base-gone-remedy = Run the command again.
error-base-archive = Its archive { $object } is missing or has another size.
error-base-archive-remedy = Bring the archive back from a copy.
error-base-unreadable = Its archive { $object } can't be read: { $detail }
error-base-unreadable-remedy = Bring the archive back from a copy.
error-base-record = Its record { $object } can't be read: { $detail }
error-base-record-remedy = Bring the record back from a copy, or use the program that wrote it.
error-base-timeline = It ended at { $stop_lsn } on timeline { $timeline }, which did not lead from there to the server's timeline { $present }.
error-base-timeline-remedy = Nothing is wrong with it: the server's history parted from it.
error-base-server = { $what }: it was { $then } then, and is { $now } now.
error-base-server-remedy = Nothing is wrong with it: the server was changed.
error-chain-base-missing = Backup { $id } holds the changes since backup { $base }, which is not there.
error-chain-base-missing-remedy = Bring the base's archive and record back from a copy, or restore another backup. The next backup begins anew where a base is left.
error-chain-base-unreadable = Backup { $id } holds the changes since backup { $base }, whose record { $object } can't be read: { $detail }
error-chain-base-unreadable-remedy = Bring that record back from a copy, or restore another backup.
error-chain-base-kind = Backup { $id } holds the changes since backup { $base }, which is { $found }, not { $wanted }.
error-chain-base-kind-remedy = One of the two records was changed. Bring them back from a copy, or restore another backup.
error-chain-archive-missing = Backup { $id } holds the changes since backup { $base }, whose archive { $object } is missing or has another size.
error-chain-archive-missing-remedy = Bring that archive back from a copy, or restore another backup.
error-chain-base-swapped = Backup { $id } was made on a backup { $base } with the { $what } { $wanted }; the one here has { $found }.
error-chain-base-swapped-remedy = Another backup lies in the base's place. Bring the right one back from a copy, or restore another backup.
error-chain-mismatch = Backup { $id } and its base, backup { $base }, differ in their { $what }: { $wanted } and { $found }.
error-chain-mismatch-remedy = One of the two records was changed. Bring them back from a copy, or restore another backup.
error-repository-record-invalid = The record of backup { $id } can't be written: { $detail }
error-repository-record-invalid-remedy = Report this: it is a defect.

# cluster
error-cluster-connect = Can't connect to PostgreSQL at { $target }: { $detail }
error-cluster-connect-remedy = Check that the server runs, and host, port, user and password (DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, .pgpass, or [connection] in cadena.toml).
error-cluster-settings = The connection settings are wrong: { $detail }
error-cluster-settings-remedy = Check DATABASE_URL and [connection] in cadena.toml against libpq's connection parameters.
error-cluster-connection-lost = The connection to PostgreSQL was lost: { $detail }
error-cluster-connection-lost-remedy = Look into the server's log, then run the command again. No half-made backup is left.
error-cluster-sql = PostgreSQL refused { $action }: { $detail } (SQLSTATE { $sqlstate })
error-cluster-sql-remedy = Look into the server's log; `cadena check` names missing privileges.
error-cluster-answer = PostgreSQL's answer to { $action } can't be understood: { $detail }
error-cluster-answer-remedy = Check that this is a PostgreSQL server without a proxy that changes answers. Otherwise report it: it is a defect.
error-cluster-changed = Another cluster answers now: system identifier { $found } instead of { $expected }.
error-cluster-changed-remedy = Name one server, not an address that changes between servers, and run the command again.
error-cluster-cancelled = Stopped on request.
error-cluster-cancelled-remedy = Nothing is left behind. Run the command again when you want.
error-cluster-file-name = The name of file { $name } in { $directory } can't be passed through SQL.
error-cluster-file-name-remedy = Run Cadena on the database's host, as a user who may read the data directory, with --reader local.
error-cluster-version = PostgreSQL { $found } is not supported.
error-cluster-version-remedy = This version supports PostgreSQL 14 to 18.
error-cluster-privilege = Role { $role } may not { $action }.
error-cluster-privilege-remedy = As a superuser, run: { $grant }
error-cluster-promoted = The standby was promoted while it was backed up; that backup would not be sound.
error-cluster-promoted-remedy = Run the command again.
error-cluster-wal-level = wal_level is minimal: PostgreSQL does not write what a backup needs.
error-cluster-wal-level-remedy = Set wal_level = replica in postgresql.conf and restart the server.
error-cluster-binary-missing = PostgreSQL's program { $program } of version { $major } was not found. Looked in: { $looked_in }
error-cluster-binary-missing-remedy = Install PostgreSQL { $major }, or name the folder of its programs in PG_BIN_PATH or pg_bin_path.
error-cluster-program = PostgreSQL's program { $program } failed: { $detail }
error-cluster-program-remedy = Its own message says why.
error-cluster-start = The server in { $directory } did not start: { $detail }
error-cluster-start-remedy = The lines above come from the server's log. Often the port is taken, or a setting points to a file that is not here.
error-cluster-no-user = The operating system's user { $user } does not exist.
error-cluster-no-user-remedy = Name an existing user with --owner.
error-cluster-other-user = Only root may run a server as { $user }; we are { $current }.
error-cluster-other-user-remedy = Run the command as { $user } or as root, or leave --owner out.
error-cluster-root = PostgreSQL refuses to run as root.
error-cluster-root-remedy = Name another user with --owner, such as postgres.

# reader
error-read-file = { $path } in the data directory can't be read: { $cause }
error-read-file-remedy = Check the file's permissions and the disk, then run the command again.
error-read-not-local = The data directory { $directory } can't be read here: { $reason }
error-read-not-local-remedy = Use --reader sql, or run Cadena on the database's host as a user who may read the data directory.
error-read-too-deep = { $path } in the data directory lies too deep.
error-read-too-deep-remedy = PostgreSQL makes no such folder. Move it out of the data directory.
error-read-not-utf8 = { $path } in the data directory has a name that is not UTF-8, which SQL can't read.
error-read-not-utf8-remedy = Use --reader local on the database's host, or rename the file.

# pipeline and backup
error-cancelled = Stopped on request.
error-cancelled-remedy = Nothing is left behind. Run the command again when you want.
error-worker-panicked = A worker ended unexpectedly: { $detail }
error-worker-panicked-remedy = No backup was made. Report this: it is a defect.
error-backup-wal-removed = The server removed WAL segment { $segment } before it could be copied.
error-backup-wal-removed-remedy = Allow the role a replication slot (`cadena init --print-grants`), or raise wal_keep_size, and run the backup again.
error-backup-control-file = pg_control can't be read whole: { $detail }
error-backup-control-file-remedy = Run the backup again. If it stays, the cluster's control file is damaged: look into PostgreSQL's log.
error-backup-option = Option { $option } has the value { $value }: { $reason }
error-backup-option-remedy = `cadena help full` says what is allowed.
error-backup-timeline-history = The history of the timelines does not lead from { $start } to { $stop }.
error-backup-timeline-history-remedy = Run the backup again. If it stays, look into pg_wal for the .history files of both timelines.
error-backup-spool = The temporary file in { $folder } failed: { $cause }
error-backup-spool-remedy = Free space there, or name another folder in TMPDIR, and run the backup again.

# restore
error-restore-target-not-empty = { $directory } is not empty. A restore writes over nothing but the same cluster, with --delta.
error-restore-target-not-empty-remedy = Name a folder that is empty or does not exist yet.
error-restore-target-running = A server is running in { $directory } (process { $pid }).
error-restore-target-running-remedy = Name another folder, or stop that server if its cluster is to be restored over (--delta).
error-restore-target = { $directory } can't be used as a target: { $detail }
error-restore-target-remedy = Name another folder, or correct what is said above.
error-restore-unreachable = User { $owner } can't reach { $directory }: { $ancestor } does not let it pass.
error-restore-unreachable-remedy = Give the user the right to enter { $ancestor } (chmod o+x), or name a folder elsewhere.
error-restore-no-space = { $directory } has { $free_bytes } free; the restore needs { $needed_bytes }.
error-restore-no-space-remedy = Free space there or name a folder on another disk. Nothing was written.
error-restore-no-inodes = { $directory } has room for { $free_inodes } more files; the restore needs { $needed_inodes }.
error-restore-no-inodes-remedy = Remove files there or name a folder on another disk. Nothing was written.
error-restore-disk-full = The disk is full: { $path } could not be written.
error-restore-disk-full-remedy = Free space and run the restore again. What was written has been removed.
error-restore-unknown-tablespace = The backup has no tablespace { $name }; it has: { $known }
error-restore-unknown-tablespace-remedy = Name one of those in --tablespace OLD=NEW. Nothing was written.
error-restore-tablespace-target = Tablespace { $name } would go to { $directory }: { $reason }
error-restore-tablespace-target-remedy = Name a folder for it: --tablespace { $name }=DIR. Nothing was written.
error-restore-logical-target = Backup { $id } is logical: no WAL can be replayed on it, so it restores to the instants of its dumps only.
error-restore-logical-target-remedy = Leave `--at`, `--lsn`, `--name` or `--latest` out, or leave `--backup` out: then a physical backup and the WAL after it are used.
error-restore-not-completed = Backup { $id } is { $state }; only a completed one restores.
error-restore-not-completed-remedy = `cadena list` shows the completed ones.
error-restore-logical = Backup { $id } is logical: it holds dumps of databases, which can be loaded into a running server, and no files of a cluster.
error-restore-logical-remedy = Restore a database of it with `cadena restore --backup { $id } --database D --as NEW`, get its dump with `cadena export --backup { $id } --database D -o FILE.dump`, or name a physical backup; `cadena list` shows which is which.
error-restore-write = Writing { $path } failed: { $cause }
error-restore-write-remedy = Check the target's disk and permissions. What was written has been removed.
error-restore-content = The archive's content of { $path } does not match its checksum.
error-restore-content-remedy = Do not use this backup. Restore an older one, check the disk, and take a new FULL now.
error-restore-mismatch = The archive of backup { $id } has { $what } { $found }; its record says { $recorded }.
error-restore-mismatch-remedy = The archive or its record was exchanged. Bring both back from a copy, or use another backup.
error-restore-incomplete = The archive of backup { $id } lacks { $path }.
error-restore-incomplete-remedy = Do not use this backup. Restore an older one and take a new FULL now.
error-restore-remains = The restore failed ({ $reason }) and its remains in { $directory } could not be removed: { $cause }
error-restore-remains-remedy = Remove the folder by hand. Do not start a server in it.
error-restore-busy = Another restore is writing { $directory }.
error-restore-busy-remedy = Wait for it, or name another folder.

# verify
error-verify-not-completed = Backup { $id } is { $state }; only a completed one can be validated.
error-verify-not-completed-remedy = `cadena list` shows the completed ones.

# the command's own: command line, configuration, output, demo
error-usage-unknown-argument = Unknown argument: { $argument }
error-usage-unknown-argument-remedy = Nearest known: { $nearest }. `cadena help` lists everything.
error-usage-unknown-command = Unknown command: { $name }
error-usage-unknown-command-remedy = Did you mean `cadena { $nearest }`? `cadena help` lists all commands.
error-usage-bad-value = { $argument } can't be “{ $value }”.
error-usage-bad-value-remedy = Allowed: { $allowed }
error-usage-missing = Missing: { $arguments }
error-usage-missing-remedy = `cadena help COMMAND` shows what a command needs.
error-usage-conflict = { $argument } can't be used together with { $other }.
error-usage-conflict-remedy = Leave one of the two out.
error-usage-other = { $detail }
error-usage-other-remedy = `cadena help COMMAND` shows how a command is used.
error-config-unreadable = The configuration file { $file } can't be read: { $cause }
error-config-unreadable-remedy = Check the path (--config, CADENA_CONFIG) and the file's permissions.
error-config-syntax = { $file }, line { $line }: { $detail }
error-config-syntax-remedy = Correct the line; cadena.toml is a TOML file (https://toml.io).
error-config-unknown-section = { $file }, line { $line }: unknown section [{ $name }]
error-config-unknown-section-remedy = Did you mean [{ $nearest }]?
error-config-unknown-key = { $file }, line { $line }: unknown key “{ $name }” in [{ $section }]
error-config-unknown-key-remedy = Did you mean “{ $nearest }”?
error-config-bad-value = { $file }, line { $line }: { $name } can't be { $value }
error-config-bad-value-remedy = Allowed: { $allowed }
error-config-password-readable = { $file } holds a password, and other users may read it (mode { $mode }).
error-config-password-readable-remedy = Run: chmod 600 { $file }
error-config-bad-variable = The environment variable { $variable } can't be “{ $value }”.
error-config-bad-variable-remedy = Allowed: { $allowed }
error-output-failed = Standard output can't be written: { $cause }
error-output-failed-remedy = Check where the output goes; its disk may be full. The operation itself has ended.
error-demo-folder = The demo can't use { $folder }: { $cause }
error-demo-folder-remedy = Name a folder with about 1 GiB free in TMPDIR.
error-demo-load = The demo's load stopped before its time: { $detail }
error-demo-load-remedy = Run the demo again with -v.
error-demo-incomplete = The demo's backup lacks { $what }.
error-demo-incomplete-remedy = Report this: it is a defect.
# instants and the daemon's log
error-usage-time = { $text } is no time.
error-usage-time-remedy = Write it as { $example }; without an offset it is meant in the configured time zone.
error-usage-time-gap = { $text } does not exist in { $zone }: the clocks went forward over it.
error-usage-time-gap-remedy = Say which instant is meant: { $earlier } or { $later }.
error-usage-time-fold = { $text } was twice in { $zone }: the clocks went back.
error-usage-time-fold-remedy = Say which of the two is meant: { $earlier } or { $later }.
error-log-file = The log { $file } can't be opened: { $cause }
error-log-file-remedy = Let the daemon's user write in the repository's folder.
