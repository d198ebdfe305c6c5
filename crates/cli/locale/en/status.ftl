# What `status` shows, and what needs attention.

status-running = Running now: { $name }, process { $pid } on { $host }, since { $since }.
status-fine = Nothing needs attention.
status-attention = Needs attention:
status-kinds = Backups
status-chains = Chains
status-chains-more = { $count ->
    [one] One older backup is not drawn: `cadena list` shows it.
   *[other] { $count } older backups are not drawn: `cadena list` shows them.
}
status-chain-broken = CAN'T BE RESTORED
status-not-validated = not validated
status-valid = valid ({ $level }, { $at })
status-valid-warned = valid, with warnings ({ $level }, { $at })
status-invalid = DAMAGED ({ $level }, { $at })
status-wal = WAL
status-restorable = Restorable
status-restorable-value = any instant from { $from } to { $until }
status-restorable-more = { $count ->
    [one] and one more window: `cadena windows`
   *[other] and { $count } more windows: `cadena windows`
}
status-receiver = Receiver
status-receiver-value = streaming; durable up to { $lsn }, behind by { $size } for { $duration }
status-slot = Slot
status-slot-value = { $name }, holds { $size } on the server
status-validation = Validation
status-validated = Backups
status-validated-value = { $valid } valid, { $failed } damaged, { $never } not validated
status-validated-last = Last one
status-space = Space
status-space-backups = Backups
status-space-wal = WAL
status-space-orphans = Archives without a record
status-space-total = In total
status-space-free = Free
column-last = Last
column-next = Next

attention-archive = The archive of backup { $id } is missing or has another size. It can't be restored; take a new FULL.
attention-unreadable = The record { $object } can't be read: { $detail }
attention-no-backup = There is no completed backup. `cadena full` takes one.
attention-failed = The last backup, { $id }, failed: { $reason }
attention-corrupt-pages = { $count ->
    [one] Backup { $id } holds a page that was damaged in the cluster itself.
   *[other] Backup { $id } holds { $count } pages that were damaged in the cluster itself.
}
attention-interrupted = The backup { $name } of process { $pid } on { $host }, begun { $since }, was cut off. The next backup clears it up.
attention-orphan = { $object } is an archive without a record. Cadena never removes it by itself.
attention-late = { $kind } was due { $since }, and was not taken. Look whether `cadena start` runs, and what backup_scheduler.log says.
attention-invalid = Backup { $id } was found damaged ({ $level }, { $validated_at }). `cadena validate { $id } --level deep` says where; take a new FULL.
attention-space = { $free_bytes } are free for the repository, and the next FULL will take about { $needed_bytes }. Make room, or see `cadena cleanup --dry-run`.
attention-slot = { $finding }
attention-wal = { $finding }
attention-receiver-dead = Nobody receives WAL: process { $pid } on { $host } ended after { $since }, at { $lsn }. Start `cadena start` again.
attention-receiver-waiting = The receiver (process { $pid } on { $host }) is not connected since { $since }; the archive ends at { $lsn }. Its reason is in backup_scheduler.log.
attention-lag = The archive is { $lag_bytes } behind the server, for { $lag_seconds }. Look at disk and network; changes since then would be lost with the server.
