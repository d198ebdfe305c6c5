## Help: help-COMMAND is a command's line, help-COMMAND-ARGUMENT an argument's.

help-heading-usage = Usage
help-heading-commands = Commands
help-heading-arguments = Arguments
help-heading-options = Options
help-heading-global = Options of every command
help-value-file = FILE
help-value-dir = DIR
help-value-host = HOST
help-value-port = PORT
help-value-name = NAME
help-value-lang = LANG
help-value-source = SOURCE
help-value-n = N
help-value-rate = RATE
help-value-text = TEXT
help-value-how = HOW
help-value-id = ID
help-value-level = LEVEL
help-value-old-new = OLD=NEW
help-value-user = USER
help-value-shell = SHELL
help-value-command = COMMAND
help-value-options = [OPTIONS]

help-cadena = Backups of PostgreSQL 14 to 18 that restore, and can show it.
help-after =
    Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 done with warnings, 4 another backup
    or restore is running, 5 a backup is damaged, 6 refused before anything was written, 130 stopped by a signal.

    The connection comes from --host, --port, --dbname, --user; from DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD
    or DATABASE_URL; from cadena.toml; or from libpq's own PG* variables and .pgpass. `cadena demo` needs none.

help-cadena-version = Shows the version.
help-global-config = Configuration file (CADENA_CONFIG; otherwise cadena.toml in the present folder, if there is one).
help-global-repository = Folder of the backups (BACKUP_DIR; otherwise backups_incrementales).
help-global-host = The server's host, or the folder of its socket.
help-global-port = The server's port.
help-global-dbname = Database to connect to; the backup is of the whole cluster.
help-global-user = Role to connect as. There is no password option: use DB_PASSWORD or .pgpass.
help-global-lang = Language of messages: en or es (CADENA_LANG; otherwise the locale's).
help-global-json = Prints the result, or the error, as JSON on standard output.
help-global-quiet = Prints nothing but errors and warnings.
help-global-no-progress = Shows no progress bar.
help-global-verbose = Says more on standard error; twice for still more.
help-global-help = Shows this help.

help-demo = Makes a throw-away cluster, backs it up under load, restores it and compares.
help-demo-keep = Leaves the folder and both servers as they are, and says how to reach them.
help-init = Makes the repository of the cluster and looks at the role's privileges.
help-init-print-grants = Prints the statements that give a role what backups need, ready for psql, and does nothing else.
help-init-role = The role for --print-grants (otherwise the one that is connected).
help-check = Checks every precondition of a backup, each with its remedy. Changes nothing.
help-full = Takes a FULL backup: every file of the cluster, and the WAL to start from it.
help-diferencial = Takes a DIFERENCIAL backup: what has changed since the newest FULL.
help-incremental = Takes an INCREMENTAL backup: what has changed since the newest backup of any kind.
help-backup-changes = How changed blocks are found: auto (the best way that can tell, default), wal (archived WAL), server (summaries of a server from 17 on with summarize_wal), scan (every page is read).
help-backup-reader = Where the files are read: auto (local if possible), local (this host's files), sql (the connection).
help-backup-jobs = Workers, 1 to 64 (otherwise as many as there are cores, at most 8).
help-backup-level = zstd level, 1 to 19 (otherwise 1).
help-backup-max-rate = The most to read in a second, such as 50MB.
help-backup-label = A name of your own, kept in the record and in backup_label.
help-backup-checkpoint = fast begins at once with an immediate checkpoint (default); spread waits for an unhurried one.
help-list = Lists the backups.
help-status = Shows what needs attention, the last backup and the totals.
help-validate = Checks that backups are whole.
help-validate-id = Number of the backup (otherwise all completed ones).
help-validate-level = checksum: the file is there, its size and its SHA-256 (default). deep: also every frame, file and page.
help-validate-jobs = Workers, 1 to 64.
help-preview = Shows what a restore would apply, without a target.
help-preview-backup = Number of the backup.
help-preview-latest = The newest completed backup.
help-restore = Restores a backup into an empty folder: shows the plan, checks everything, then writes.
help-restore-backup = Number of the backup.
help-restore-latest = The newest completed backup.
help-restore-to = The new data directory: empty or not there yet.
help-restore-tablespace = Puts tablespace OLD (name, OID or old folder) into folder NEW. May be given more than once.
help-restore-owner = User who is to own the files, when run as root.
help-restore-jobs = Workers, 1 to 64.
help-restore-dry-run = Shows the plan and stops.
help-restore-start = Starts the restored server on --port and waits until it accepts connections.
help-restore-socket-dir = Folder for the started server's socket.
help-completions = Prints a completion script for a shell.
help-completions-shell = bash, elvish, fish, powershell or zsh.
help-help = Shows the help of a command.
help-help-command = Name of the command.
help-value-time = TIME
help-value-lsn = LSN
help-value-action = ACTION
help-value-mode = MODE
help-value-target = TARGET
help-init-slot = Makes the permanent replication slot, too, so that `cadena full` can archive WAL without the daemon. The server keeps all WAL until it was read: use it only if backups run often.
help-preview-at = Instant to restore to: everything committed by then. Without an offset it is meant in the configured time zone.
help-preview-lsn = Restores everything before this LSN.
help-preview-name = Restores up to a restore point (pg_create_restore_point).
help-preview-timeline = Timeline to follow (otherwise the newest).
help-restore-at = Instant to restore to: everything committed by then. Without an offset it is meant in the configured time zone.
help-restore-lsn = Restores everything before this LSN.
help-restore-name = Restores up to a restore point (pg_create_restore_point).
help-restore-timeline = Timeline to follow (otherwise the newest).
help-restore-target-action = What the server does at the target: promote becomes a primary (default), pause waits read-only, shutdown stops.
help-restore-archive-mode = off keeps the copy from archiving and from waiting for standbys (default); preserve leaves the source's settings, for a copy that takes its place.
help-restore-wal = How the server gets WAL: fetch by restore_command, stage puts it into pg_wal now, auto chooses (default).
help-start = Runs the daemon: streams WAL into the repository until it is stopped, and logs to backup_scheduler.log.
help-windows = Shows the exact intervals that can be restored, restore points, and gaps with their causes.
help-wal-fetch = For restore_command: puts an archived WAL file in place. Ends with 1 if there is none, with 126 if anything is wrong.
help-wal-fetch-name = Name of the file (%f).
help-wal-fetch-target = Where to put it (%p).
help-wal-fetch-until-lsn = WAL from here on is left out.
help-wal-fetch-spool = Folder for segments that are fetched ahead.
help-wal-fetch-prefetch = Only fills the spool, with so many segments.
help-wal-push = For archive_command: archives a WAL file. Calling it again changes nothing.
help-wal-push-file = The file (%p).
help-start-once = Streams what the server has now, and ends (for cron).
