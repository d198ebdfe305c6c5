# Restores of several archives put together, and over what is there.

error-chain-file-missing = Backup { $newer } has changes of { $path }, but backup { $id }, which it stands on, has nothing of that file.
error-chain-file-missing-remedy = What was written has been removed. Restore a backup before { $newer }, and take a new FULL now.
error-chain-file-twice = The archive of backup { $id } holds { $path } twice: whole, and as changes of it.
error-chain-file-twice-remedy = Do not use this backup. Restore an older one, and take a new FULL now.
error-chain-file-damaged = The archive of backup { $id } holds changes of { $path } that can't be understood: { $detail }
error-chain-file-damaged-remedy = Do not use this backup. Restore an older one, and take a new FULL now.
error-chain-label = The backup_label of backup { $id } says that it stands on { $what } { $found }; its record says { $recorded }.
error-chain-label-remedy = The archive or its record was exchanged. Bring both back from a copy, or use another backup.
error-chain-incomplete = A chain of backups without its beginning was to be put together.
error-chain-incomplete-remedy = This is a defect of Cadena: report it. Nothing was written.

restore-passed-over = Backup { $id } leads to the target, too, but can't be restored: { $reason }
window-backup-broken = Backup { $id } is not counted: { $reason }
