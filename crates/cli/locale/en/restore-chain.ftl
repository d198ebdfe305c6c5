# Restores of several archives put together, and over what is there.

error-chain-file-missing = Backup { $newer } has changes of { $path }, but backup { $id }, which it stands on, has nothing of that file.
error-chain-file-missing-remedy = What was written has been removed. Restore a backup before { $newer }, and take a new FULL now.
error-chain-file-twice = The archive of backup { $id } holds { $path } twice: whole, and as changes of it.
error-chain-file-twice-remedy = Do not use this backup. Restore an older one, and take a new FULL now.
error-chain-file-damaged = The archive of backup { $id } holds changes of { $path } that can't be understood: { $detail }
error-chain-file-damaged-remedy = Do not use this backup. Restore an older one, and take a new FULL now.
error-chain-label = The backup_label of backup { $id } says that it stands on { $what } { $found }; its record says { $recorded }.
error-chain-label-remedy = The archive or its record was exchanged. Bring both back from a copy, or use another backup.
error-chain-start = The backup_label of backup { $id } says that it began at { $found } (timeline/LSN); its record says { $recorded }.
error-chain-start-remedy = The archive or its record was exchanged. Bring both back from a copy, or use another backup.
error-chain-incomplete = A chain of backups without its beginning was to be put together.
error-chain-incomplete-remedy = This is a defect of Cadena: report it. Nothing was written.

restore-passed-over = Backup { $id } leads to the target, too, but can't be restored: { $reason }
window-backup-broken = Backup { $id } is not counted: { $reason }

error-restore-no-cluster = { $directory } holds no cluster that a restore could be made over: { $detail }
error-restore-no-cluster-remedy = Nothing was changed. Leave out --delta and name a folder that is empty or does not exist yet.
error-restore-foreign-cluster = { $directory } holds the cluster { $found }; the backup is of the cluster { $wanted }.
error-restore-foreign-cluster-remedy = Nothing was changed. Name the folder of the backup's own cluster, or an empty one.
error-restore-unfinished-over = A restore over the cluster in { $directory } was interrupted. Its files are neither the old state nor the new one.
error-restore-unfinished-over-remedy = Finish it with `cadena restore … --delta`, or remove the folder by hand if nothing in it is needed.
error-restore-ended-over = The restore over the cluster in { $directory } ended early: { $reason }
error-restore-ended-over-remedy = No server starts there now. Put right what is said above and run the same restore with --delta again: it goes on where things differ.
error-restore-cancelled-over = The restore over the cluster in { $directory } was cancelled before its end.
error-restore-cancelled-over-remedy = No server starts there now. Run the same restore with --delta again: it goes on where things differ.

restore-removed-link = The link { $link } is not in the backup and was removed; { $destination }, where it led, was left as it is
verify-changes = { $path } holds changes that can't be put into a file: { $detail }
