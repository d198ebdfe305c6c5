# Drills.

drill-proved = Proved: the chain comes back.
drill-warned = The chain comes back; something needs a look.
drill-failed = The drill found that not all comes back.
drill-chain = Chain
drill-instant = Proved instant
drill-end = Recovered to
drill-rto = Until it took connections
drill-recovery = Of that, recovery
drill-size = Restored
drill-pages = Pages checked
drill-no-checksums = none (the cluster has no checksums)
drill-amcheck-label = pg_amcheck
drill-amcheck = pg_amcheck: { $detail }
drill-amcheck-ran = { $count } databases
drill-amcheck-missing = not found on this machine
drill-amcheck-refused = could look at no database (its extension is not on this machine)
drill-amcheck-skipped = pg_amcheck could not look at the database { $database }: { $detail }
drill-amcheck-off = switched off
drill-assertions = Assertions
drill-assertions-held = { $holding } of { $count } hold
drill-report = Report
drill-finding = Found: { $message }

drill-page = { $known ->
    [true] Page { $block } of { $path } is corrupt; it was so when the backup was taken.
   *[false] Page { $block } of { $path } is corrupt.
  }
drill-partial-page = { $path } ends within a page ({ $size_bytes }).
drill-assertion = { $name } (database { $database }) gave { $answer } instead of { $wanted }.
drill-assertion-failed = { $name } (database { $database }) could not be asked: { $detail }
drill-server = The restored server did not come up, or did not come to the end of its recovery: { $detail }
drill-gap = What was archived later can't be reached, since WAL is missing: { $gap }. Take a backup now.
drill-remains = All was looked at, but the throw-away server did not end in order, or is not gone: { $detail }
run-note-drilled = drill { $result }, { $rto_seconds } s until it took connections, { $report }
run-note-no-drill = no drill on this machine: { $error }
job-drill = Drill
status-drill = Drills
status-drill-proved = Last proved instant
status-drill-proved-value = { $instant } (drill of { $at }, { $rto } until it took connections)
status-drill-never = none yet; `cadena validate --level drill` proves one
status-drill-last = Last drill
attention-drill-failed = The last drill ({ $at }) found that not all comes back: { $report } in the repository says what. Run `cadena validate --level drill` after it is mended.
