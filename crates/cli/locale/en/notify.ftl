# Notifications, metrics and health.

problem-backup-failing = The last { $kind } backup failed ({ $failed_at }): { $error }
problem-run-failing = The last run of { $job } failed ({ $failed_at }): { $error }
problem-wal-gap = WAL is missing on timeline { $timeline }, from { $from_lsn } to { $to_lsn }, and no backup was taken since: { $cause }
problem-wal-gap-remedy = Nothing after the gap can be restored before a new backup is there: `cadena full`.
problem-repository-unreadable = The repository can't be looked at: { $error }
problem-catalog-down = The catalog in the database (schema seguridad) is not up to date: { $error }

news-backup-started = Backup { $name } ({ $kind }) has begun.
news-backup-completed = Backup { $name } ({ $kind }) is complete: { $plain_bytes } in { $archive_bytes }, in { $took_seconds }.
news-backup-failed = Backup { $name } ({ $kind }) failed: { $error }
news-validation-passed = Backup { $name } was validated ({ $level }), and is sound.
news-validation-failed = Backup { $name } was validated ({ $level }), and is damaged.

notify-title = { $cluster }: { $sentence }
notify-title-lasts = { $cluster }, still: { $sentence }
notify-title-over = { $cluster }, over: { $sentence }
notify-lasts = It has lasted for { $duration }.
notify-lasted = It lasted for { $duration }.
notify-test = This is a test of the channel { $channel }. Nothing is wrong.
notify-fact-host = Host
notify-fact-time = Time
notify-fact-since = Since
notify-taken = { $channel }: { $host } took the message ({ $answer })
notify-not-taken = { $channel }: { $message }
notify-untold = Nobody was told: { $message }

notify-failing = Notifications through { $channel } do not get through: { $error }
notify-recovered = Notifications through { $channel } get through again
notify-dropped = { $count ->
    [one] A notification through { $channel } was given up
   *[other] { $count } notifications through { $channel } were given up
}

error-notify-settings = The channel { $channel } makes no sense: { $detail }
error-notify-settings-remedy = Correct it under [[notify]] in cadena.toml; docs/reference/notifications.md has examples.
error-notify-no-channel = There is no channel { $name }. Configured: { $known }
error-notify-no-channel-remedy = Channels stand under [[notify]] in cadena.toml; docs/reference/notifications.md has examples.
error-notify-template = The template { $template } of channel { $channel } can't be used: { $detail }
error-notify-template-remedy = Correct it, and try it with `cadena notify test`.
error-notify-unreachable = { $host } can't be reached (channel { $channel }): { $detail }
error-notify-unreachable-remedy = Check address and network, a firewall, and whether a proxy is needed: `proxy` under [[notify]].
error-notify-timeout = { $host } has not answered within { $seconds } s (channel { $channel })
error-notify-timeout-remedy = Check address and network; timeout_seconds under [[notify]] sets how long is waited.
error-notify-refused = { $host } answered { $status } (channel { $channel }): { $answer }
error-notify-refused-remedy = 401, 403 and 404 mostly mean a wrong or withdrawn address or token; 400 that template and address are of different services.
error-notify-redirected = { $host } answered { $status }, a redirection (channel { $channel }). It is not followed: message and token would go to another place.
error-notify-redirected-remedy = Give the address that it leads to, if you trust it.
error-notify-mail = { $host } did not take the mail (channel { $channel }): { $detail }
    { $permanent ->
        [true] It will not take it later, either.
       *[other] It is tried again.
    }
error-notify-mail-remedy = Check host, port and tls, user and password, and that the server lets this sender write to these people.
error-metrics-remote = { $address } is no address of this host alone, and the pages have neither a password nor TLS.
error-metrics-remote-remedy = Listen on 127.0.0.1 and put a proxy before it, or set allow_remote = true under [metrics] where a firewall guards the port.
error-metrics-listen = { $address } can't be listened on: { $cause }
error-metrics-listen-remedy = Choose another port under [metrics] in cadena.toml, or see who has it: ss -ltnp
error-config-missing-key = { $file }, line { $line }: { $name } is missing in [[{ $section }]]
error-config-missing-key-remedy = Add it; docs/reference/notifications.md has examples.
error-config-name-twice = { $file }, line { $line }: there is another channel of the name { $name }
error-config-name-twice-remedy = Give each channel a name of its own.
error-config-secret-file = The secret of channel { $channel } in { $file } can't be read: { $cause }
error-config-secret-file-remedy = Put it on the first line of the file, and let the user who runs cadena read it.
error-config-secret-variable = The secret of channel { $channel } should be in the environment variable { $variable }, which is not set
error-config-secret-variable-remedy = Set it where cadena is started from (Environment= or EnvironmentFile= of the service).
