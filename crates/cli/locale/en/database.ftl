# One database out of a backup, exports, and throw-away clusters.

phase-dumping = Dumping the database
phase-loading = Loading the database

database-will-make = Database { $database } will be made on { $server } under the name { $name }.
database-will-replace = Database { $database } will be made on { $server } and take the name { $name }; one that has it now is kept under another.
database-done = Database { $database } is on { $server } as { $name }: { $tables } tables, { $size }, in { $duration }
database-end-lsn = Recovered to
database-time = Time
database-time-value = recovery { $recover }, dump { $dump }, load { $load }
database-created-roles = Roles made (no login, no password)
database-kept = The old one
database-kept-value = kept as { $name }; { $count } sessions were ended
database-swept = A command that was killed had left a throw-away cluster in { $directory }; it was removed
database-not-swept = A command that was killed has left a throw-away cluster in { $directory }, which could not be removed: { $problem }

export-done = Database { $database } is in { $file } ({ $size }), in { $duration }. Written by pg_dump { $version }: load it with `pg_restore -d DATABASE FILE` of that version or a later one
explore-ready =
    The cluster is ready: { $command }
    { $until }
explore-until-time = It is removed after { $duration }, or on ^C.
explore-until-stopped = It is removed on ^C.
explore-removed = The throw-away cluster was removed.
explore-server-ended = The server ended by itself; the throw-away cluster was removed.

restore-without-library = The library { $library }, which the original server loads at its start, is not on this machine; the throw-away cluster runs without it
warning-database-swept = An earlier restore that was killed had left the unfinished database { $database }; it was dropped
warning-database-prepared = Prepared transactions that were open at that instant are not in the copy: { $count }
warning-database-subscriptions = Subscriptions in the copy, disabled and without a slot, so that nothing is taken from their publishers: { $count }
warning-database-foreign-keys = Foreign keys that lead to tables that were not asked for were left out: { $names }
warning-database-old-kept = The database that was replaced could not be dropped and is kept as { $database }: { $cause }
warning-database-setting = The setting { $name } was not carried over (role { $role }): { $cause }
warning-database-label = The security label of { $provider } was not carried over: { $cause }

error-throw-away-folder = A throw-away cluster can't be made in { $directory }: { $cause }
error-throw-away-folder-remedy = Nothing was restored. Name a folder with enough room in --work-dir, CADENA_WORK_DIR or [restore] work_dir; the user that runs the server must be able to pass it.
error-throw-away-remains = The throw-away cluster in { $directory } could not be removed: { $cause }
error-throw-away-remains-remedy = The next command tries again. If it fails, too, end the server that runs there and remove the folder by hand.
error-throw-away-no-superuser = No superuser of the restored cluster could be found; tried were: { $tried }
error-throw-away-no-superuser-remedy = Nothing was changed. Name a superuser of that time with --user.
error-database-unknown = There was no database { $database } at that point. There were: { $known }
error-database-unknown-remedy = Nothing was changed. Name one of those, or another point: `cadena windows` shows what can be restored.
error-database-dump-whole = Backup { $id } is logical: its dump of { $database } is exported as it is, and not in part.
error-database-dump-whole-remedy = Export it whole, and take parts out of the file with `pg_restore --table`, `--schema`, `--schema-only` or `--data-only`.
dump-as-of = Dumped as of
dump-size = Dump
error-database-unknown-object = { $database } had no { $name } at that point. It had: { $known }
error-database-unknown-object-remedy = Nothing was changed. Name one of those, as SQL writes it: [SCHEMA.]NAME.
error-database-ambiguous-table = { $name } fits several tables: { $found }
error-database-ambiguous-table-remedy = Nothing was changed. Name it with its schema.
error-database-exists = { $server } has a database { $database } already.
error-database-exists-remedy = Nothing was changed. Choose another name in --as, or give --replace: the new one is built aside and the old one kept under another name.
error-database-name = { $database } can't be the name of the new database: it is { $reason }.
error-database-name-remedy = Nothing was changed. Choose another name in --as.
error-database-server-older = { $server } is PostgreSQL { $version }; the backup is of version { $needed }, and a database can't go to an older server.
error-database-server-older-remedy = Nothing was changed. Name a server of the same version or a later one in --into.
error-database-missing-roles = { $server } lacks roles that { $database } needs: { $roles }
error-database-missing-roles-remedy = Nothing was changed there. --create-roles makes them without login and password; --no-owner and --no-privileges do without owners and grants.
error-database-missing-extensions = { $server } lacks extensions that { $database } needs: { $extensions }
error-database-missing-extensions-remedy = Nothing was changed there. Install their packages on the server's machine, or restore into another server with --into.
error-database-missing-tablespaces = { $server } lacks tablespaces that { $database } needs: { $tablespaces }
error-database-missing-tablespaces-remedy = Nothing was changed there. Create them, or give --no-tablespaces: everything goes to the default one.
error-database-no-space = { $directory } has { $free_bytes } free; { $database } needs about { $needed_bytes } there.
error-database-no-space-remedy = Nothing was changed. Make room, or name another folder in --work-dir if it is that one.
error-database-in-use = { $database } could not be replaced: { $sessions } sessions came back as fast as they were ended.
error-database-in-use-remedy = It is as it was, and the new one was dropped. Stop what connects to it, such as a connection pool, and try again; or restore under another name.
error-database-unfinished = The restore failed: { $reason } What had been made, the database { $database }, could not be dropped: { $cause }
error-database-unfinished-remedy = Nothing else was changed. Drop that database by hand; the next restore into this server tries it, too.
error-database-file = { $file } can't be written: { $cause }
error-database-file-remedy = No file was left. Name another one in --output, or put right what is said.
error-throw-away-hollow = Files of other databases were left out, and { $database } may need them: { $detail }.
error-throw-away-hollow-remedy = The whole cluster is restored instead; if this is the last word, that failed as well. Please report it.
