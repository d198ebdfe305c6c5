# Storages elsewhere.
error-storage-unreachable = { $storage } can't be reached for { $object }; given up after { $seconds } s: { $cause }
error-storage-unreachable-remedy = Check the network, the address (endpoint) and whether the store is up; then run the command again. What was under way is not visible there. give_up_seconds says how long it is tried.
error-storage-throttled = { $storage } asks to slow down; { $object } was given up after { $seconds } s: { $cause }
error-storage-throttled-remedy = Run the command again later, or lower concurrency; give_up_seconds says how long it is tried.
error-storage-wrong-bytes = { $object } in { $storage }: the bytes that arrived are not those that were sent: { $detail }
error-storage-wrong-bytes-remedy = Something on the way changes bytes: check proxies, network and memory; then run the command again.
error-storage-changed = { $object } in { $storage } was changed by somebody else meanwhile
error-storage-changed-remedy = Run the command again. If it comes back, look who else writes there: one cluster's repository takes one prefix of its own.
error-storage-lock-lost = The lock { $object } in { $storage } ran out and is no longer ours
error-storage-lock-lost-remedy = This process was paused, or the store could not be reached, for longer than the lease (lease_seconds). Nothing was lost; run the command again.
error-storage-replica-only = { $storage } knows no conditional writes: it can hold a replica, but no repository
error-storage-replica-only-remedy = Keep the repository in a folder or in S3, and name this storage in a [[replica]].
error-storage-setting = { $storage }: { $setting }: { $detail }
error-storage-setting-remedy = Correct it where the storage is named: cadena.toml, BACKUP_DIR or --repository.
error-storage-credentials = There are no usable credentials for { $storage }: { $detail }
error-storage-credentials-remedy = Give them in the environment, in a file, or by the provider's own chain; compare this host's clock with the real time, too.
error-config-store-secret-file = { $name } in { $file } can't be used: { $cause }
error-config-store-secret-file-remedy = Name a file that is there, holds the secret (a password on its first line), and can be read by its owner only (chmod 600).
error-config-store-secret-variable = { $name } should be in the environment variable { $variable }, which is not set
error-config-store-secret-variable-remedy = Set it where cadena is started from (Environment= or EnvironmentFile= of the service).
