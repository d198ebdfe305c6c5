## Receiving and pushing WAL: errors, what a receiver tells, and what is found about its slot.

error-wal-receiver-busy = Another receiver writes this repository's WAL: process { $pid } on { $host }.
error-wal-receiver-busy-remedy = One is enough. `cadena status` shows how far it is; stop it before starting another.
error-wal-slot-busy = Replication slot { $slot } is in use by process { $pid } of the server.
error-wal-slot-busy-remedy = Find out who streams from it (pg_stat_replication). If it is a receiver of another repository, give each a slot of its own with --slot.
error-wal-slot-lost = Replication slot { $slot } has lost its WAL ({ $reason }).
error-wal-slot-lost-remedy = Start the receiver: it makes the slot anew and notes what is missing. Take a FULL then, and raise max_slot_wal_keep_size.
error-wal-slot-unusable = Replication slot { $slot } can't be used: { $detail }
error-wal-slot-unusable-remedy = Choose another name with --slot: small letters, digits and underscores.
error-wal-replication-refused = The server refuses to stream its WAL: { $detail }
error-wal-replication-refused-remedy = The role needs REPLICATION (`cadena init --print-grants`), pg_hba.conf a line for the database `replication`, and the server wal_level = replica and free max_wal_senders and max_replication_slots.
error-wal-server-behind = The server's WAL ends at { $server_lsn }; { $received_lsn } on timeline { $timeline } was received from it before.
error-wal-server-behind-remedy = The server was set back to an older state without a new timeline, or another one answers at its address. Connect to the right one. If the old state is what you want, promote it to a timeline of its own, or use a new repository.
error-wal-removed = The server removed WAL segment { $segment } before it was received.
error-wal-removed-remedy = Take a new FULL: nothing can be restored across what is missing.
error-wal-stream-invalid = The server sent WAL that is not valid at { $lsn }: { $detail }
error-wal-stream-invalid-remedy = It was not acknowledged, and nothing was overwritten. Check the server's log and disk with pg_waldump; if the server was set back to an older state, it needs a timeline or a repository of its own.
error-wal-stream-silent = The server has not answered for { $seconds } seconds.
error-wal-stream-silent-remedy = Check the server and the network between. The receiver goes on where it was when it is started again.
error-wal-file-name = { $name } is no name of a WAL segment, a history file or a backup's history.
error-wal-file-name-remedy = Give archive_command's %p, as in: archive_command = 'cadena wal-push %p'
error-wal-file = { $action } { $path } failed: { $cause }
error-wal-file-remedy = Check that the file exists and may be read by the server's user. The server tries again by itself.

wal-streaming = Streaming timeline { $timeline } from { $lsn } (slot { $slot })
wal-slot-created = Replication slot { $slot } was made
wal-segment-archived = WAL segment { $segment } is archived
wal-timeline-switched = The server went from timeline { $from } to { $to } at { $lsn }
wal-gap-found = WAL is lost: { $gap }. Take a new FULL: nothing can be restored across this
wal-gap-found-remedy = Take a FULL now with `cadena full`, so that points in time after the gap can be restored.
wal-gap = timeline { $timeline }, from { $from_lsn } to { $to_lsn } ({ $cause })
wal-slot-dropped = Replication slot { $slot } held back { $retained_bytes } of WAL, more than { $limit_bytes }, and was dropped before it filled the server's disk
wal-slot-dropped-remedy = Find out why the receiver fell behind. The slot is made anew once it has caught up.
wal-slot-replaced = Replication slot { $slot } had lost its WAL ({ $reason }) and was made anew
wal-slot-replaced-remedy = Raise max_slot_wal_keep_size, or keep the receiver running.

slot-absent = There is no replication slot { $slot }: the server may remove WAL that nobody has received
slot-absent-remedy = Start the receiver: it makes the slot.
slot-lost = Replication slot { $slot } has lost its WAL ({ $reason })
slot-lost-remedy = Start the receiver: it makes the slot anew and notes what is missing. Take a FULL then, and raise max_slot_wal_keep_size.
slot-at-risk = Replication slot { $slot } is about to lose WAL: the server keeps { $safe_wal_bytes } more
slot-at-risk-remedy = Start the receiver, or find out why it is slow; raise max_slot_wal_keep_size.
slot-retains-too-much = Replication slot { $slot } holds back { $retained_bytes } of WAL, more than { $limit_bytes }
slot-retains-too-much-remedy = Start the receiver, or find out why it is slow. It drops the slot rather than fill the server's disk.
slot-used-by-other = Another client streams from replication slot { $slot }: { $application }, process { $pid }
slot-used-by-other-remedy = Give each client a slot of its own.
slot-unusable = Replication slot { $slot } can't be used: { $detail }
slot-unusable-remedy = Choose another name with --slot.
slot-unbounded = The server sets no bound to what replication slot { $slot } holds back: if nobody receives, its disk may fill
slot-unbounded-remedy = Set max_slot_wal_keep_size on the server.
