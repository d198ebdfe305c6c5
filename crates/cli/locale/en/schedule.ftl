# The schedule and its runs.

error-schedule-unknown-job = There is no job { $name }. There are { $known }.
error-schedule-unknown-job-remedy = Name one of them; `cadena schedule show` lists them.
error-schedule-pattern = “{ $text }” is no cron pattern: { $detail }
error-schedule-pattern-remedy = A pattern is “MINUTE HOUR DAY MONTH WEEKDAY”, such as “30 23 * * SUN”; a sixth field in front counts seconds. `off` switches a job off.
error-schedule-never = No date ever matches “{ $text }”.
error-schedule-never-remedy = Correct the day or the month; L is the last day of a month. `off` switches a job off.
error-schedule-time = { $name } = { $value } is no part of a time; allowed: { $allowed }.
error-schedule-time-remedy = Days of the week are counted from 0 for Monday to 6 for Sunday.
error-schedule-days = A day of the month ({ $day }) and a day of the week ({ $weekday }) were given at once.
error-schedule-days-remedy = Give one of them, or a cron pattern.
error-schedule-unreadable = { $object } in { $storage } can't be read: { $detail }
error-schedule-unreadable-remedy = Correct the file, or remove it: without schedule.json the default times hold, and scheduler.json is made anew.
error-schedule-fixed = { $file } says when { $job } runs ({ $name } in [schedule]).
error-schedule-fixed-remedy = Change it there, or take it out of the file; a running daemon sees either within seconds.
error-schedule-busy = Another process is changing the schedule: { $pid } on { $host }.
error-schedule-busy-remedy = Run the command again.

error-daemon-busy = A daemon works for this repository already: process { $pid } on { $host }, since { $since }.
error-daemon-busy-remedy = One is enough. Stop it before starting another, or start this one with --wait: it takes over when the other one is gone.
error-daemon-lock-lost = Another daemon has taken over this repository: process { $pid } on { $host }, since { $since }.
error-daemon-lock-lost-remedy = This one was paused, or cut off from the repository, for longer than its lock lasts, and has stopped. One daemon is enough; with --wait it would wait for its turn.
error-daemon-part-died = The daemon's { $part } ended unexpectedly.
error-daemon-part-died-remedy = Start the daemon again (systemd does so by itself), and report what it wrote to standard error: this is a defect.
error-daemon-idle = There is nothing to do: neither WAL nor the schedule is wanted.
error-daemon-idle-remedy = Leave out --no-wal or --no-schedule.

run-missed = { $job } was due at { $due_at } and is not done: it is made up now
run-replaced = { $job } of { $due_at } was not done before the next one fell due at { $next_at }: only that one will be
run-started = { $job } of { $due_at } begins
run-finished = { $job } of { $due_at } is done after { $seconds } s: { $note }
run-found-faults = { $job } of { $due_at } is done after { $seconds } s: { $note }
run-found-faults-remedy = `cadena status` shows what needs a look.
run-unneeded = { $job } of { $due_at } is not needed any more: { $note }
run-failed = { $job } of { $due_at } failed (attempt { $attempt }), and is tried again in { $seconds } s: { $error }
run-waiting = { $job } of { $due_at } waits: { $error }
run-stopped = { $job } of { $due_at } was stopped with the daemon; it is made up at the next start
run-note-backup = backup { $id }, { $kind }, { $name } ({ $archive_bytes })
run-note-validated = { $count ->
    [one] one backup was validated
   *[other] { $count } backups were validated
}, { $damaged ->
    [0] none is damaged
    [one] one is damaged
   *[other] { $damaged } are damaged
}
run-note-cleaned = { $count ->
    [one] one backup was removed
   *[other] { $count } backups were removed
}, { $freed_bytes } are free again
run-note-nothing = there was nothing to do
schedule-changed = { $job } now runs at “{ $rule }”; next at { $next_at }
schedule-reload-failed = The schedule can't be read; the old one goes on: { $error }
scheduler-memory-lost = What the scheduler remembered can't be read; it goes by the records of the backups: { $error }
scheduler-memory-unwritten = What the scheduler has to remember can't be written: { $error }
clock-set-back = The clock was set back from { $from_at } to { $to_at }

daemon-journal-failed = The event could not be written into the repository's journal: { $error }

service-running = { $job } runs since { $time }
service-next = Next: { $job } at { $time }
service-idle = Nothing is scheduled

job-validate = VALIDATE
job-cleanup = CLEANUP
column-job = Job
column-when = When
column-last-run = Last run
column-set-in = Set in
schedule-off = off
schedule-cron = cron “{ $pattern }”
schedule-daily = daily at { $time }
schedule-weekly = { $weekday ->
    [0] Mondays
    [1] Tuesdays
    [2] Wednesdays
    [3] Thursdays
    [4] Fridays
    [5] Saturdays
   *[6] Sundays
} at { $time }
schedule-monthly = day { $day } of the month at { $time }
schedule-monthly-or-last = day { $day } of the month, or its last, at { $time }
schedule-source-default = default
schedule-running = running since { $time }
schedule-last-done = { $time }: { $what }
schedule-last-failed = { $time }: FAILED: { $what }
schedule-daemon = The daemon runs: process { $pid } on { $host }.
schedule-no-daemon = No daemon runs the schedule. `cadena start` does.
schedule-set = { $job }: { $rule }. Next: { $next }.
