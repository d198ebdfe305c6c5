# Retention and cleanup.

cleanup-policy = Policy
cleanup-policy-value = { $name }: FULL { $months } months, DIFERENCIAL { $weeks } weeks, INCREMENTAL { $days } days, at least { $chains } chains
cleanup-policy-wal = WAL { $days } days
cleanup-source = From
cleanup-source-catalog = the catalog
cleanup-source-last-known = the catalog, as it was when it was last asked
cleanup-source-file = the configuration file
cleanup-source-standard = the standard
cleanup-backups = Backups
cleanup-wal = WAL segments
cleanup-count = { $going } go ({ $size }), { $staying } stay
cleanup-unfinished = Left by a cleanup that died, removed now
cleanup-stays = stays
cleanup-goes = goes
cleanup-nothing = There is nothing to remove.
cleanup-dry-run = Nothing was removed: this is what a cleanup would do now.
cleanup-refused = { $name } stays: { $reason }
cleanup-refused-base = { $name } stays: a backup that stands on it was not let go
cleanup-refused-wal = { $count } WAL segments stay: { $reason }
cleanup-done = Freed { $size } in { $duration }.
column-verdict = Verdict
column-reason = Why
status-cleaning = A cleanup is running: process { $pid } on { $host }, since { $since }.

retention-in-period = not older than { $day }
retention-newest = the newest that can be restored
retention-newest-logical = the newest logical one
retention-chain = its FULL is among the newest { $min_chains }
retention-next-base = the next backup may stand on it
retention-wal-base = every instant of the last { $days } days is reached from it
retention-base = backup { $id } stands on it
retention-doubt = { $object }, which can't be read, may stand on it
retention-orphan-beside = the archive { $object } lies beside its record, though it failed
retention-expired = older than { $day }
retention-interrupted = a cleanup that died had begun to remove it
retention-orphan = No record vouches for { $object }; it stays. `cadena list` tells more.
retention-unreadable-record = The record { $object } can't be read ({ $detail }); as long as it is there, no WAL and nothing that it may stand on goes.
retention-archive-missing = The archive of backup { $id } is missing or has another size.
retention-unknown-descent = Nothing tells where timeline { $timeline } came from; all of its WAL stays.
retention-foreign-wal = { $object } is none of ours and stays.
gap-removed-by-retention = Removed by the retention policy { $policy }

backup-removal-refused = Backup { $name } was to go, and stays: { $error }
wal-removal-refused = { $segments } WAL segments were to go, and stay: { $error }
backup-removed = Backup { $name } was removed: { $reason }.
wal-trimmed = { $segments } WAL segments that nothing needs any more were removed ({ $freed_bytes }).
cleanup-finished = The cleanup removed { $backups } backups and { $segments } WAL segments and freed { $freed_bytes }.

error-retention-value = The retention policy { $policy } has { $name } = { $value }; allowed: { $allowed }.
error-retention-value-remedy = Correct it in seguridad.backup_retention_policy or in [retention] of cadena.toml; nothing was removed.
error-retention-unreadable = { $object } in { $storage } can't be read: { $detail }.
error-retention-unreadable-remedy = Remove the file to forget which policy the catalog had; while the catalog can't be asked, [retention] of cadena.toml or the standard counts then.
error-repository-removal-refused = Backup { $id } is not removed: { $detail }.
error-repository-removal-refused-remedy = Nothing was removed. `cadena list` and `cadena cleanup --dry-run` show what stands on what.
