# Copies elsewhere.

phase-sending = Copying
status-replicas = Copies elsewhere
status-replica = { $count } of { $total } backups, WAL up to { $wal }, last reached { $at }
status-copies = also in { $replicas }
status-no-copy = nowhere else
column-name = Name
column-provider = Provider
column-behind = Behind
column-wal-there = WAL up to
column-complete = Complete
column-place = Where

replica-none = No replica is configured. [[replica]] in cadena.toml says where copies go.
replica-former = { $replica } is no longer configured; `cadena replica forget { $replica }` forgets it (what lies there stays).
replica-forgotten = { $replica } is forgotten. What lies there stays.
replica-pushed = { $replica }: { $backups } backups and { $segments } WAL segments sent, { $size } in { $duration }.
replica-faulty = Backup { $id } was not sent: { $message }
replica-not-sent = The replica { $replica } was not brought up to date: { $message } The next attempt sends what is missing.
replica-pulled = { $replica }: { $backups } backups and { $segments } WAL segments brought, { $present } backups were here, { $size } in { $duration }.
replica-verified-text = { $backups } copies of backups and { $segments } of segments are good, { $bad } are bad, { $repaired } were made anew; { $size } read in { $duration }.
replica-finding = { $place }: { $object }: { $fault } { $outcome }
replica-here = repository
replica-repaired = It was made anew from a good copy.
replica-not-repaired = `cadena replica verify --repair` makes it anew if there is a good copy.
replica-cleaned-text = { $replica }: { $backups } backups and { $segments } WAL segments removed, { $size } freed.
replica-would-clean = { $replica }: { $backups } backups and { $segments } WAL segments would go, { $size }.

copy-missing = it is missing.
copy-size = it has { $found_bytes } instead of { $wanted_bytes }.
copy-digest = its SHA-256 is { $found }, recorded is { $wanted }.
copy-differs = its bytes are not those of another copy, and without an identity nobody can tell which of them is good.
copy-unreadable = it can't be read: { $detail }.

replica-backup-copied = { $name } was copied to { $replica }: { $url }
replica-failing = The replica { $replica } fails: { $error }
replica-recovered = The replica { $replica } is well again; it had failed since { $since }.
replica-source-damaged = { $name } is damaged here and was not copied to { $replica }: { $error }
replica-removal-refused = { $name } was to go from { $replica }, and stays: { $error }
replica-wal-removal-refused = { $segments } WAL segments were to go from { $replica }, and stay: { $error }
replica-backup-removed = { $name } was removed from { $replica }: { $reason }
replica-wal-trimmed = { $segments } WAL segments were removed from { $replica }, { $freed_bytes } freed.
replica-cleanup-finished = Cleanup of { $replica }: { $backups } backups and { $segments } WAL segments removed, { $freed_bytes } freed.
replica-verified = The copies in { $replica } were compared: { $bad } bad, { $repaired } made anew.
replica-attempt-failed = The replica { $replica } was not brought up to date: { $error } Next attempt in { $seconds } s.
replica-backups-sent = { $count } backups were copied to { $replica }, { $bytes }.
replica-cleaned = { $backups } backups and { $segments } WAL segments were removed from { $replica }.

attention-replica-failing = The replica { $replica } fails since { $since }: { $reason }
attention-replica-behind = The replica { $replica } lacks { $backups } backups and { $segments } WAL segments for more than a day. `cadena start` sends them, or `cadena replica push`.
attention-replica-bad = { $count } copies in or for { $replica } are bad ({ $at }). `cadena replica verify --repair` mends them.

error-replica-write-only = The replica { $replica } is only written: it can be neither read nor cleaned up from here.
error-replica-write-only-remedy = Do it with credentials that may read, or remove: a configuration of its own, on another host perhaps, without write_only.
error-replica-unseen = Something lies in the replica { $replica } ({ $storage }) already, and whose it is can't be seen.
error-replica-unseen-remedy = Give it a prefix where nothing lies; make sure that it is not the repository itself at another address. If these are copies of this repository, run `cadena replica push { $replica }` once with credentials that may read, and without write_only.
error-replica-foreign = The replica { $replica } holds backups of cluster { $found }, not of { $wanted }.
error-replica-foreign-remedy = Give the replica a place of its own, such as another folder or prefix.
error-replica-is-repository = The replica { $replica } is the repository itself: { $storage }.
error-replica-is-repository-remedy = Name another place in [[replica]]: a copy beside the original is lost with it.
error-replica-busy = { $holder } is working with the replica { $replica }.
error-replica-busy-remedy = The daemon keeps replicas up to date by itself. Wait, or end that process.
error-replica-source-damaged = { $object } in { $storage } is damaged: its SHA-256 is { $found }, recorded is { $recorded }.
error-replica-source-damaged-remedy = `cadena replica verify --repair` makes it anew from a replica that has a good copy; `cadena validate` says what else is damaged.
error-replica-arrived-short = { $object } arrived in { $storage } with { $found_bytes } instead of { $sent_bytes }.
error-replica-arrived-short-remedy = Try again; if it stays so, the storage does not keep what it is given.
error-replica-conflict = { $object } in { $storage } is another one: { $found_bytes } instead of { $wanted_bytes }.
error-replica-conflict-remedy = Somebody else writes there. `cadena replica verify` says which copies are good.
error-replica-state-unreadable = { $object } in { $storage } can't be read: { $detail }.
error-replica-state-unreadable-remedy = It is a memory only: remove it, and the next push makes it anew.
error-replica-no-backup = There is no completed backup { $id } in the replica { $replica }.
error-replica-no-backup-remedy = `cadena list --from-replica { $replica }` shows what is there.
error-replica-broken-chain = Backup { $id } in the replica { $replica } stands on { $base_id }, which is not there.
error-replica-broken-chain-remedy = Pull another backup; `cadena list --from-replica { $replica }` shows what is there.
error-usage-replica-unknown = There is no replica { $name }; known: { $known }.
error-usage-replica-unknown-remedy = Names stand in [[replica]] in cadena.toml.
error-usage-no-replica = No replica is configured.
error-usage-no-replica-remedy = Add a [[replica]] with a name and a place to cadena.toml.
error-usage-from-replica = This command would write, and the replica { $name } is only read.
error-usage-from-replica-remedy = `cadena replica pull { $name }` makes a repository of it.
error-usage-replica-configured = The replica { $name } is still configured.
error-usage-replica-configured-remedy = Remove its [[replica]] from cadena.toml first.
error-retention-unknown = The retention policy is not known: { $detail }.
error-retention-unknown-remedy = Mend the row of seguridad.backup_retention_policy that is named, or deactivate it.

