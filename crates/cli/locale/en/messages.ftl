## What commands say.

problem-line = cadena: { $message }
problem-remedy = { "  " }-> { $remedy }
warning-line = cadena: warning: { $message }
signal-notice = Stopping cleanly; once more to stop at once.

phase-checkpoint = Waiting for the checkpoint
phase-scanning = Counting files
phase-copying = Copying
phase-collecting-wal = Adding the WAL
phase-committing = Making it durable
phase-verifying = Checking
phase-restoring = Writing
phase-syncing = Making it durable
phase-starting = Starting the server

kind-full = FULL
kind-logical = FULL logical
kind-differential = DIFFERENTIAL
kind-incremental = INCREMENTAL
state-in-progress = running
state-completed = completed
state-failed = failed

column-id = Id
column-kind = Kind
column-state = State
column-started = Started
column-duration = Duration
column-plain = Data
column-archive = Archive
column-file = File
column-count = Count
column-result = Result
column-files = Files
column-pages = Pages
column-sha256 = SHA-256
column-table = Table
column-rows = Rows
column-source = Source
column-restored = Restored

fact-backup = Backup
fact-file = File
fact-started = Started
fact-duration = Duration
fact-size = Size
fact-size-value = { $archive } of { $plain } ({ $ratio } : 1)
fact-files = Files
fact-databases = Databases
fact-lsn = WAL
fact-lsn-value = { $start } to { $stop }, timeline { $timeline }
fact-server = Server
fact-server-standby = { $version }, a standby
fact-base = base
fact-changes = changes
fact-reader = Read
fact-sha256 = SHA-256

corrupt-pages = { $count ->
    [one] One page of the cluster itself is damaged. The backup holds it as it is.
   *[other] { $count } pages of the cluster itself are damaged. The backup holds them as they are.
}
corrupt-page = { $file }, block { $block }
corrupt-pages-more = and { $count } more

init-created = The repository is ready.
init-existed = The repository was there already; nothing changed.
init-repository = Repository
init-cluster = Cluster
init-role = Role
init-next = Next: `cadena check`, then `cadena full`.
init-privilege =
    cadena: the role may not { $purpose }. As a superuser, run:
      -> { $grant }

merge-done = The chain { $chain } was put together into backup { $id } in { $duration }.
merge-already = The chain { $chain } was put together before: it is backup { $id }.
backup-done = { $kind } backup completed in { $duration } ({ $rate }/s).
list-empty = No backups yet. `cadena full` takes one.
list-remark = ! { $message }

check-state-ok = ok
check-state-warn = WARN
check-state-fail = FAIL
check-result-ok = Backups can be taken.
check-result-warn = Backups can be taken; the warnings say what could be better.
check-result-fail = Backups can't be taken yet; what failed says what to do.
check-config-file = Configuration: { $file }
check-config-none = Configuration: no file; environment and defaults
check-connection = PostgreSQL { $version } at { $target }
check-wal-level = wal_level lets backups be taken
check-wal-level-minimal = wal_level is minimal: PostgreSQL does not write what a backup needs
check-wal-level-minimal-remedy = Set wal_level = replica in postgresql.conf and restart the server.
check-privileges = Role { $role } may do all that backups need
check-privilege-missing = Role { $role } may not { $purpose }
check-privilege-missing-remedy = As a superuser, run: { $grant }
check-slots = Replication slots: { $free } of { $all } are free
check-slots-none = Replication slots: none of { $all } is free, so the server may remove WAL while a backup runs
check-slots-none-remedy = Raise max_replication_slots and restart the server, or drop a slot that nobody uses.
check-checksums = Data checksums are on
check-checksums-off = Data checksums are off: damaged pages are found only when their header shows it
check-checksums-off-remedy = With the server stopped: pg_checksums --enable -D DATA_DIRECTORY
check-reader-local = The data directory { $directory } is read directly
check-reader-sql = The files are read over SQL, as configured
check-reader-auto-sql = The files are read over SQL (not directly: { $reason })
check-external-files = Configuration outside the data directory goes into the backup beside the data, and is not put in place by a restore: { $files }
check-binaries = Programs of PostgreSQL { $version } in { $folder }
check-repository = Repository { $folder }
check-repository-absent = There is no repository in { $folder }
check-repository-absent-remedy = Make it with `cadena init`.
check-writable = { $folder } can be written
check-not-writable = { $folder } can't be written: { $cause }
check-not-writable-remedy = Run Cadena as a user who may write there, or name another folder with --repository.
check-space = Space: { $free } free, the cluster has { $needed }
check-space-free = Space: { $free } free
check-space-low = Space: { $free } free, the cluster has { $needed }; compressed it may fit or not
check-space-low-remedy = Free space, or name a folder on a larger disk with --repository.
check-space-unknown = The free space of { $folder } can't be told: { $cause }

validate-valid = valid
validate-damaged = DAMAGED
validate-error = Backup { $id }, damage: { $message }
validate-warning = Backup { $id }, warning: { $message }

plan-backups = { $count ->
    [one] The restore applies this backup:
   *[other] The restore applies these { $count } backups:
}
plan-target = Target
plan-tablespace = Tablespace { $name }
plan-files = Files
plan-writes = Writes
plan-reads = Reads
plan-space = Space
plan-space-value = { $needed } needed, { $free } free in { $directory }
plan-remains = Removed first
plan-over = Over the cluster
plan-over-value = what differs is written, what the backup does not have is removed; until it has ended no server starts there
plan-owner = Owner
restore-done = Restored { $files } files, { $size } in { $duration } ({ $rate }/s).
restore-done-over = Compared { $compared } and wrote { $written } of { $size } ({ $files } files) in { $duration }; { $removed ->
    [0] nothing was removed.
    [one] one entry was removed that the backup does not have or that is made anew.
   *[other] { $removed } entries were removed that the backup does not have or that are made anew.
}
restore-started = The server accepts connections on port { $port } after { $duration }: { $command }
restore-dry-run = Nothing was written (--dry-run).
restore-running = It is a cluster of its own now; stop it with pg_ctl stop.
restore-next = The cluster is ready: start it with pg_ctl or with your service. WAL replay runs at its first start.

demo-source = 1. A new PostgreSQL { $version } cluster in { $folder }, with three tables.
demo-backup =
    2. While { $workers } connections wrote without pause ({ $transactions } transactions by then), a FULL backup was taken:
       Archive: { $file }, { $archive } of { $plain } in { $duration }
       SHA-256 in the record:  { $sha256 }
demo-increment = { "   " }A { $kind } in { $duration }: { $archive } in { $file } (changed blocks found by: { $way }).
demo-validated =
    3. The file was read again and checked down to every page ({ $files } files, { $pages } pages, { $duration }):
       SHA-256 of the file:    { $sha256 }
demo-damaged =
    3. The file was read again, and it is NOT what was written ({ $files } files, { $pages } pages, { $duration }):
       SHA-256 of the file:    { $sha256 }
demo-restored =
    4. Restored into { $folder } ({ $files } files, { $duration }) and started on port { $port }.
demo-comparison =
    5. The comparison. The load went on, so the source of now is the wrong measure. Every transaction noted the WAL position
       at which it ran. { $acknowledged } transactions had been acknowledged before the backup ended at { $lsn }: all of them
       must be there. Missing: { $missing }. The restored cluster holds { $restored }, those that committed in the backup's last
       WAL included; { $all } were committed in all. At exactly those { $restored }, the tables of both clusters hold:
demo-rewind =
    6. Then somebody made a mistake: UPDATE account without WHERE, and DROP TABLE document. The WAL that the server had kept since
       before the backup was streamed into the archive, and the cluster was restored to { $instant }, the instant before, from the
       backup and { $count } segments of WAL, up to { $lsn }. Beside what the source had held then:
demo-same = same
demo-differs = DIFFERENT
demo-success = The restored cluster is the one that was backed up, and the mistake is undone.
demo-failure = A restored cluster does NOT hold what it must. Please report this.
demo-kept = Kept in { $folder }. To look and to stop:
init-slot = The replication slot { $slot } is there: the server keeps all WAL from now on until it was read by `cadena start` or `cadena full`.
backup-no-catch-up = The WAL of the replication slot could not be archived beside the backup: { $message }
column-timeline = Timeline
column-from = From
column-until = Until
column-from-lsn = From LSN
column-until-lsn = Until LSN
column-backups = Backups
windows-none = Nothing can be restored yet: there is no completed backup. `cadena full` takes one.
windows-gap = Gap on timeline { $timeline }, from { $from } to { $to } ({ $size }): { $cause }
windows-isolated = Backup { $id } restores to its own end only: the WAL after it is not here.
windows-point = Restore point { $name }: { $time }, { $lsn }
plan-until = Recovers until
plan-until-value = { $lsn }, along timeline { $timeline }
plan-last-commit = Last commit
plan-last-commit-value = { $time }, at { $lsn }
plan-wal = WAL
plan-wal-value = { $count ->
    [one] one segment, { $size }, { $how }
   *[other] { $count } segments, { $size }, { $how }
}
plan-wal-stage = put into pg_wal
plan-wal-fetch = fetched by restore_command
check-stream = Nothing is wrong with the replication slot { $slot }.
start-once = { $count ->
    [one] One segment archived; everything before { $lsn } is durable.
   *[other] { $count } segments archived; everything before { $lsn } is durable.
}
check-stream-none = There is no replication slot { $slot } yet: `cadena start` makes it, for restores to any second.
