# The catalog in the database.

error-backup-interrupted = Process { $pid } on { $host } ended before the backup was complete.
error-backup-interrupted-remedy = Take the backup again; nothing of the interrupted one is left.

warning-archive-gone = The archive { $name } is gone, or has another size than was recorded.

error-catalog-absent = There is no catalog (schema seguridad) in the database of { $target }.
error-catalog-absent-remedy = Make it with `cadena catalog install`, or with psql -f migrations/002_add_incremental_backup_system.sql in that database.
error-catalog-foreign = In the database of { $target } these are not Cadena's, and are left alone: { $objects }
error-catalog-foreign-remedy = Move each to another schema, with its data (ALTER TABLE … SET SCHEMA …), and run `cadena catalog install`; or keep the catalog in another database (--dbname).
error-catalog-incomplete = The catalog in the database of { $target } lacks { $missing }.
error-catalog-incomplete-remedy = Run `cadena catalog install`. Where a column is missing, remove its table first: all but the policies comes back from the repository.
error-catalog-newer = The catalog in the database of { $target } has version { $found }; this program knows up to { $supported }.
error-catalog-newer-remedy = Use the version of Cadena that made it, or a newer one.
error-catalog-privilege = Role { $role } may not do what the catalog needs.
error-catalog-privilege-remedy = As a superuser, in the same database, run: { $grants }
error-catalog-read-only = { $target } is a standby, and can't be written to.
error-catalog-read-only-remedy = The catalog is brought up to date by the next command that reaches the primary, or by `cadena catalog sync` with --host and --port of the primary.
error-catalog-busy = The catalog in the database of { $target } did not answer within { $seconds } s: it is locked, or the server is overloaded.
error-catalog-busy-remedy = Look for long transactions on the tables of seguridad (pg_stat_activity), and run `cadena catalog sync`.
error-catalog-policy = Retention policy { $id } ({ $name }) makes no sense: { $detail }
error-catalog-policy-remedy = Correct the row in seguridad.backup_retention_policy, or set activa = false.

catalog-not-updated = The catalog in the database was not brought up to date: { $message }
catalog-synced = The catalog in the database of { $target } says what the repository says.
catalog-rebuilt = The catalog in the database of { $target } was made anew from the repository.
catalog-installed = The catalog is in the database of { $target }.
catalog-inserted = New
catalog-updated = Changed
catalog-deleted = Removed
catalog-unreadable-records = { $count ->
    [one] One backup's record can't be read; it has no row. `cadena status` names it.
   *[other] { $count } backups' records can't be read; they have no rows. `cadena status` names them.
}
catalog-unreadable-lines = { $count ->
    [one] One line of the journal is no event; it has no row.
   *[other] { $count } lines of the journal are no events; they have no rows.
}

check-catalog = Catalog: version { $version }, in the database of { $target }
check-catalog-off = Catalog: switched off by the configuration
check-catalog-standby = Catalog: { $target } is a standby; it shows the primary's
check-catalog-absent = Catalog: there is none in the database of { $target }
check-catalog-absent-remedy = Backups work without it. `cadena catalog install` makes it.
check-catalog-policy = Retention policy { $name }: FULL { $full } months, DIFERENCIAL { $differential } weeks, INCREMENTAL { $incremental } days, at least { $chains } chains

init-catalog = The catalog (schema seguridad) is in the database.
