## Restore to an instant: errors (error-KEY, error-KEY-remedy) and notes.

error-restore-target-unreachable = { $target } can't be reached. Nearest before it: { $earlier_lsn ->
        [none] nothing
       *[other] { $earlier_at ->
            [none] LSN { $earlier_lsn }
           *[other] { $earlier_at } (LSN { $earlier_lsn })
        }
    }; nearest after it: { $later_lsn ->
        [none] nothing
       *[other] { $later_at ->
            [none] LSN { $later_lsn }
           *[other] { $later_at } (LSN { $later_lsn })
        }
    }.
error-restore-target-unreachable-remedy = Nothing was written. Ask for one of those instants. Timelines that lead to the target (--timeline N): { $timelines ->
        [none] none
       *[other] { $timelines }
    }. `cadena windows` shows all that can be restored.
error-restore-target-ambiguous = { $target } fits several restore points: { $found }
error-restore-target-ambiguous-remedy = Nothing was written. Say which one with --lsn, or with --timeline if they are on different ones.
error-restore-unknown-timeline = There is no timeline { $timeline }; known are: { $known }
error-restore-unknown-timeline-remedy = Nothing was written. Name one of those in --timeline, or leave it out for the newest.
error-restore-unknown-point = There is no restore point { $name } on this timeline. The newest are: { $known }
error-restore-unknown-point-remedy = Nothing was written. Timelines that have it (--timeline N): { $timelines ->
        [none] none
       *[other] { $timelines }
    }. `cadena windows` shows all restore points.
error-restore-wal-missing = WAL segment { $segment } is missing: the log breaks off at { $needed_from }, before { $target }.
error-restore-wal-missing-remedy = Nothing was written. The nearest instant before that can be restored is { $earlier_at ->
        [none] nothing
       *[other] { $earlier_at }
    }, the nearest after it { $later_at ->
        [none] nothing
       *[other] { $later_at }
    }. If the server or another copy still has the segment, archive it with `cadena wal-push`.
error-restore-wal-damaged = WAL segment { $segment }, which this restore needs, is damaged: { $detail }
error-restore-wal-damaged-remedy = Nothing was written. The nearest instant before the damage is { $earlier_lsn ->
        [none] nothing
       *[other] { $earlier_at ->
            [none] LSN { $earlier_lsn }
           *[other] { $earlier_at } (LSN { $earlier_lsn })
        }
    }. If the server still has the segment in pg_wal, move the damaged file away and archive it again; check the disk.
error-restore-fetch-unusable = The restored server, run by { $owner }, can't fetch its WAL: { $detail } is in the way.
error-restore-fetch-unusable-remedy = Nothing was written. Use --wal stage, which puts the WAL into the data directory, or let that user reach the repository and run the program.
error-restore-ended-short = Recovery in { $directory } ended at { $recovered_lsn }, not at { $expected_lsn } as planned.
error-restore-ended-short-remedy = The server was stopped: do not use what is in this folder. Look at its log (cadena-start.log) for what kept it from going on, and restore again.

restore-archiving-off = The restored cluster archives no WAL and waits for no standby, whatever the original's settings say; --archive-mode preserve keeps them
restore-fetches-wal = While it recovers, the server gets its WAL from the repository with `{ $command }`; repository and program must stay in place until recovery has ended
gap-segments-missing = Segments { $first } to { $last } are not in the archive
gap-segment-damaged = Segment { $segment } is damaged: { $detail }
gap-segment-partial = Of segment { $segment } only the beginning is in the archive
window-history-missing = The history file of timeline { $timeline } is missing: nothing tells where that timeline came from
window-backup-unreadable = { $object } can't be read: { $detail }
