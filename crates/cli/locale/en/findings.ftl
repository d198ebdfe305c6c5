## What records and reports hold as {"key": …}: warnings of a backup, findings of a validation, missing privileges.

warning-corrupt-pages = { $pages ->
    [one] One page of the cluster is damaged: { $file }, block { $block }
   *[other] { $pages } pages of the cluster are damaged; the first: { $file }, block { $block }
}
warning-no-slot = No replication slot could be had, so the server was free to remove WAL while the backup ran. It did not. Reason: { $cause }
warning-external-config = The configuration file { $path } lies outside the data directory and is not in the backup: { $cause }
warning-followed-links = { $count ->
    [one] A symbolic link in the data directory was followed: { $path }
   *[other] { $count } symbolic links in the data directory were followed; the first: { $path }
}
warning-left-out = { $count ->
    [one] Something in the data directory that is neither file nor folder was left out: { $path }
   *[other] { $count } things in the data directory that are neither files nor folders were left out; the first: { $path }
}

privilege-backup-control = start and stop backups
privilege-control-data = read the control data
privilege-read-files = read the cluster's files over SQL
privilege-slot = create a replication slot, which keeps the WAL while a backup runs
privilege-settings = see all settings, such as the data directory
privilege-switch-wal = finish the current WAL segment
privilege-restore-point = create restore points
