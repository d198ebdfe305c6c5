## Why a way of finding the changed blocks can't tell.

changes-wal-missing = WAL segment { $segment } is neither in the archive nor on the server
changes-wal-damaged = WAL segment { $segment } can't be read: { $detail }
changes-wal-level-minimal = At { $lsn } the server ran with wal_level = minimal: what it changed after that is not all in its WAL
changes-base-elsewhere = The base went up to { $lsn } on timeline { $timeline }, which timeline { $to_timeline } had left before that: it holds what never happened here
changes-base-later = The base started at { $from_lsn }, after this backup ({ $to_lsn }): the server lags behind the one that the base was taken from
changes-history-missing = The history file of timeline { $timeline } is missing: nothing tells where that timeline came from
changes-no-server-summaries = PostgreSQL { $version } keeps no WAL summaries; 17 and later do
changes-summaries-off = The server keeps no WAL summaries: summarize_wal is off
changes-summaries-behind = The server has summarized its WAL up to { $summarized_lsn }, and made no progress towards { $wanted_lsn }
changes-summary-missing = The server has no WAL summary from { $lsn } on timeline { $timeline } on, or has it no longer
changes-summary-damaged = The server's WAL summary { $summary } can't be read: { $detail }
changes-not-allowed = The server does not let us read what is needed: { $detail }
