## What records and reports hold as {"key": …}: warnings of a backup, findings of a validation, missing privileges.

warning-corrupt-pages = { $pages ->
    [one] One page of the cluster is damaged: { $file }, block { $block }
   *[other] { $pages } pages of the cluster are damaged; the first: { $file }, block { $block }
}
warning-full-instead = A FULL was taken instead of the { $wanted }, since there is no base for one. Backup { $id } can't be the base: { $reason }
warning-full-instead-first = A FULL was taken instead of the { $wanted }: there is no backup yet that could be its base.
warning-base-passed-over = Backup { $id } can't be the base, so this one stands on backup { $base }: { $reason }
warning-logical-no-passwords = The passwords of roles are not in the backup: role { $role } may not read them. Roles restored from it have none.
warning-logical-said = { $program } said of database { $database }: { $said }
verify-dump = pg_restore can't read the dump of database { $database }: { $detail }
warning-no-slot = No replication slot could be had, so the server was free to remove WAL while the backup ran. It did not. Reason: { $cause }
warning-external-config = The configuration file { $path } lies outside the data directory and is not in the backup: { $cause }
warning-followed-links = { $count ->
    [one] A symbolic link in the data directory was followed: { $path }
   *[other] { $count } symbolic links in the data directory were followed; the first: { $path }
}
warning-left-out = { $count ->
    [one] Something in the data directory that is neither file nor folder was left out: { $path }
   *[other] { $count } things in the data directory that are neither files nor folders were left out; the first: { $path }
}

privilege-backup-control = start and stop backups
privilege-control-data = read the control data
privilege-read-files = read the cluster's files over SQL
privilege-slot = make replication slots, which keep the WAL while a backup runs, and stream the WAL
privilege-settings = see all settings, such as the data directory
privilege-switch-wal = finish the current WAL segment
privilege-restore-point = create restore points

verify-tar-header = { $path }: its tar header, or what follows it, is not what the index says
verify-tar-end = The tar stream does not end as it must
verify-member-content = { $path }: its content does not match its checksum, or can't be decompressed
verify-page-checksum = { $path }, block { $block }: the page's checksum is { $found }, it should be { $expected }
verify-page-header = { $path }, block { $block }: the page's header is impossible
verify-page-known-corrupt = { $path }, block { $block }: this page was damaged in the cluster when the backup was taken
verify-partial-page = { $path }: { $size_bytes } is no whole number of pages
verify-manifest-unlisted = { $path } is in the archive and not in its manifest
verify-manifest-absent = { $path } is in the manifest and not in the archive
verify-manifest-twice = { $path } is named twice
verify-manifest-size = { $path } has { $found_bytes }; the manifest says { $listed_bytes }
verify-manifest-checksum = { $path }: archive and manifest give different checksums
verify-manifest-mismatch = The manifest has { $what } { $found }; the record says { $recorded }
verify-more-findings = { $count ->
    [one] and one more finding
   *[other] and { $count } more findings
}

restore-wrote-config = The backup held no { $file } (Debian keeps it outside the data directory); a minimal one was written. A copy of the original, if it could be read, lies in cadena_external_config.
restore-kept-config = The configuration files that lay outside the source's data directory are in { $folder }; they were not put to use, since they name the source's folders
restore-dropped-signal = { $file } was left out, so that the restored cluster becomes a primary of its own
restore-removed-remains = What an interrupted restore had left in { $directory } was removed first
daemon-started = Started: process { $pid }, repository { $repository }
daemon-waiting = Waits: the daemon of process { $pid } on { $host } works for this repository since { $since }
daemon-wait-failed = Whether the other daemon is gone could not be seen: { $error }
daemon-lock-lost = Another daemon has taken over (process { $pid } on { $host }, since { $since }) while this one was paused or cut off: it stops all that it does
daemon-stopped = Stopped; everything received is durable
daemon-receiver-failed = { $error } (next attempt in { $seconds } s)
daemon-stream-ended = The server ended the stream at { $lsn } (next attempt in { $seconds } s)
daemon-lagging = The archive has been behind the server for { $seconds } s, by { $lag_bytes }
daemon-lagging-remedy = Look at the repository's disk and at the network.
daemon-caught-up = The archive has caught up, at { $lsn }
